//! More than the service can do.

use std::process::Command;
use std::time::Duration;

use crate::attacks::wire::Wire;
use crate::process::api::{Api, admin_of};
use crate::process::configured::Configured;
use crate::process::keystead::Keystead;

/// A third of the connections that are tried below.
const FILES: &str = "256";

#[tokio::test]
async fn f20_logins_beyond_the_hasher_are_refused_and_nothing_else_is() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&["limits.mode=off", "unsafe_allow=limits-off", "passwords.argon2.permits=1"]);
    let api = Api::new(service.url());
    let flood: Vec<_> = (0..300)
        .map(|number| {
            let api = api.clone();
            tokio::spawn(
                async move { api.login(&format!("nobody-{number}@example.com"), "plough harbour violet").await },
            )
        })
        .collect();
    let mut refused = 0;
    for login in flood {
        let answer = login.await.unwrap();
        if answer.status == 401 {
            continue;
        }
        assert_eq!((answer.status, answer.code().as_str()), (503, "OVERLOADED"), "{}", answer.body);
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        refused += 1;
    }
    assert!(refused > 0, "the queue has no end");
    api.get("/.well-known/jwks.json").await.expect(200);
    // Normal again.
    assert_eq!(api.login("nobody@example.com", "plough harbour violet").await.status, 401);
}

#[tokio::test]
async fn the_lag_of_the_threads_is_a_figure() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&["http.admin_listen=127.0.0.1:0"]);
    let page = admin_of(&service).await.get("/metrics").await.expect(200).body;
    let value = page.lines().find_map(|line| line.strip_prefix("keystead_event_loop_lag_seconds "));
    let seconds: f64 = value.unwrap_or_else(|| panic!("no lag in {page}")).parse().unwrap();
    assert!(seconds >= 0.0, "{seconds}");
}

#[tokio::test]
async fn f22_a_service_with_few_open_files_serves_on() {
    let configured = Configured::new(&[]);
    let inner = configured.serve_command(&["http.header_timeout=1s"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("ulimit -n {FILES} && exec \"$0\" \"$@\"")]).arg(inner.get_program());
    command.args(inner.get_args()).env_clear().current_dir(configured.path()).stdin(std::process::Stdio::null());
    let service = Keystead::start(command);
    let mut silent = Vec::new();
    for _ in 0..3 * FILES.parse::<usize>().unwrap() {
        silent.push(Wire::to(service.address()).await);
    }
    // In the queue behind them, which moves on as they are ended.
    let mut wire = Wire::to(service.address()).await;
    wire.send(b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.answer().await.unwrap().status, 200);
    for mut wire in silent {
        let _ = wire.answer().await;
        assert!(wire.ends(Duration::from_secs(5)).await);
    }
    assert!(service.log().contains("open files are limited"), "{}", service.log());
    assert!(!service.log().contains("Too many open files"), "{}", service.log());
}
