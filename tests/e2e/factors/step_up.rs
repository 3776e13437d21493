//! The step-up: a second factor proved within a session (RFC 7617 credentials in, OTPSession out), and where it is wanted.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{EMAIL, NEW, PHONE, asked, mfa_required, otp_invalid, with_email_codes, with_phones};
use crate::support::{Kind, PASSWORD, STEP, Service, SignedIn, refusal};

/// Asked for the code of the program, with a fresh one.
pub(crate) async fn asked_for_code(
    service: &Service,
    ada: &SignedIn,
    program: &crate::support::Authenticator,
) -> String {
    ada.ask_step_up("authenticator").await.unwrap();
    service.fresh_code(program).await
}

#[tokio::test]
async fn only_the_medium_last_asked_for_is_compared() {
    let service = Service::start().await;
    let ada = with_email_codes(&service, EMAIL).await;
    ada.ask_step_up("email").await.unwrap();
    let code = service.mails_about(EMAIL, "Your security code", 1).await[0].code().unwrap();
    let proved = ada.step_up(&code).await.unwrap();
    assert_eq!(ada.step_up(&code).await.unwrap_err(), refusal(410, "OTP_USED"));
    let (ada, program) = proved.enrol(&service).await;
    let ada = ada.without_proof();

    let fresh = service.fresh_code(&program).await;
    assert_eq!(ada.step_up(&fresh).await.unwrap_err(), otp_invalid(), "e-mail was asked for, not the program");
    ada.ask_step_up("email").await.unwrap();
    let mailed = service.mails_about(EMAIL, "Your security code", 2).await[1].code().unwrap();
    ada.ask_step_up("authenticator").await.unwrap();
    assert_eq!(ada.step_up(&mailed).await.unwrap_err(), otp_invalid(), "the program was asked for, not e-mail");
    ada.step_up(&fresh).await.unwrap();
    ada.ask_step_up("email").await.unwrap();
    assert_eq!(ada.step_up(&mailed).await.unwrap_err(), otp_invalid(), "a newer code was sent");

    // Asked for by one session, shown in another; never asked for.
    let question = asked(&service, EMAIL).await;
    let other = question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    let newest = service.mails_about(EMAIL, "Your security code", 3).await[2].code().unwrap();
    assert_eq!(other.step_up(&newest).await.unwrap_err(), otp_invalid());
    assert_eq!(other.step_up(&service.fresh_code(&program).await).await.unwrap_err(), otp_invalid());
    assert_eq!(ada.step_up(&newest).await.map(drop), Ok(()));
}

#[tokio::test]
async fn what_cannot_be_asked_for() {
    let service = Service::builder().configured(with_phones).start().await;
    let (ada, _) = service.enrolled(EMAIL).await;
    let unavailable = refusal(409, "FACTOR_NOT_AVAILABLE");
    assert_eq!(ada.ask_step_up("email").await.unwrap_err(), unavailable, "weaker than what is enrolled");
    assert_eq!(ada.ask_step_up("sms").await.unwrap_err(), unavailable);
    for query in ["", "?media=", "?media=phone", "?media=EMAIL", "?media=email&media=sms", "?medium=email"] {
        let reply = ada.call(Method::POST, &format!("/auth/otp{query}")).send().await;
        assert!(matches!(reply.status, 400 | 422), "{query}: {}", reply.status);
    }
    // Without a factor a code to the verified contact serves; a program there is not.
    let bob = service.registered("bob@example.com").await;
    assert_eq!(bob.ask_step_up("authenticator").await.unwrap_err(), unavailable);
    bob.ask_step_up("email").await.unwrap();
    let code = service.mails_about("bob@example.com", "Your security code", 1).await[0].code().unwrap();
    bob.step_up(&code).await.unwrap().recovery_codes().await.expect("which is proof enough");
    // By SMS to who registered with a number.
    let half_way = service.native().register_with(&json!({ "phone": PHONE, "password": PASSWORD })).await.unwrap();
    let carol = half_way.verify(&service.code(PHONE).await).await.unwrap();
    carol.ask_step_up("sms").await.unwrap();
    let code = service.codes(PHONE, 2).await.remove(1);
    carol.step_up(&code).await.unwrap().recovery_codes().await.unwrap();
}

