//! J10: tokens in other places than the header, and headers in other forms.

use reqwest::Method;

use super::{ROUTES, Target};
use crate::attacks::support::{assert_explained, assert_refused};
use crate::support::{Call, Reply};

/// The administrator's request but for the token.
fn bare(target: &Target, method: &Method, route: &str) -> Call {
    target.boss.call_without_token(method.clone(), route)
}

#[tokio::test]
async fn j10_a_token_counts_in_its_header_only() {
    let target = Target::start().await;
    let access = target.boss.access.as_str();
    let bearer = format!("Bearer {access}");
    for (method, route) in &ROUTES {
        for name in ["access_token", "token", "authorization", "bearer"] {
            let reply = bare(&target, method, &format!("{route}?{name}={access}")).send().await;
            assert!(matches!(reply.status, 400 | 401), "{name} in the query of {route}: {}", reply.text);
            assert_explained(name, &reply);
        }
        for name in ["x-authorization", "proxy-authorization", "x-access-token", "x-forwarded-authorization"] {
            let reply = bare(&target, method, route).header(name, &bearer).send().await;
            assert_refused(name, &reply, 401, "TOKEN_MISSING");
        }
        let cookie = format!("access_token={access}; Authorization=Bearer {access}; token={access}");
        let reply = bare(&target, method, route).header("cookie", &cookie).send().await;
        assert_refused("cookies of other names", &reply, 401, "TOKEN_MISSING");
        let reply = bare(&target, method, route).cookie("keystead-access", access).send().await;
        assert_refused("a cookie of ours", &reply, 400, "CLIENT_KIND_MISMATCH");
        // RFC 6750 section 2.2 is not offered.
        let form = format!("access_token={access}");
        let call = bare(&target, method, route).header("content-type", "application/x-www-form-urlencoded");
        let reply = call.text(&form).send().await;
        assert!(matches!(reply.status, 400 | 401 | 415), "a form at {route}: {}", reply.text);
        assert_explained("form", &reply);
    }
    target.is_unharmed().await;
}

#[tokio::test]
async fn j10_the_header_comes_once_and_in_one_form() {
    let target = Target::start().await;
    let access = target.boss.access.as_str();
    let bearer = format!("Bearer {access}");
    let stranger = target.service.registered("bob@example.com").await;
    for (method, route) in &ROUTES {
        let send = async |lines: &[&str]| -> Reply {
            let call = bare(&target, method, route);
            lines.iter().fold(call, |call, line| call.header("authorization", line)).send().await
        };
        for second in [bearer.clone(), format!("Bearer {}", stranger.access), "Basic YTpi".into(), "Bearer".into()] {
            assert_refused("twice", &send(&[&bearer, &second]).await, 400, "INVALID_HEADER");
            assert_refused("twice", &send(&[&second, &bearer]).await, 400, "INVALID_HEADER");
        }
        for form in [format!("bearer {access}"), format!("BEARER {access}"), format!("bEaReR   {access}")] {
            assert_eq!(send(&[&form]).await.status, 200, "{form}");
        }
        for form in [
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("{bearer},"),
            format!("{bearer}, {bearer}"),
            format!("{bearer} {access}"),
            format!("Bearer \"{access}\""),
            format!("Bearer token={access}"),
            format!("Bearer\t{access}"),
            format!("Bearer {}", "a".repeat(5000)),
        ] {
            let reply = send(&[&form]).await;
            let code = reply.refusal().code;
            assert!(["TOKEN_INVALID", "TOKEN_MISSING"].contains(&code.as_str()), "{form}: {code}");
            assert_refused(&form, &reply, 401, &code);
        }
        for form in [format!("Basic {access}"), format!("DPoP {access}"), access.to_owned(), format!("Token {access}")]
        {
            assert_refused(&form, &send(&[&form]).await, 401, "TOKEN_MISSING");
        }
    }
    target.accepts("after all that", access).await;
}
