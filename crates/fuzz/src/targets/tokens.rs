//! Tokens: the service's own, and the texts in them.

use keystead_adapters_crypto::verify_jws;
use keystead_application::ports::{
    KeyedHash as _, MacPurpose, TokenKind, TokenSigner as _, TokenVerifier as _, Vault as _,
};
use keystead_domain::account::{ContactId, Role, UserId};
use keystead_domain::factor::PasskeyId;
use keystead_domain::social::{ProviderId, SocialSubject};
use keystead_domain::token::{
    Amr, Factor, KeyId, PreAuthorizedPurpose, RefreshToken, SessionId, StepUpMethod, TokenId,
};

use crate::input::{edited, line, text as utf8};
use crate::strict::Strict;
use crate::world::{KINDS, WORLD, typ};

/// Whether the service takes a text for a token of this kind.
fn is_taken(kind: TokenKind, token: &str) -> bool {
    match kind {
        TokenKind::Access => WORLD.ring.verify_access(token).is_ok(),
        TokenKind::PreAuthorized => WORLD.ring.verify_pre_authorized(token).is_ok(),
        TokenKind::StepUp => WORLD.ring.verify_step_up(token).is_ok(),
    }
}

/// `access_token`: a text; or `~`, which kind of genuine token, and changes to it.
pub(super) fn text(bytes: &[u8]) {
    let token = match bytes {
        [b'~', kind, edits @ ..] => {
            let genuine = WORLD.genuine(kind_of(*kind));
            String::from_utf8(edited(genuine.as_bytes(), edits)).ok()
        }
        bytes => utf8(bytes).map(str::to_owned),
    };
    let Some(token) = token else { return };
    for kind in KINDS {
        // Whatever is not exactly what was signed is not taken, nor is it for another kind.
        assert_eq!(is_taken(kind, &token), token == WORLD.genuine(kind), "{kind:?} {token:?}");
    }
}

fn kind_of(byte: u8) -> TokenKind {
    KINDS.get(usize::from(byte) % KINDS.len()).copied().unwrap_or(TokenKind::Access)
}

/// `token_header`: which kind of token, and the header of one whose claims and signature are right.
pub(super) fn header(bytes: &[u8]) {
    let Some((kind, header)) = bytes.split_first() else { return };
    let kind = kind_of(*kind);
    let genuine = WORLD.genuine(kind);
    let payload = genuine.split('.').nth(1).and_then(decoded).expect("a genuine token has a payload");
    let token = WORLD.signed(kind, header, &payload);
    for other in KINDS {
        if !is_taken(other, &token) {
            continue;
        }
        assert_eq!(other, kind);
        let read: serde_json::Value = serde_json::from_slice(header).expect("a taken header is JSON");
        let expected: serde_json::Value = serde_json::from_str(&WORLD.header(kind)).expect("ours is JSON");
        assert_eq!(read, expected, "a header that says anything else");
        assert!(Strict::read(header).and_then(|json| json.members().map(|names| names.len())) == Some(3));
    }
}

fn decoded(segment: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(segment).ok()
}

