//! What other services say: ID tokens, key sets, discovery documents.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use keystead_adapters_providers::{Oidc, OidcConfig, SocialClient};
use keystead_application::ports::SocialError;
use keystead_domain::SecretString;
use keystead_domain::social::ProviderId;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::input::{line, text};
use crate::world::{NOW, StandingClock, base64url};

const ISSUER: &str = "https://accounts.example";
const CLIENT: &str = "keystead-client";

/// A provider whose signing key is known here.
struct Provider {
    oidc: Oidc,
    key: Ed25519KeyPair,
    keys: String,
    nonce: SecretString,
}

static PROVIDER: LazyLock<Provider> = LazyLock::new(|| {
    let client = SocialClient {
        id: ProviderId::try_new("example").expect("a provider's name"),
        display_name: "Example".to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: None,
        redirect_uri: "https://id.example/social/example".to_owned(),
        scopes: Vec::new(),
        vouches_for_addresses: true,
    };
    let config = OidcConfig { client, issuer: ISSUER.to_owned(), connect_timeout: Duration::from_secs(1) };
    let key = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).expect("a seed of 32 bytes");
    let x = base64url(key.public_key().as_ref());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "use": "sig", "alg": "EdDSA", "x": x}]});
    Provider {
        oidc: Oidc::new(config, Arc::new(StandingClock)).expect("a provider that can be asked"),
        key,
        keys: keys.to_string(),
        nonce: SecretString::new("n-0S6_WzA2Mj".to_owned()),
    }
});

impl Provider {
    fn signed(&self, header: &[u8], payload: &[u8]) -> String {
        let input = format!("{}.{}", base64url(header), base64url(payload));
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", base64url(signature.as_ref()))
    }

    fn is_taken(&self, keys: &[u8], token: &str) -> bool {
        match self.oidc.examine(keys, token, None, &self.nonce) {
            Ok(profile) => {
                assert!(!profile.email_verified || profile.email.is_some(), "nothing was verified");
                true
            }
            Err(SocialError::Refused(why) | SocialError::Unavailable(why)) => {
                // It goes into the audit log: words of ours only.
                assert!(why.len() <= 200 && why.is_ascii() && !why.contains(['{', '\n']), "{why:?}");
                false
            }
        }
    }
}

/// `id_token`: `{`: claims under a right signature; `^`: a header on this line and claims behind it, under a right
/// signature; else a whole token.
pub(super) fn id_token(bytes: &[u8]) {
    let provider = &*PROVIDER;
    let keys = provider.keys.as_bytes();
    let (header, payload) = match bytes {
        [b'{', ..] => (&br#"{"alg":"EdDSA","kid":"one"}"#[..], bytes),
        [b'^', rest @ ..] => line(rest),
        bytes => {
            let Some(token) = text(bytes) else { return };
            assert!(!provider.is_taken(keys, token), "nobody else has the key: {token:?}");
            return;
        }
    };
    let token = provider.signed(header, payload);
    if !provider.is_taken(keys, &token) {
        return;
    }
    let header: Value = serde_json::from_slice(header).expect("a taken header is JSON");
    assert_eq!(header.get("alg"), Some(&json!("EdDSA")), "the key decides the algorithm");
    assert_eq!(header.get("crit").unwrap_or(&Value::Null), &Value::Null);
    is_for_us(&serde_json::from_slice(payload).expect("taken claims are JSON"));
    // Of another flow, and without the provider's key, it is worth nothing.
    let other = SecretString::new("of another flow".to_owned());
    assert!(provider.oidc.examine(keys, &token, None, &other).is_err());
    assert!(!provider.is_taken(br#"{"keys":[]}"#, &token));
}

/// OpenID Connect Core 1.0 section 3.1.3.7, by another reader.
fn is_for_us(claims: &Value) {
    assert_eq!(claims.get("iss"), Some(&json!(ISSUER)));
    let audience = claims.get("aud");
    assert!(audience == Some(&json!(CLIENT)) || audience == Some(&json!([CLIENT])), "{audience:?}");
    let time = |name: &str| claims.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    #[expect(clippy::cast_precision_loss, reason = "times of this millennium are far below 2^53")]
    let now = NOW.as_seconds() as f64;
    assert!(time("exp") > now - 60.0 && time("iat") > now - 660.0 && time("iat") < now + 60.0, "{claims}");
    assert_eq!(claims.get("nonce"), Some(&json!("n-0S6_WzA2Mj")));
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    assert!((1..=255).contains(&subject.len()), "{subject:?}");
}

/// `jwks`: a key set, for a token that one of the provider's own keys signed.
pub(super) fn key_set(bytes: &[u8]) {
    let provider = &*PROVIDER;
    let now = NOW.as_seconds();
    let claims = json!({"iss": ISSUER, "aud": CLIENT, "sub": "248289761001", "nonce": "n-0S6_WzA2Mj",
        "iat": now, "exp": now + 300, "email": "jane@example.com", "email_verified": true});
    for (header, algorithm) in [
        (&br#"{"alg":"EdDSA","kid":"one"}"#[..], "OKP"),
        (br#"{"alg":"EdDSA"}"#, "OKP"),
        (br#"{"alg":"ES256","kid":"one"}"#, "none"),
        (br#"{"alg":"RS256"}"#, "none"),
        (br#"{"alg":"PS256"}"#, "none"),
    ] {
        let token = provider.signed(header, claims.to_string().as_bytes());
        if provider.is_taken(bytes, &token) {
            assert_eq!(algorithm, "OKP", "an Ed25519 signature is taken for another");
            let x = base64url(provider.key.public_key().as_ref());
            assert!(text(bytes).is_some_and(|set| set.contains(&x) || set.contains('\\')), "a key that is not there");
        }
    }
}

/// `discovery`: a discovery document.
pub(super) fn discovery(bytes: &[u8]) {
    if !PROVIDER.oidc.takes_discovery(bytes) {
        return;
    }
    // Members that are not needed are passed over, and may hold what is no text.
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return };
    let at = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(at("issuer"), ISSUER, "another provider speaks for this one");
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let url = url::Url::parse(at(name)).expect("an endpoint is an address");
        assert!(url.scheme() == "https" && url.host().is_some(), "{name}: {url}");
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{name}: {url}");
    }
}
