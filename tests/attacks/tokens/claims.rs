//! J06, J07 and J12: claims that were changed, by who cannot sign and by who can, and tokens of another service.

use keystead_application::ports::KeyUse;
use serde_json::{Value, json};

use super::insider::Insider;
use super::{Target, opened, token, with, without};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{HalfWay, Service, SignedIn, refusal};

const EMAIL: &str = "ada@example.com";
/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: i64 = 5;

/// Times of a token moved by these seconds: when it was issued, since when it counts, when it ends.
fn moved(claims: &Value, issued: i64, ends: i64) -> Value {
    let at = |name: &str| claims[name].as_i64().unwrap();
    let mut moved = with(claims.clone(), "iat", json!(at("iat") + issued));
    moved["nbf"] = json!(at("nbf") + issued);
    moved["exp"] = json!(at("exp") + ends);
    moved
}

#[tokio::test]
async fn j06_times_count_to_the_second_and_only_under_a_good_signature() {
    let target = Target::start().await;
    let insider = Insider::of(&target.service, KeyUse::SignAccess).await;
    let (header, claims, signature) = opened(&target.boss.access);
    let sign = |claims: &Value| insider.token(&header, claims);
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    let now = i64::try_from(target.service.now()).unwrap();

    // Over: told so when the signature is good, and not otherwise.
    for ends in [now - LEEWAY - 1, now - 60, now - 3600] {
        let issued = ends - iat - 1200;
        let over = moved(&claims, issued, ends - exp);
        target.refuses_with("over", &sign(&over), "TOKEN_EXPIRED").await;
        target.refuses("over, and signed by nobody", &token(&header, &over, |_| signature.clone())).await;
    }
    // Within the leeway it counts: three seconds are left for the requests.
    target.accepts("just over", &sign(&moved(&claims, -1200, now - 1 - exp))).await;
    target.accepts("just issued elsewhere", &sign(&moved(&claims, now + 3 - iat, 0))).await;
    // Beyond it it does not: three seconds of the four are for the requests again.
    for ahead in [LEEWAY + 4, 60] {
        let soon = || i64::try_from(target.service.now()).unwrap() + ahead;
        target.refuses("not yet", &sign(&moved(&claims, soon() - iat, 3600))).await;
        target.refuses("nbf alone", &sign(&with(claims.clone(), "nbf", json!(soon())))).await;
        target.refuses("iat alone", &sign(&with(claims.clone(), "iat", json!(soon())))).await;
    }

    for value in [
        json!("never"),
        json!(exp.to_string()),
        json!(-1),
        json!(1_u64 << 63),
        json!(u64::MAX),
        json!(1.5e300),
        json!(1e18),
        json!(null),
        json!([exp]),
    ] {
        for name in ["exp", "iat", "nbf"] {
            target.refuses(&format!("{name} {value}"), &sign(&with(claims.clone(), name, value.clone()))).await;
        }
    }
    for name in ["exp", "iat", "nbf"] {
        target.refuses(&format!("no {name}"), &sign(&without(claims.clone(), name))).await;
    }
    // What no JSON number of a program can be, and a member twice.
    let text = claims.to_string();
    let end = format!("\"exp\":{exp}");
    for odd in ["\"exp\":1e400", "\"exp\":9e99999", "\"exp\":0x7fffffff", "\"exp\":NaN", "\"exp\":+1"] {
        target.refuses(odd, &insider.written(&header.to_string(), &text.replace(&end, odd))).await;
    }
    let doubled = text.replace(&end, &format!("{end},\"exp\":{}", exp + 3600));
    target.refuses("exp twice", &insider.written(&header.to_string(), &doubled)).await;
    target.is_unharmed().await;
}

#[tokio::test]
async fn j06_a_token_ends_by_the_clock_of_the_service() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let before = Digest::of(&service).await;
    service.advance(std::time::Duration::from_secs(20 * 60 + 6)).await;
    let reply = ada.call(reqwest::Method::GET, "/users/me").send().await;
    assert_refused("over", &reply, 401, "TOKEN_EXPIRED");
    before.is_still_that_of(&service).await;
    ada.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn j07_a_token_is_from_here_for_here_and_about_somebody_who_is() {
    let target = Target::start().await;
    let insider = Insider::of(&target.service, KeyUse::SignAccess).await;
    let (header, claims, signature) = opened(&target.boss.access);
    let audience = claims["aud"].as_str().unwrap();
    let issuer = claims["iss"].as_str().unwrap();
    let bob = target.service.registered("bob@example.com").await;
    let theirs = opened(&bob.access).1;
    let before = Digest::of(&target.service).await;
    for (name, values) in [
        (
            "iss",
            vec![
                json!("https://evil.example"),
                json!(""),
                json!(format!("{issuer}/")),
                json!(issuer.to_uppercase()),
                json!([issuer]),
                json!(null),
            ],
        ),
        (
            "aud",
            vec![
                json!("other"),
                json!(""),
                json!([]),
                json!(["other", "another"]),
                json!([audience]),
                json!([audience, "other"]),
                json!({ "aud": audience }),
                json!(null),
            ],
        ),
        ("sub", vec![json!(""), json!("*"), json!("root"), json!(1), json!(null)]),
        ("sid", vec![theirs["sid"].clone(), json!("")]),
        ("jti", vec![theirs["jti"].clone(), json!("x"), json!("")]),
        ("role", vec![json!("root"), json!("Super-Admin"), json!(["super-admin"])]),
        ("state", vec![json!("pre_authorized"), json!("AUTHORIZED")]),
        ("act", vec![json!({ "sub": theirs["sub"] }), json!("x")]),
        ("scope", vec![json!("admin")]),
    ] {
        for value in values {
            let attack = format!("{name} {value}");
            let changed = with(claims.clone(), name, value);
            target.refuses(&attack, &insider.token(&header, &changed)).await;
            target.refuses(&attack, &token(&header, &changed, |_| signature.clone())).await;
        }
    }
    for name in ["iss", "aud", "sub", "sid", "jti", "state", "role", "epoch", "fgp", "amr", "auth_time"] {
        target.refuses(&format!("no {name}"), &insider.token(&header, &without(claims.clone(), name))).await;
    }
    // Somebody else's claims under one's own signature, and the other way round.
    for (name, value) in theirs.as_object().unwrap() {
        let changed = with(claims.clone(), name, value.clone());
        if changed != claims {
            target.refuses(&format!("bob's {name}"), &token(&header, &changed, |_| signature.clone())).await;
        }
    }
    before.is_still_that_of_but_for(&target.service, &[]).await;

    // Of somebody who is no more.
    target.boss.delete_user(&bob.user_id()).await.unwrap();
    assert_eq!(bob.refused().await, refusal(401, "TOKEN_REVOKED"));
    let before = Digest::of(&target.service).await;
    for replica in target.service.api().each() {
        let reply = bob.through(&replica).call(reqwest::Method::GET, "/users/me").send().await;
        assert_refused("of a deleted account", &reply, 401, "TOKEN_REVOKED");
    }
    before.is_still_that_of_but_for(&target.service, &[]).await;
    target.accepts("after all that", &target.boss.access).await;
}

