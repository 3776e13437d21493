//! `TokenSigner` and `TokenVerifier`, together.

use std::sync::Arc;

use keystead_application::ports::{TokenError, TokenSigner, TokenVerifier};
use keystead_application::testing::{START, access_claims, an_actor, key_id, pre_authorized_claims, token_id};
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, Role};
use keystead_domain::token::{AccessClaims, Amr, Factor, PreAuthorizedClaims, PreAuthorizedPurpose};

/// What signs and verifies with the same keys.
pub trait Tokens: TokenSigner + TokenVerifier {}

impl<T: TokenSigner + TokenVerifier> Tokens for T {}

/// Tests the contracts of [`TokenSigner`](keystead_application::ports::TokenSigner) and
/// [`TokenVerifier`](keystead_application::ports::TokenVerifier) that need no knowledge of the format: which algorithms
/// and headers are refused is tested where they are known. The expression is a future of a [`Harness`](crate::Harness)
/// whose subject signs and verifies, its active key published at and after `testing::START`.
#[macro_export]
macro_rules! token_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            tokens,
            dyn $crate::contracts::tokens::Tokens,
            $make,
            [
                access_claims_survive,
                pre_authorized_claims_survive,
                every_changed_character_is_refused,
                parts_of_two_tokens_make_no_third,
                kinds_of_tokens_do_not_mix,
                times_are_left_to_the_caller,
                what_is_no_token_is_refused,
                the_signing_key_is_published,
            ]
        );
    };
}

/// Every claim comes back as signed, as often as the token is shown.
pub async fn access_claims_survive(tokens: Arc<dyn Tokens>) {
    let plain = access_claims();
    let full = AccessClaims {
        role: Role::SuperAdmin,
        epoch: Epoch::new(1 << 40),
        amr: vec![Amr::Password, Amr::Otp, Amr::MultiFactor],
        token_id: token_id("other-session.other_token"),
        ..access_claims()
    };
    let acting = AccessClaims { actor: Some(an_actor()), ..access_claims() };
    for claims in [plain, full, acting] {
        let token = tokens.sign_access(&claims).unwrap();
        for _ in 0..2 {
            assert_eq!(tokens.verify_access(token.expose()).unwrap().claims, claims);
        }
    }
}

/// Every claim comes back as signed, set or not, for every purpose.
pub async fn pre_authorized_claims_survive(tokens: Arc<dyn Tokens>) {
    for purpose in [
        PreAuthorizedPurpose::Register,
        PreAuthorizedPurpose::Login,
        PreAuthorizedPurpose::Reset,
        PreAuthorizedPurpose::Passwordless,
    ] {
        let with_code = PreAuthorizedClaims { purpose, ..pre_authorized_claims() };
        let with_factors = PreAuthorizedClaims {
            otp: None,
            otp_key: None,
            tfa_options: vec![Factor::Device, Factor::Totp, Factor::Email, Factor::Phone],
            default_tfa: Some(Factor::Totp),
            ..with_code.clone()
        };
        for claims in [with_code, with_factors] {
            let token = tokens.sign_pre_authorized(&claims).unwrap();
            assert_eq!(tokens.verify_pre_authorized(token.expose()), Ok(claims));
        }
    }
}

/// A token with any character replaced, removed or added is refused, also after the true one was seen.
pub async fn every_changed_character_is_refused(tokens: Arc<dyn Tokens>) {
    let token = tokens.sign_access(&access_claims()).unwrap();
    let token = token.expose();
    assert!(tokens.verify_access(token).is_ok());
    for index in 0..token.len() {
        let (head, tail) = token.split_at(index);
        let rest = &tail[1..];
        for other in ["A", "b", "0", ".", ""] {
            let changed = format!("{head}{other}{rest}");
            assert!(changed == token || tokens.verify_access(&changed).is_err(), "{other:?} at {index}");
        }
    }
    for changed in [format!("{token}A"), format!("{token}."), format!("{token} "), format!(" {token}")] {
        assert_eq!(tokens.verify_access(&changed).err(), Some(TokenError), "{changed:?}");
    }
}

/// Claims of one token under the signature of another are refused.
pub async fn parts_of_two_tokens_make_no_third(tokens: Arc<dyn Tokens>) {
    let one = tokens.sign_access(&access_claims()).unwrap();
    let admin = AccessClaims { role: Role::Admin, ..access_claims() };
    let two = tokens.sign_access(&admin).unwrap();
    let (one_body, one_signature) = one.expose().rsplit_once('.').unwrap();
    let (two_body, two_signature) = two.expose().rsplit_once('.').unwrap();
    for crossed in [format!("{two_body}.{one_signature}"), format!("{one_body}.{two_signature}")] {
        assert_eq!(tokens.verify_access(&crossed).err(), Some(TokenError));
    }
}

/// A token of one kind is never taken for the other.
pub async fn kinds_of_tokens_do_not_mix(tokens: Arc<dyn Tokens>) {
    let access = tokens.sign_access(&access_claims()).unwrap();
    let half_way = tokens.sign_pre_authorized(&pre_authorized_claims()).unwrap();
    assert!(tokens.verify_access(access.expose()).is_ok());
    assert_eq!(tokens.verify_pre_authorized(access.expose()).err(), Some(TokenError));
    assert!(tokens.verify_pre_authorized(half_way.expose()).is_ok());
    assert_eq!(tokens.verify_access(half_way.expose()).err(), Some(TokenError));
}

/// Long expired and not yet valid tokens verify: callers compare `exp` and `nbf` with their clock.
pub async fn times_are_left_to_the_caller(tokens: Arc<dyn Tokens>) {
    for (issued, expires) in [(1, 2), (4_000_000_000, 4_000_001_200)] {
        let (issued_at, expires_at) = (Timestamp::from_seconds(issued), Timestamp::from_seconds(expires));
        let claims = AccessClaims { issued_at, expires_at, ..access_claims() };
        let token = tokens.sign_access(&claims).unwrap();
        assert_eq!(tokens.verify_access(token.expose()).unwrap().claims, claims);
        let claims = PreAuthorizedClaims { issued_at, expires_at, ..pre_authorized_claims() };
        let token = tokens.sign_pre_authorized(&claims).unwrap();
        assert_eq!(tokens.verify_pre_authorized(token.expose()), Ok(claims));
    }
}

/// Whatever text is shown is refused without a panic.
pub async fn what_is_no_token_is_refused(tokens: Arc<dyn Tokens>) {
    let long = "a.".repeat(50_000);
    for text in ["", ".", "..", "...", "a.b.c", "{}", "eyJhbGciOiJub25lIn0.e30.", "ü.ü.ü", "\0", &long] {
        assert_eq!(tokens.verify_access(text).err(), Some(TokenError));
        assert_eq!(tokens.verify_pre_authorized(text).err(), Some(TokenError));
    }
}

/// The key a token was signed with is published; the key set is JSON that names it.
pub async fn the_signing_key_is_published(tokens: Arc<dyn Tokens>) {
    let token = tokens.sign_access(&access_claims()).unwrap();
    let key = tokens.verify_access(token.expose()).unwrap().key.clone();
    assert!(tokens.is_published(&key, START));
    // A symmetric key is published to this process alone: the set for others is empty.
    let jwks = tokens.jwks();
    assert!(jwks.contains(key.as_str()) || jwks.replace(' ', "") == r#"{"keys":[]}"#, "{jwks}");
    assert_ne!(key, key_id("no-such-key"));
}
