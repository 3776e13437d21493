//! H09: paths out of a folder, hidden files, listings. The service serves no files: whatever is asked for is not there.

use reqwest::Method;

use super::{Target, explained, refused};

/// Where files could be.
const FOLDERS: [&str; 9] =
    ["", "/api", "/api/v1", "/.well-known", "/static", "/assets", "/account", "/social", "/health"];
/// Files, and ways to them.
const FILES: [&str; 44] = [
    "/",
    "/index.html",
    "/../master.key",
    "/../../../../etc/passwd",
    "/%2e%2e/master.key",
    "/%2e%2e%2fmaster.key",
    "/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/..%2fmaster.key",
    "/..%5cmaster.key",
    "/..\\master.key",
    "/.%2e/master.key",
    "/%252e%252e%252fmaster.key",
    "/..%c0%af..%c0%afetc/passwd",
    "/..%ef%bc%8fetc/passwd",
    "/....//....//etc/passwd",
    "/..;/master.key",
    "/master.key",
    "/master.key%00",
    "/master.key%00.js",
    "/master.key/",
    "/.git",
    "/.git/",
    "/.git/config",
    "/.git/HEAD",
    "/.gitignore",
    "/.env",
    "/.env.local",
    "/.htaccess",
    "/.DS_Store",
    "/.svn/entries",
    "/keystead.toml",
    "/keystead.toml.bak",
    "/keystead.toml~",
    "/keystead.db",
    "/keystead.db-wal",
    "/Cargo.toml",
    "/main.js.map",
    "/app.css.map",
    "/robots.txt.gz",
    "/server-status",
    "/actuator/env",
    "/proc/self/environ",
    "/file:///etc/passwd",
    "/%00",
];

#[tokio::test]
async fn h09_no_path_leads_to_a_file() {
    let target = Target::start().await;
    // There is something to be found.
    let key = std::fs::read_to_string(target.service.directory().join("master.key")).unwrap();
    for folder in FOLDERS {
        for file in FILES {
            let path = format!("{folder}{file}");
            for method in [Method::GET, Method::HEAD] {
                let reply =
                    target.exchange(format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
                let reply = reply.await;
                let attack = format!("{method} {path}");
                if method == Method::HEAD {
                    assert_eq!((reply.status, reply.text.as_str()), (404, ""), "{attack}");
                    continue;
                }
                refused(&attack, &reply, 404, "NOT_FOUND");
                for found in [key.trim(), "root:", "Index of", "[core]"] {
                    assert!(!reply.text.contains(found), "{attack}: {}", reply.text);
                }
            }
        }
    }
    // An address as a proxy is sent it, and one that is none: that is answered by the parser of HTTP, with a status alone.
    let mut bare = Vec::new();
    for line in ["http://a/../master.key", "file:///etc/passwd", "master.key", "*", "//etc/passwd", "\\etc\\passwd"] {
        let reply = target.exchange(format!("GET {line} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(matches!(reply.status, 400 | 404), "{line}: {}", reply.text);
        if reply.headers.contains_key("x-request-id") {
            explained(line, &reply);
        } else {
            assert_eq!(reply.text, "", "{line}");
            bare.push(line);
        }
    }
    assert_eq!(bare, ["file:///etc/passwd", "\\etc\\passwd"]);
    target.unharmed().await;
}