/// Routes that want a proof of whoever enrolled a factor, with a body each takes.
fn sensitive(ada_contact: &str) -> Vec<(Method, String, Value)> {
    let contact = format!("/contacts/{ada_contact}");
    let passkey = "/passkeys/0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
    vec![
        (Method::POST, "/totp".into(), Value::Null),
        (Method::POST, "/totp/confirm".into(), json!({ "code": "123456" })),
        (Method::DELETE, "/totp".into(), json!({ "code": "123456" })),
        (Method::POST, "/recovery-codes".into(), Value::Null),
        (Method::POST, "/passkeys/options".into(), Value::Null),
        (Method::PATCH, passkey.clone(), json!({ "name": "Key" })),
        (Method::DELETE, passkey, Value::Null),
        (Method::POST, "/contacts".into(), json!({ "kind": "email", "address": "mallory@example.com" })),
        (Method::POST, format!("{contact}/verify"), json!({ "code": "123456" })),
        (Method::PATCH, contact.clone(), json!({ "otpEnabled": true })),
        (Method::DELETE, contact, Value::Null),
        (Method::PATCH, "/auth/password".into(), json!({ "currentPassword": PASSWORD, "newPassword": NEW })),
        (Method::DELETE, "/users/me".into(), Value::Null),
    ]
}

/// Asks every sensitive route with this as the proof, and wants this answer.
async fn assert_all(ada: &SignedIn, contact: &str, name: &str, code: &str) {
    for (method, route, body) in sensitive(contact) {
        let mut call = ada.call(method.clone(), &route);
        if !body.is_null() {
            call = call.json(&body);
        }
        let reply = call.send().await;
        assert_eq!(reply.refusal(), refusal(403, code), "{name} at {method} {route}: {}", reply.text);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    }
}

#[tokio::test]
async fn g11_nothing_but_a_proof_of_this_session_is_one() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let other = asked(&service, EMAIL).await.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    let (mallory, _) = service.enrolled("mallory@example.com").await;
    let question = asked(&service, EMAIL).await;
    let contact = ada.contact("email").await;
    let own = ada.proof.clone().unwrap();
    let cut = own[..own.len() - 4].to_owned();
    let signed_by_nobody = format!("{}.", own.rsplit_once('.').unwrap().0);
    for (name, proof) in [
        ("an access token", ada.access.clone()),
        ("a half-login token", question.token.clone()),
        ("a refresh token", ada.refresh.clone()),
        ("another session's", other.proof.clone().unwrap()),
        ("another person's", mallory.proof.clone().unwrap()),
        ("cut off", cut),
        ("without a signature", signed_by_nobody),
        ("nothing", String::new()),
    ] {
        assert_all(&ada.showing(&proof), &contact, name, "MFA_REQUIRED").await;
    }
    assert_all(&ada.without_proof(), &contact, "none", "MFA_REQUIRED").await;
    // As an access token it is none.
    let mut swapped = ada.clone();
    swapped.access = own;
    assert_eq!(swapped.without_proof().verify().await.unwrap_err(), refusal(401, "TOKEN_INVALID"));
    ada.recovery_codes().await.expect("the right one counts");
}