/// Refused at every door a stranger's credentials could be shown at.
async fn nothing_opens(service: &Service, name: &str, stranger: &SignedIn) {
    let here = stranger.through(service.api());
    let before = Digest::of(service).await;
    for (method, route) in super::ROUTES {
        let reply = here.call(method, route).send().await;
        assert_refused(name, &reply, 401, "TOKEN_INVALID");
    }
    before.is_still_that_of_but_for(service, &[]).await;
}

#[tokio::test]
async fn j12_tokens_of_another_service_are_nobodys() {
    // The same person, the same password, keys of its own.
    let service = Service::start().await;
    service.registered(EMAIL).await;
    let other = Service::start().await;
    let (eve, _) = other.enrolled(EMAIL).await;
    nothing_opens(&service, "another service", &eve).await;
    let before = Digest::of(&service).await;
    let here = eve.through(service.api());
    assert_eq!(here.refresh().await.unwrap_err(), refusal(401, "REFRESH_INVALID"));
    let half_way = other.native().login_asked(EMAIL, crate::support::PASSWORD).await.unwrap();
    let half_way = half_way.through(service.api());
    assert_eq!(half_way.answer("totp", "123456").await.unwrap_err(), refusal(401, "TOKEN_INVALID"));
    other.native().forgot(EMAIL).await.unwrap();
    let link = other.link_tokens(EMAIL, 1).await.remove(0);
    assert_eq!(service.native().begin_reset(&link).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    before.is_still_that_of_but_for(&service, &[]).await;
    eve.verify().await.expect("at home it counts");
}

/// The same stores and the same keys, for others. (Another name is `iss`, which the test of J07 changes.)
#[tokio::test]
async fn j12_the_same_keys_for_others_make_another_service() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    service.native().forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);
    let audience = ada.claims()["aud"].as_str().unwrap().to_owned();
    let service = service.restart_configured(|config| "staging".clone_into(&mut config.tokens.audience)).await;
    service.ready().await;
    nothing_opens(&service, "another audience", &ada).await;
    // What only refers to a row of these stores is theirs, whoever the tokens are for.
    assert_eq!(ada.refresh().await.unwrap().claims()["aud"], "staging");
    service.native().begin_reset(&link).await.unwrap();
    let service = service.restart_configured(|config| audience.clone_into(&mut config.tokens.audience)).await;
    service.ready().await;
    ada.verify().await.expect("at home it counts");
}

/// The same keys at another service, for the tokens that are for a service itself: half-way through a flow, and proofs.
#[tokio::test]
async fn j12_half_way_tokens_and_proofs_are_for_the_service_that_made_them() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let code = service.fresh_code(&program).await;
    let question = service.native().login_asked(EMAIL, crate::support::PASSWORD).await.unwrap();
    let half_way_key = Insider::of(&service, KeyUse::SignPreAuthorized).await;
    let proof_key = Insider::of(&service, KeyUse::SignStepUp).await;
    let (half_way, proof) = (opened(&question.token), opened(ada.proof.as_ref().unwrap()));
    let asked = |claims: &Value| HalfWay { token: half_way_key.token(&half_way.0, claims), ..question.clone() };
    let proved = |claims: &Value| ada.showing(&proof_key.token(&proof.0, claims));
    let before = Digest::of(&service).await;
    let foreign = "https://other.example";
    for (name, value) in [
        ("iss", json!(foreign)),
        ("aud", json!(format!("{foreign}/api/v1/auth"))),
        ("aud", json!([half_way.1["aud"], foreign])),
        ("aud", ada.claims()["aud"].clone()),
        ("aud", json!("")),
    ] {
        let attack = format!("{name} {value}");
        let told = asked(&with(half_way.1.clone(), name, value.clone())).answer_reply("totp", &code).await;
        assert_refused(&attack, &told, 401, "TOKEN_INVALID");
        let proved = proved(&with(proof.1.clone(), name, value));
        let told = proved.call(reqwest::Method::POST, "/recovery-codes").send().await;
        assert_refused(&attack, &told, 403, "MFA_REQUIRED");
    }
    before.is_still_that_of_but_for(&service, &[]).await;
    // Signed by the same hand, with what they said at first, they count.
    asked(&half_way.1).answer("totp", &code).await.unwrap();
    proved(&proof.1).recovery_codes().await.unwrap();
}