/// `token_claims`: which kind of token, and the claims of one whose header and signature are right.
pub(super) fn claims(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else { return };
    let kind = kind_of(*kind);
    let token = WORLD.signed(kind, WORLD.header(kind).as_bytes(), payload);
    assert!(KINDS.into_iter().all(|other| other == kind || !is_taken(other, &token)), "{} for another", typ(kind));
    // What was taken says the same when the service says it again.
    let said_again = match kind {
        TokenKind::Access => WORLD.ring.verify_access(&token).ok().map(|taken| {
            let again = WORLD.ring.sign_access(&taken.claims).expect("claims that can be said");
            let again = WORLD.ring.verify_access(again.expose()).expect("what the service says it believes");
            assert_eq!(again.claims, taken.claims);
        }),
        TokenKind::PreAuthorized => WORLD.ring.verify_pre_authorized(&token).ok().map(|taken| {
            let again = WORLD.ring.sign_pre_authorized(&taken).expect("claims that can be said");
            assert_eq!(WORLD.ring.verify_pre_authorized(again.expose()).ok(), Some(taken));
        }),
        TokenKind::StepUp => WORLD.ring.verify_step_up(&token).ok().map(|taken| {
            let again = WORLD.ring.sign_step_up(&taken).expect("claims that can be said");
            assert_eq!(WORLD.ring.verify_step_up(again.expose()).ok(), Some(taken));
        }),
    };
    if said_again.is_some() {
        let json = Strict::read(payload).expect("what was taken is JSON");
        let names = json.members().expect("what was taken is an object without twins");
        assert!(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"].iter().all(|name| names.contains(name)), "{names:?}");
    }
}

/// `published_jws`: a JWK set on the first line, a token behind it, as `keystead debug` reads them.
pub(super) fn published(bytes: &[u8]) {
    let (keys, token) = line(bytes);
    let Some(token) = utf8(token) else { return };
    if let Ok((header, _)) = verify_jws(keys, token) {
        let header: serde_json::Value = serde_json::from_str(&header).expect("the header is JSON");
        let algorithm = header.get("alg").and_then(serde_json::Value::as_str);
        assert!(matches!(algorithm, Some("EdDSA" | "ES512")), "{algorithm:?}");
    }
}

/// `refresh_token`: a text.
pub(super) fn refresh(bytes: &[u8]) {
    let Some(text) = utf8(bytes) else { return };
    let Ok(token) = RefreshToken::parse(text) else { return };
    assert_eq!(token.to_text(), text, "a refresh token has one spelling");
    assert!(text.len() <= 512 && !token.mac.contains('.'));
    let (session, generation) = (token.session.as_str().as_bytes(), token.generation.number().to_be_bytes());
    let mac = decoded(&token.mac).unwrap_or_default();
    // Nobody guesses a mac, whichever key they name.
    assert!(!WORLD.ring.verify(&token.key, MacPurpose::Refresh, &[session, &generation], &mac));
}

/// `identifiers`: a text where a path, a claim or a body has an identifier.
pub(super) fn identifiers(bytes: &[u8]) {
    let Some(text) = utf8(bytes) else { return };
    let same = |read: Option<String>| assert!(read.is_none_or(|read| read == text), "{text:?} has two spellings");
    same(UserId::parse(text).map(|id| id.to_string()));
    same(ContactId::parse(text).map(|id| id.to_string()));
    same(PasskeyId::parse(text).map(|id| id.to_string()));
    same(SessionId::parse(text).map(|id| id.to_string()));
    same(KeyId::parse(text).map(|id| id.to_string()));
    same(ProviderId::try_new(text).ok().map(|id| id.to_string()));
    same(SocialSubject::try_new(text).ok().map(|id| id.as_str().to_owned()));
    same(Role::parse(text).ok().map(|role| role.to_string()));
    same(Amr::parse(text).map(|method| method.as_str().to_owned()));
    same(Factor::parse(text).map(|factor| factor.as_str().to_owned()));
    same(StepUpMethod::parse(text).map(|method| method.as_str().to_owned()));
    same(PreAuthorizedPurpose::parse(text).map(|purpose| purpose.as_str().to_owned()));
    if let Some(id) = TokenId::parse(text) {
        same(Some(id.to_string()));
        let random = text.rsplit('.').next().unwrap_or_default();
        assert_eq!(TokenId::new(&id.session(), random), Some(id), "{text:?}");
    }
}

/// `sealed`: sealed bytes as a database could hold them; or `~` and changes to genuine ones.
pub(super) fn sealed(bytes: &[u8]) {
    let context = b"totp:somebody";
    let genuine = WORLD.ring.seal(context, b"a secret").expect("a key to seal with");
    let sealed = match bytes {
        [b'~', edits @ ..] => edited(&genuine, edits),
        bytes => bytes.to_vec(),
    };
    let opened = WORLD.ring.open(context, &sealed);
    assert_eq!(opened.is_ok(), sealed == genuine, "sealed bytes open unchanged or not at all");
    assert!(WORLD.ring.open(b"totp:somebody else", &sealed).is_err(), "sealed bytes open in their place only");
    let _ = WORLD.ring.is_outdated(&sealed);
}