#[tokio::test]
async fn g04_a_proof_ends_with_time_with_the_session_and_with_every_change() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let contact = ada.contact("email").await;
    let proved = |ada: &SignedIn| {
        let (ada, service, program) = (ada.clone(), &service, program.clone());
        async move {
            let code = asked_for_code(service, &ada, &program).await;
            ada.step_up(&code).await.unwrap()
        }
    };
    // Time: a quarter of an hour.
    let timed = proved(&ada).await;
    service.advance(Duration::from_secs(14 * 60)).await;
    let timed = SignedIn { proof: timed.proof.clone(), ..ada.refresh().await.unwrap() };
    timed.recovery_codes().await.unwrap();
    service.advance(Duration::from_secs(70)).await;
    assert_all(&timed, &contact, "too old", "MFA_REQUIRED").await;

    // Refreshing keeps it: it belongs to the session.
    let before = proved(&timed).await;
    let after = before.refresh().await.unwrap();
    assert_eq!(after.proof, before.proof);
    after.recovery_codes().await.unwrap();

    // A change of a factor moves the epoch: the older proof is dead, a new one may come with the answer.
    let old = after.proof.clone().unwrap();
    let changed = after.set_otp(&contact, true).await.unwrap();
    assert_all(&changed.showing(&old), &contact, "of an older epoch", "MFA_REQUIRED").await;

    // A password change, too.
    let proved_again = proved(&changed.without_proof()).await;
    let old = proved_again.proof.clone().unwrap();
    let changed = proved_again.change_password(PASSWORD, NEW).await.unwrap();
    assert_all(&changed.showing(&old), &contact, "before the password", "MFA_REQUIRED").await;

    // The session's end.
    let last = proved(&changed.without_proof()).await;
    last.log_out().await.unwrap();
    last.refused().await;
    assert_eq!(last.recovery_codes().await.unwrap_err(), refusal(401, "TOKEN_REVOKED"));
    let next = service.native().login_asked(EMAIL, NEW).await.unwrap();
    let next = next.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    assert_eq!(next.showing(&last.proof.unwrap()).recovery_codes().await.unwrap_err(), mfa_required());
}

#[tokio::test]
async fn g04_replicas_agree_that_a_proof_is_dead() {
    let service = Service::start().await;
    let (ada, _) = service.enrolled(EMAIL).await;
    let (a, b) = (service.replica(0), service.replica(1));
    ada.through(&b).recovery_codes().await.expect("a proof given by one counts at the other");
    ada.through(&a).log_out().await.unwrap();
    ada.refused().await;
    assert_eq!(ada.through(&b).recovery_codes().await.unwrap_err(), refusal(401, "TOKEN_REVOKED"));
}

#[tokio::test]
async fn who_enrolled_nothing_signs_in_afresh_instead() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let contact = ada.contact("email").await;
    service.advance(Duration::from_secs(301)).await;
    for (method, route, body) in sensitive(&contact) {
        // A password change takes the password, which is as good.
        if route == "/auth/password" {
            continue;
        }
        let mut call = ada.call(method.clone(), &route);
        if !body.is_null() {
            call = call.json(&body);
        }
        let reply = call.send().await;
        let expected = if route == "/recovery-codes" { "MFA_REQUIRED" } else { "REAUTH_REQUIRED" };
        assert_eq!(reply.refusal(), refusal(403, expected), "{method} {route}");
        assert!(reply.header("www-authenticate").unwrap().contains("insufficient_user_authentication"));
    }
    let fresh = ada.reauthenticate(PASSWORD).await.unwrap();
    fresh.enrol(&service).await;
}

#[tokio::test]
async fn a_browser_steps_up_like_a_native_client() {
    let service = Service::start().await;
    for kind in [Kind::Browser, Kind::Native] {
        let email = format!("{kind:?}@example.com").to_lowercase();
        let ada = service.registered_at(&service.client(kind), &email).await;
        let (ada, program) = ada.enrol(&service).await;
        let code = asked_for_code(&service, &ada, &program).await;
        let ada = ada.without_proof().step_up(&code).await.unwrap();
        let status = ada.call(Method::GET, "/auth/status").send().await.ok(200).unwrap().attributes();
        assert_eq!(status["isMfa"], true, "{kind:?}: {status}");
        assert_eq!(ada.recovery_codes().await.unwrap().len(), 10);
        service.advance(STEP).await;
    }
}
