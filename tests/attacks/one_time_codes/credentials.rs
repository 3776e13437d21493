//! O11: the credentials of a step-up (RFC 7617), in every form they do not have.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

use crate::attacks::support::{COUNTED, Digest};
use crate::factors::step_up::asked_for_code;
use crate::factors::{EMAIL, locked, otp_invalid};
use crate::support::Service;

fn basic(credentials: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

#[tokio::test]
async fn o11_credentials_follow_rfc_7617() {
    let service = Service::builder().configured(|config| config.mfa.max_failures = 100).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let bob = service.registered("bob@example.com").await;
    let (me, other) = (ada.user_id(), bob.user_id());
    let code = asked_for_code(&service, &ada, &program).await;
    let good = format!("{me}:{code}");
    let rows: Vec<(&str, Option<String>)> = vec![
        ("no header", None),
        ("another scheme", Some(format!("Bearer {}", STANDARD.encode(&good)))),
        ("no credentials", Some("Basic".into())),
        ("empty credentials", Some("Basic ".into())),
        ("no base 64", Some("Basic !!!!".into())),
        ("not encoded", Some(format!("Basic {good}"))),
        ("base 64 cut off", Some(format!("Basic {}", &STANDARD.encode(&good)[..41]))),
        ("padding left out", Some(format!("Basic {}", STANDARD_NO_PAD.encode(&good)))),
        ("two credentials", Some(format!("{}, {}", basic(&good), basic(&good)))),
        ("no colon", Some(basic(format!("{me}{code}")))),
        ("no user", Some(basic(format!(":{code}")))),
        ("no code", Some(basic(format!("{me}:")))),
        ("a colon in the code", Some(basic(format!("{me}:{}:{}", &code[..3], &code[3..])))),
        ("a colon after the code", Some(basic(format!("{good}:")))),
        ("a control character", Some(basic(format!("{good}\n")))),
        ("NUL", Some(basic(format!("{me}\0:{code}")))),
        ("no UTF-8", Some(basic([good.as_bytes(), &[0xff]].concat()))),
        ("composed characters", Some(basic(format!("ad\u{e4}:{code}")))),
        ("decomposed characters", Some(basic(format!("ada\u{308}:{code}")))),
        ("the address for the id", Some(basic(format!("{EMAIL}:{code}")))),
        ("another person's id", Some(basic(format!("{other}:{code}")))),
        ("a shorter code", Some(basic(format!("{me}:{}", &code[..5])))),
        ("a space before the code", Some(basic(format!("{me}: {code}")))),
        ("full-width digits", Some(basic(format!("{me}:１２３４５６")))),
    ];
    let before = Digest::without(&service, &COUNTED).await;
    for (name, credentials) in &rows {
        let reply = ada.step_up_call(credentials.as_deref()).send().await;
        assert_eq!(reply.refusal().status, 401, "{name}: {}", reply.text);
        let challenge = reply.header("www-authenticate").unwrap_or_else(|| panic!("{name}: no challenge"));
        assert!(
            challenge.starts_with("Basic realm=\"") && challenge.contains("charset=\"UTF-8\""),
            "{name}: {challenge}"
        );
        assert!(!reply.text.contains(&code), "{name}: told again");
    }
    assert!(service.database().audited("authn_mfa_mismatch") >= 1, "another person's id is written down");
    before.is_still_that_of(&service).await;
    // Nothing was used up. The scheme is named in any case; an id has one spelling.
    let credentials = format!("bASIC {}", STANDARD.encode(&good));
    let reply = ada.step_up_call(Some(&credentials)).send().await.ok(200).unwrap();
    assert_eq!(reply.json()["data"]["type"], "otpSessions");
    assert_eq!(reply.text_of("method").as_deref(), Some("totp"));
    let proof = reply.text_of("token").unwrap();
    ada.showing(&proof).recovery_codes().await.unwrap();
    // URL-safe digits are another alphabet (RFC 4648 section 5), where they differ.
    let odd = URL_SAFE.encode(format!("{me}:???>>>"));
    assert!(odd.contains(['-', '_']), "{odd}");
    assert_eq!(ada.step_up_call(Some(&format!("Basic {odd}"))).send().await.status, 401);
}

#[tokio::test]
async fn o11_another_persons_id_counts_as_a_failure() {
    let service = Service::builder().configured(|config| config.mfa.max_failures = 2).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let other = service.registered("bob@example.com").await.user_id();
    let code = asked_for_code(&service, &ada, &program).await;
    for _ in 0..2 {
        let reply = ada.step_up_call(Some(&basic(format!("{other}:{code}")))).send().await;
        assert_eq!(reply.refusal(), otp_invalid());
    }
    assert_eq!(ada.step_up(&code).await.unwrap_err(), locked());
}
