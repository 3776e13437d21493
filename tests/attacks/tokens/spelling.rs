//! J08 and J09: damaged tokens, and one token in several spellings.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keystead_application::ports::KeyUse;
use reqwest::Method;

use super::insider::Insider;
use super::{Target, opened, part};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{PASSWORD, Service, SignedIn, refusal};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Positions of a token at which a bit is changed, at least.
const POSITIONS: usize = 500;

#[tokio::test]
async fn j08_damaged_tokens() {
    let target = Target::start().await;
    let other = target.service.registered("bob@example.com").await.access;
    let before = Digest::of(&target.service).await;
    let good = target.boss.access.clone();
    let verify = async |attack: &str, token: &str| {
        let reply = target.showing(token).call(Method::POST, "/auth/token/verify").send().await;
        assert_refused(attack, &reply, 401, "TOKEN_INVALID");
    };
    // One bit in characters spread over all of the token; where that makes no character of a header, another bit.
    let step = (good.len() / POSITIONS).max(1);
    let mut tried = 0;
    for at in (0..good.len()).step_by(step) {
        let changed = (0..7).map(|bit| good.as_bytes()[at] ^ (1 << bit)).find(u8::is_ascii_graphic).unwrap();
        let mut damaged = good.clone();
        damaged.replace_range(at..=at, &char::from(changed).to_string());
        verify(&format!("byte {at}"), &damaged).await;
        tried += 1;
    }
    assert!(tried >= POSITIONS, "{tried}");
    for length in (1..good.len()).step_by(29) {
        verify("cut", &good[..length]).await;
    }

    let (mine, theirs): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), other.split('.').collect());
    for mixed in [
        [mine[0], theirs[1], mine[2]],
        [mine[0], mine[1], theirs[2]],
        [theirs[0], mine[1], theirs[2]],
        [mine[1], mine[0], mine[2]],
        [mine[2], mine[1], mine[0]],
    ] {
        verify("mixed", &mixed.join(".")).await;
    }
    for parts in [format!("{good}.{}", mine[2]), format!("{good}."), format!(".{good}"), "..".into(), ".".into()] {
        verify("parts", &parts).await;
    }
    // r = s = 0, r = s = all ones, and a signature as DER writes it (RFC 3279 section 2.2.3).
    let signature = opened(&good).2;
    let (r, s) = signature.split_at(32);
    let integers = [&[0x02, 0x21, 0x00], r, &[0x02, 0x21, 0x00], s].concat();
    let der = [&[0x30, u8::try_from(integers.len()).unwrap()][..], &integers].concat();
    for (attack, forged) in [
        ("zeros", vec![0; 64]),
        ("ones", vec![0xff; 64]),
        ("132 zeros", vec![0; 132]),
        ("DER", der),
        ("halves swapped", [s, r].concat()),
        ("half of it", r.to_vec()),
        ("twice", [&signature[..], &signature].concat()),
        ("a byte more", [&signature[..], &[0]].concat()),
        ("none", Vec::new()),
    ] {
        verify(attack, &format!("{}.{}.{}", mine[0], mine[1], URL_SAFE_NO_PAD.encode(forged))).await;
    }
    before.is_still_that_of_but_for(&target.service, &[]).await;
    target.accepts("after all that", &good).await;
}

/// Somebody whose token was revoked by its identifier, and whose session goes on.
async fn revoked(service: &Service) -> SignedIn {
    let ada = service.registered("ada@example.com").await;
    let revoked = service.native().login("ada@example.com", PASSWORD).await.unwrap();
    ada.revoke_token(&revoked.token_id).await.unwrap();
    assert_eq!(revoked.refused().await, refusal(401, "TOKEN_REVOKED"));
    revoked
}

#[tokio::test]
async fn j09_a_revoked_token_stays_revoked_however_it_is_written() {
    let service = Service::start().await;
    let revoked = revoked(&service).await;
    let insider = Insider::of(&service, KeyUse::SignAccess).await;
    let before = Digest::of(&service).await;
    let send = async |token: &str| {
        let showing = SignedIn { access: token.to_owned(), ..revoked.clone() };
        let mut refusals = Vec::new();
        for replica in service.api().each() {
            refusals.push(showing.through(&replica).verify().await.unwrap_err().code);
        }
        refusals.dedup();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        refusals.remove(0)
    };
    let good = revoked.access.as_str();
    assert_eq!(send(good).await, "TOKEN_REVOKED");
    // The same token in other words, and signed anew: what is revoked is its identifier, not its text.
    let (header, claims, _) = opened(good);
    let spaced = claims.to_string().replace(",\"", ", \"");
    let mut backwards: Vec<String> =
        claims.as_object().unwrap().iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    backwards.reverse();
    let escaped = claims.to_string().replacen("\"jti\"", "\"\\u006ati\"", 1);
    for text in [spaced, format!("{{{}}}", backwards.join(",")), escaped, claims.to_string()] {
        let told = send(&insider.written(&header.to_string(), &text)).await;
        assert_eq!(told, "TOKEN_REVOKED", "{text}");
    }
    // The last character of a signature of 64 bytes carries two bits; four more are never looked at by a lax decoder.
    let index = ALPHABET.iter().position(|byte| *byte == good.as_bytes()[good.len() - 1]).unwrap();
    for spare in 1..16 {
        let text = format!("{}{}", &good[..good.len() - 1], char::from(ALPHABET[index ^ spare]));
        assert_eq!(send(&text).await, "TOKEN_INVALID", "spare bits");
    }
    let parts: Vec<&str> = good.split('.').collect();
    for text in [
        format!("{good}="),
        format!("{good}=="),
        good.replacen('.', "=.", 1),
        good.replacen('.', ". ", 1),
        format!("{good} ."),
        format!("{}.{}.{}", STANDARD.encode(header.to_string()), parts[1], parts[2]),
        format!("{}.{}.{}", part(&format!("{header} ")), parts[1], parts[2]),
    ] {
        assert_eq!(send(&text).await, "TOKEN_INVALID", "{text}");
    }
    before.is_still_that_of_but_for(&service, &[]).await;
    revoked.refresh().await.expect("its session goes on");
}
