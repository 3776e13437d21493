//! G05: how long a token that was revoked on one replica is accepted by the other.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::Bed;
use super::super::report::Report;
use super::site::Site;
use crate::api::{self, Api, Tokens};
use crate::http::request;
use crate::{Outcome, sample};

/// Between two probes.
const PROBE: Duration = Duration::from_millis(10);
/// How long the other replica is asked: three times as long as is promised.
const WATCH: Duration = Duration::from_secs(3);

/// How something is revoked.
#[derive(Clone, Copy)]
pub(super) enum How {
    Logout,
    OneToken,
    PasswordChange,
    Ban,
}

pub(super) const HOWS: [(How, &str); 4] = [
    (How::Logout, "a logout"),
    (How::OneToken, "one token"),
    (How::PasswordChange, "a password change"),
    (How::Ban, "a ban"),
];

pub(in crate::prove) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let site = Site::start(bed, "lag", Duration::ZERO)?;
    let rounds = bed.times(3, 50);
    for redis_is_away in [false, true] {
        for (how, what) in HOWS {
            // A change of password goes on with its session, which is in Redis.
            if redis_is_away && matches!(how, How::PasswordChange) {
                continue;
            }
            let mut lags = Vec::new();
            for round in 0..rounds {
                let email = format!("lag-{redis_is_away}-{}-{round}@example.com", what.replace(' ', "-"));
                lags.push(sample::millis(lag(&site, &email, how, redis_is_away)?));
            }
            let worst = sample::percentile(&lags, 100);
            let seen = format!("{rounds} times, p50 {:.0} ms, p100 {worst:.0} ms", sample::median(&lags));
            let meanwhile = if redis_is_away { ", with Redis away" } else { "" };
            let promise = format!("{what} on one replica counts on the other within 1 s{meanwhile}");
            report.add("G05", &promise, seen, worst < 1000.0);
        }
    }
    Ok(())
}

/// How long a token is accepted by one replica after the other has answered that it was revoked.
fn lag(site: &Site, email: &str, how: How, redis_is_away: bool) -> Outcome<Duration> {
    let tokens = person(site, email)?;
    if redis_is_away {
        site.to_redis.refuse()?;
    }
    let revoked = revoke(site, email, &tokens, how);
    let accepted = revoked.and_then(|()| accepted_for(&mut site.api(1), &tokens, sample::now()));
    site.to_redis.pass()?;
    let ready = request("GET", "/health/ready", &[], None);
    for n in [0, 1] {
        while site.api(n).send(&ready)?.status != 200 {
            std::thread::sleep(PROBE);
        }
    }
    accepted
}

/// Somebody who signed in on one replica and whose token the other accepts.
pub(super) fn person(site: &Site, email: &str) -> Outcome<Tokens> {
    site.api(0).sign_up(email)?;
    let tokens = site.api(0).login(email)?;
    site.api(1).send(&api::verify_token_request(&tokens))?.expect(200, "token/verify")?;
    Ok(tokens)
}

/// Revokes on the first replica.
pub(super) fn revoke(site: &Site, email: &str, tokens: &Tokens, how: How) -> Outcome {
    let mut api = site.api(0);
    let headers = tokens.headers();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    match how {
        How::Logout => drop(api.send(&api::post("/auth/logout", Some(tokens), None))?.expect(204, "logout")?),
        How::OneToken => {
            let id = token_id(tokens)?;
            let path = format!("/api/v1/auth/tokens/{id}");
            api.send(&request("DELETE", &path, &headers, None))?.expect(204, "revoking a token")?;
        }
        How::PasswordChange => {
            let other = api.login(email)?;
            let headers = other.headers();
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = json!({"currentPassword": api::PASSWORD, "newPassword": "copper-violin-meadow-17"}).to_string();
            let change = request("PATCH", "/api/v1/auth/password", &headers, Some(&body));
            api.send(&change)?.expect(200, "password change")?;
        }
        How::Ban => site.ban(email)?,
    }
    Ok(())
}

/// The `jti` of an access token: its payload is base64url without padding (RFC 7515).
fn token_id(tokens: &Tokens) -> Outcome<String> {
    let payload = tokens.access.split('.').nth(1).ok_or("a token without a payload")?;
    let text = String::from_utf8(decode(payload))?;
    let claims: serde_json::Value = serde_json::from_str(&text)?;
    Ok(claims.pointer("/jti").and_then(serde_json::Value::as_str).ok_or("a token without an identifier")?.to_owned())
}

fn decode(text: &str) -> Vec<u8> {
    let value = |byte| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'-' => 62,
        _ => 63,
    };
    let (mut decoded, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        buffer = (buffer << 6 | value(byte)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.extend(u8::try_from(buffer >> bits & 0xff));
        }
    }
    decoded
}

/// How long after `revoked` the token was accepted for the last time.
fn accepted_for(api: &mut Api, tokens: &Tokens, revoked: Instant) -> Outcome<Duration> {
    let mut last = Duration::ZERO;
    let mut refusals = 0;
    // A revocation is never taken back: some refusals in a row are enough, and the promised time is watched in full.
    while revoked.elapsed() < WATCH && refusals < 120 {
        match api.send(&api::verify_token_request(tokens))?.status {
            200 => (last, refusals) = (revoked.elapsed(), 0),
            401 => refusals += 1,
            other => return Err(format!("token/verify: {other}").into()),
        }
        std::thread::sleep(PROBE);
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_of_a_token_is_found() {
        // {"jti":"abc.de-f_g"} and something longer, so that every remainder of three bytes occurs.
        for (payload, id) in
            [("eyJqdGkiOiJhYmMuZGUtZl9nIn0", "abc.de-f_g"), ("eyJqdGkiOiJhIn0", "a"), ("eyJqdGkiOiJhYiJ9", "ab")]
        {
            let tokens = Tokens { access: format!("x.{payload}.y"), client: String::new(), refresh: None };
            assert_eq!(token_id(&tokens).unwrap(), id);
        }
    }
}
