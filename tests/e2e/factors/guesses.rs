//! G06: whoever captured a pre-authorized token, and holds no key of the service, finds the code in it by no search.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{EMAIL, asked, with_email_codes, without_passwords};
use crate::support::{HalfWay, Service};

/// A way in which a code could have become a claim: SHA-256 of what is known and the code, or HMAC with a key that is known.
struct Way {
    /// What came before the code.
    before: Sha256,
    /// The outer hash of an HMAC (RFC 2104).
    outer: Option<Sha256>,
}

impl Way {
    fn hash(pieces: &[&[u8]]) -> Self {
        let before = pieces.iter().fold(Sha256::new(), Digest::chain_update);
        Self { before, outer: None }
    }

    fn hmac(key: &[u8], pieces: &[&[u8]]) -> Self {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
            Sha256::new_with_prefix(block)
        };
        let before = pieces.iter().fold(pad(0x36), Digest::chain_update);
        Self { before, outer: Some(pad(0x5c)) }
    }

    fn claim(&self, code: &[u8]) -> [u8; 32] {
        let hash = self.before.clone().chain_update(code).finalize();
        match &self.outer {
            Some(outer) => outer.clone().chain_update(hash).finalize().into(),
            None => hash.into(),
        }
    }
}

/// Everything that can be tried by who knows what a token says and where its code went.
fn ways(jti: &str, purpose: &str, address: &str, kid: &str) -> Vec<Way> {
    let (jti, purpose, address) = (jti.as_bytes(), purpose.as_bytes(), address.as_bytes());
    let length = |piece: &[u8], bytes: usize| u64::try_from(piece.len()).unwrap().to_be_bytes()[8 - bytes..].to_vec();
    // Each piece after its length, the way the service writes them; the last length is a code's.
    let prefixed = |bytes: usize| {
        let mut text = Vec::new();
        for piece in [jti, purpose, address] {
            text.extend(length(piece, bytes));
            text.extend(piece);
        }
        text.extend(length(b"000000", bytes));
        text
    };
    let (four, eight) = (prefixed(4), prefixed(8));
    let mut ways = vec![
        Way::hash(&[]),
        Way::hash(&[jti]),
        Way::hash(&[address]),
        Way::hash(&[jti, purpose, address]),
        Way::hash(&[jti, b"|", purpose, b"|", address, b"|"]),
        Way::hash(&[&four]),
        Way::hash(&[&eight]),
    ];
    // Keys of a thief's own: none, and what can be read in the token.
    for key in [&[][..], jti, kid.as_bytes()] {
        let key = &key[..key.len().min(64)];
        ways.extend([Way::hmac(key, &[]), Way::hmac(key, &[&four]), Way::hmac(key, &[&eight])]);
    }
    ways
}

/// The codes, of a million, that explain a claim.
fn search(ways: &[Way], claim: &[u8]) -> Vec<String> {
    let part = |first: u32| {
        let codes = (first..1_000_000).step_by(2).map(|number| format!("{number:06}"));
        codes.filter(|code| ways.iter().any(|way| way.claim(code.as_bytes())[..] == *claim)).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(1));
        let mut found = part(0);
        found.extend(other.join().unwrap());
        found
    })
}

#[test]
fn the_search_finds_a_code_that_was_hashed_without_a_key() {
    let ways = ways("sid.jti", "login", EMAIL, "kid");
    let claim = ways[5].claim(b"004711");
    assert_eq!(search(&ways[5..6], &claim), ["004711"]);
    assert!(ways.iter().all(|way| way.claim(b"004711") != way.claim(b"004712")));
    // RFC 4231 section 4.2, test case 1.
    let found = Way::hmac(&[0x0b; 20], &[]).claim(b"Hi There");
    let expected = "B0344C61D8DB38535CA8AFCEAF0BF12B881DC200C9833DA726E9376C2E32CFF7";
    assert_eq!(crate::at_rest::hex(&found), expected);
}

/// The claim of a captured token, and everything that can be tried at it.
fn captured(token: &HalfWay, address: &str) -> (Vec<Way>, Vec<u8>) {
    let claims = token.claims();
    let text = |name: &str| claims[name].as_str().unwrap_or_else(|| panic!("no {name} in {claims}")).to_owned();
    let claim = URL_SAFE_NO_PAD.decode(text("otp")).unwrap();
    assert_eq!(claim.len(), 32, "the length of a SHA-256");
    assert!(!claims.to_string().contains(address), "the address is not told: {claims}");
    (ways(&text("jti"), &text("purpose"), address, &text("otp_kid")), claim)
}

#[tokio::test]
async fn g06_a_million_guesses_at_a_captured_token_find_nothing() {
    let service = Service::builder().configured(without_passwords).start().await;
    with_email_codes(&service, EMAIL).await;
    let question = asked(&service, EMAIL).await;
    let without = service.native().passwordless(EMAIL).await.unwrap();
    let registering = service.native().register("bob@example.com", super::NEW).await.unwrap();
    for (token, address) in [(&question, EMAIL), (&without, EMAIL), (&registering, "bob@example.com")] {
        let (ways, claim) = captured(token, address);
        let found = tokio::task::spawn_blocking(move || search(&ways, &claim)).await.unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
}
