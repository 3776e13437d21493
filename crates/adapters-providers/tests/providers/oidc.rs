//! OpenID Connect: what is sent, what is believed, and what is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keystead_adapters_providers::{Oidc, OidcConfig, SocialClient};
use keystead_application::ports::{SocialAnswer, SocialError, SocialProfile, SocialProvider as _, SocialRequest};
use keystead_application::testing::{FixedClock, START};
use keystead_domain::SecretString;
use keystead_domain::social::ProviderId;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac};
use serde_json::{Value, json};
use url::Url;

use crate::server::{Reply, Seen, Server, nobody};

const CLIENT: &str = "keystead client:1";
const SECRET: &str = "s3cret+%/:word";
const NONCE: &str = "nonce-nonce-nonce-nonce-nonce-nonce-nonce-n";
const ACCESS: &str = "an-access-token";

pub(crate) fn text(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

pub(crate) fn request() -> SocialRequest {
    SocialRequest {
        state: text("state-state-state-state-state-state-state-s"),
        nonce: text(NONCE),
        code_verifier: text("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    }
}

pub(crate) fn code() -> SocialAnswer {
    SocialAnswer { code: text("a-code"), issuer: None }
}

pub(crate) fn client() -> SocialClient {
    SocialClient {
        id: ProviderId::try_new("idp").unwrap(),
        display_name: "The IdP".to_owned(),
        client_id: CLIENT.replace(' ', "-"),
        client_secret: Some(text(SECRET)),
        redirect_uri: "https://id.example.com/api/v1/social/idp/callback".to_owned(),
        scopes: Vec::new(),
        vouches_for_addresses: true,
    }
}

/// Makes a token of claims.
type Forgery = Box<dyn Fn(&Value) -> String + Send>;

/// What a provider says; tests change it.
struct Script {
    discovery: Value,
    keys: Value,
    claims: Value,
    /// Makes the ID token of the claims.
    token: Forgery,
    userinfo: Value,
    /// Answers of one path instead.
    instead: Option<(&'static str, Reply)>,
}

struct Provider {
    server: Server,
    script: Arc<Mutex<Script>>,
    clock: Arc<FixedClock>,
    oidc: Oidc,
}

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", part(header.to_string()), part(claims.to_string()))
}

/// A new Ed25519 key: its public JWK, and what signs with it.
fn ed25519(kid: &str) -> (Value, impl Fn(&Value, &Value) -> String + Send + 'static) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": part(pair.public_key()) });
    let sign = move |header: &Value, claims: &Value| {
        let input = signing_input(header, claims);
        let signature = part(pair.sign(input.as_bytes()));
        format!("{input}.{signature}")
    };
    (jwk, sign)
}

fn es256(kid: &str) -> (Value, impl Fn(&Value, &Value) -> String + Send + 'static) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": part(x), "y": part(y) });
    let sign = move |header: &Value, claims: &Value| {
        let input = signing_input(header, claims);
        let signature = part(pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap());
        format!("{input}.{signature}")
    };
    (jwk, sign)
}

impl Provider {
    async fn start() -> Self {
        let bound = Server::bind().await;
        let url = bound.url.clone();
        let now = START.as_seconds();
        let (jwk, sign) = ed25519("one");
        let script = Script {
            discovery: json!({
                "issuer": url,
                "authorization_endpoint": format!("{url}/authorize?tenant=1"),
                "token_endpoint": format!("{url}/token"),
                "jwks_uri": format!("{url}/keys"),
                "userinfo_endpoint": format!("{url}/userinfo"),
            }),
            keys: json!({ "keys": [jwk] }),
            claims: json!({
                "iss": url, "aud": client().client_id, "sub": "248289761001", "nonce": NONCE, "iat": now, "exp": now + 300,
                "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
            }),
            token: Box::new(move |claims| sign(&json!({ "alg": "EdDSA", "kid": "one" }), claims)),
            userinfo: json!({ "sub": "248289761001" }),
            instead: None,
        };
        let script = Arc::new(Mutex::new(script));
        let answering = Arc::clone(&script);
        let server = bound.answer(move |seen| answering.lock().unwrap().answer(seen));
        let clock = Arc::new(FixedClock::default());
        let config = OidcConfig { client: client(), issuer: url, connect_timeout: Duration::from_secs(3) };
        let oidc = Oidc::new(config, clock.clone()).unwrap();
        Self { server, script, clock, oidc }
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    async fn complete(&self) -> Result<SocialProfile, SocialError> {
        self.oidc.complete(&code(), &request()).await
    }

    fn asked(&self, path: &str) -> usize {
        self.server.seen().iter().filter(|seen| path_of(seen) == path).count()
    }
}

fn path_of(seen: &Seen) -> &str {
    seen.line.split(' ').nth(1).unwrap()
}

impl Script {
    fn answer(&self, seen: &Seen) -> Reply {
        let path = path_of(seen);
        if let Some((_, reply)) = self.instead.as_ref().filter(|(instead, _)| *instead == path) {
            return reply.clone();
        }
        let document = match path {
            "/.well-known/openid-configuration" => self.discovery.clone(),
            "/keys" => self.keys.clone(),
            "/userinfo" => self.userinfo.clone(),
            "/token" => {
                json!({ "access_token": ACCESS, "token_type": "Bearer", "id_token": (self.token)(&self.claims) })
            }
            _ => return Reply::json("404 Not Found", "{}"),
        };
        Reply::json("200 OK", &document.to_string())
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, SocialError>) -> String {
    let Err(SocialError::Refused(text)) = result else { panic!("refused, not {result:?}") };
    text
}

#[track_caller]
fn unavailable<T: std::fmt::Debug>(result: Result<T, SocialError>) -> String {
    let Err(SocialError::Unavailable(text)) = result else { panic!("unavailable, not {result:?}") };
    text
}

#[tokio::test]
async fn somebody_is_sent_with_state_nonce_and_a_challenge() {
    let provider = Provider::start().await;
    let url = Url::parse(&provider.oidc.begin(&request()).await.unwrap()).unwrap();
    assert_eq!(url.path(), "/authorize");
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", "keystead-client:1"),
        ("redirect_uri", "https://id.example.com/api/v1/social/idp/callback"),
        ("scope", "openid email profile"),
        ("state", "state-state-state-state-state-state-state-s"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("nonce", NONCE),
    ];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    provider.oidc.begin(&request()).await.unwrap();
    assert_eq!(provider.asked("/.well-known/openid-configuration"), 1, "kept for an hour");
    provider.clock.advance(Duration::from_secs(3601));
    provider.oidc.begin(&request()).await.unwrap();
    assert_eq!(provider.asked("/.well-known/openid-configuration"), 2);
}

#[tokio::test]
async fn a_code_is_exchanged_with_verifier_and_secret_and_tells_who_came() {
    let provider = Provider::start().await;
    let profile = provider.complete().await.unwrap();
    assert!(profile.subject.as_str().ends_with(".248289761001"), "{:?}", profile.subject);
    assert_eq!((profile.email.unwrap().as_str(), profile.email_verified), ("ada@example.com", true));
    assert_eq!((profile.name.as_deref(), profile.label.as_deref()), (Some("Ada Lovelace"), Some("ada@example.com")));
    let seen = provider.server.seen();
    let exchange = seen.iter().find(|seen| path_of(seen) == "/token").unwrap();
    // Both parts are encoded first (RFC 6749 section 2.3.1).
    let basic = STANDARD.encode("keystead-client%3A1:s3cret%2B%25%2F%3Aword");
    assert_eq!(exchange.header("authorization"), Some(format!("Basic {basic}").as_str()));
    let form: Vec<_> = url::form_urlencoded::parse(exchange.body.as_bytes()).into_owned().collect();
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "a-code"),
        ("redirect_uri", "https://id.example.com/api/v1/social/idp/callback"),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(provider.asked("/userinfo"), 0, "the ID token told enough");
}

#[tokio::test]
async fn a_provider_that_takes_the_secret_in_the_body_only_gets_it_there() {
    let provider = Provider::start().await;
    provider.change(|script| script.discovery["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]));
    provider.complete().await.unwrap();
    let seen = provider.server.seen();
    let exchange = seen.iter().find(|seen| path_of(seen) == "/token").unwrap();
    assert_eq!(exchange.header("authorization"), None);
    let form: Vec<_> = url::form_urlencoded::parse(exchange.body.as_bytes()).into_owned().collect();
    assert!(form.contains(&("client_secret".to_owned(), SECRET.to_owned())));
}

#[tokio::test]
async fn an_id_token_is_believed_only_when_everything_in_it_is_right() {
    let provider = Provider::start().await;
    let good = provider.script.lock().unwrap().claims.clone();
    let now = START.as_seconds();
    let other = "https://other.example";
    let own = client().client_id;
    for (what, name, value) in [
        ("issuer", "iss", json!(other)),
        ("issuer with a slash", "iss", json!(format!("{}/", provider.server.url))),
        ("audience", "aud", json!("another-client")),
        ("audiences without this", "aud", json!(["another-client"])),
        ("audiences besides this", "aud", json!([own, "another-client"])),
        ("no audience", "aud", json!([])),
        ("party", "azp", json!("another-client")),
        ("expired", "exp", json!(now - 61)),
        ("no end", "exp", Value::Null),
        ("an end that is a text", "exp", json!((now + 300).to_string())),
        ("old", "iat", json!(now - 661)),
        ("of the future", "iat", json!(now + 61)),
        ("no time", "iat", Value::Null),
        ("not yet", "nbf", json!(now + 61)),
        ("nonce", "nonce", json!("another-nonce")),
        ("no nonce", "nonce", Value::Null),
        ("access token", "at_hash", json!(part([0; 32]))),
        ("no subject", "sub", Value::Null),
        ("an empty subject", "sub", json!("")),
        ("a subject with a line end", "sub", json!("1\n2")),
        ("a long subject", "sub", json!("x".repeat(256))),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        if claims[name].is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
        provider.change(|script| script.claims = claims);
        let text = refused(provider.complete().await);
        assert!(!text.contains("ada@example.com") && !text.contains(NONCE), "{what}: {text}");
    }
    // At the edges, and with the half of the hash that EdDSA takes (SHA-512).
    let hash = digest::digest(&digest::SHA512, ACCESS.as_bytes());
    for (name, value) in [
        ("exp", json!(now - 59)),
        ("iat", json!(now - 659)),
        ("iat", json!(now + 59)),
        ("azp", json!(own)),
        ("aud", json!([own])),
        ("at_hash", json!(part(&hash.as_ref()[..32]))),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        provider.change(|script| script.claims = claims);
        provider.complete().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test]
async fn a_token_counts_only_with_the_signature_of_a_published_key() {
    let provider = Provider::start().await;
    let public = provider.script.lock().unwrap().keys["keys"][0]["x"].as_str().unwrap().to_owned();
    let symmetric = move |claims: &Value, key: &[u8]| {
        let input = signing_input(&json!({ "alg": "HS256", "kid": "one" }), claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input.as_bytes());
        format!("{input}.{}", part(tag))
    };
    let raw = URL_SAFE_NO_PAD.decode(&public).unwrap();
    let forgeries: Vec<(&str, Forgery)> = vec![
        ("none", Box::new(|claims| format!("{}.", signing_input(&json!({ "alg": "none" }), claims)))),
        ("None", Box::new(|claims| format!("{}.", signing_input(&json!({ "alg": "None", "kid": "one" }), claims)))),
        (
            "no signature",
            Box::new(|claims| format!("{}.", signing_input(&json!({ "alg": "EdDSA", "kid": "one" }), claims))),
        ),
        ("the public key as a secret", Box::new(move |claims| symmetric(claims, &raw))),
        ("the public key's text as a secret", Box::new(move |claims| symmetric(claims, public.as_bytes()))),
        ("another key", {
            let (_, sign) = ed25519("one");
            Box::new(move |claims| sign(&json!({ "alg": "EdDSA", "kid": "one" }), claims))
        }),
        ("another kind of key", {
            let (_, sign) = es256("one");
            Box::new(move |claims| sign(&json!({ "alg": "ES256", "kid": "one" }), claims))
        }),
        ("a key that the token brings", {
            let (jwk, sign) = ed25519("one");
            Box::new(move |claims| sign(&json!({ "alg": "EdDSA", "jwk": jwk }), claims))
        }),
        ("two parts", Box::new(|_| "a.b".to_owned())),
        ("no token", Box::new(|_| String::new())),
        ("too long", Box::new(|_| "a".repeat(20_000))),
    ];
    for (what, token) in forgeries {
        provider.change(|script| script.token = token);
        assert!(provider.complete().await.is_err(), "{what}");
        refused(provider.complete().await);
    }
    // An extension that must be understood, rightly signed.
    let (jwk, sign) = ed25519("one");
    let sign = Arc::new(Mutex::new(sign));
    provider.clock.advance(Duration::from_secs(3601));
    let now = START.as_seconds() + 3601;
    let copy = Arc::clone(&sign);
    provider.change(|script| {
        (script.claims["iat"], script.claims["exp"]) = (json!(now), json!(now + 300));
        script.keys = json!({ "keys": [jwk] });
        script.token = Box::new(move |claims| {
            copy.lock().unwrap()(&json!({ "alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false }), claims)
        });
    });
    refused(provider.complete().await);
    provider.change(|script| {
        script.token = Box::new(move |claims| sign.lock().unwrap()(&json!({ "alg": "EdDSA", "kid": "one" }), claims));
    });
    provider.complete().await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_is_no_more() {
    let provider = Provider::start().await;
    provider.complete().await.unwrap();
    let (jwk, sign) = es256("two");
    provider.change(|script| {
        script.keys = json!({ "keys": [jwk, { "kty": "oct", "k": "AAAA" }, { "kty": 5 }] });
        script.token = Box::new(move |claims| sign(&json!({ "alg": "ES256", "kid": "two" }), claims));
    });
    refused(provider.complete().await);
    assert_eq!(provider.asked("/keys"), 1, "whoever sends tokens of unknown keys has no request of each");
    provider.clock.advance(Duration::from_secs(11));
    provider.complete().await.unwrap();
    assert_eq!(provider.asked("/keys"), 2);
    // Without a name there must be one key only that fits.
    let (jwk, sign) = es256("three");
    let (another, _) = es256("four");
    let set = |keys: &[&Value]| json!({ "keys": keys });
    provider.clock.advance(Duration::from_secs(11));
    let mut two = set(&[&jwk, &another]);
    std::mem::swap(&mut provider.script.lock().unwrap().keys, &mut two);
    provider.change(|script| script.token = Box::new(move |claims| sign(&json!({ "alg": "ES256" }), claims)));
    refused(provider.complete().await);
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_the_code_goes_anywhere() {
    let provider = Provider::start().await;
    let named = |issuer: &str| SocialAnswer { issuer: Some(issuer.to_owned()), ..code() };
    refused(provider.oidc.complete(&named("https://attacker.example"), &request()).await);
    provider.oidc.complete(&named(&provider.server.url), &request()).await.unwrap();
    provider.clock.advance(Duration::from_secs(3601));
    provider.change(|script| script.discovery["authorization_response_iss_parameter_supported"] = json!(true));
    let before = provider.asked("/token");
    refused(provider.complete().await);
    assert_eq!(provider.asked("/token"), before);
}

#[tokio::test]
async fn a_discovery_document_leads_nowhere_else() {
    for (name, value) in [
        ("issuer", json!("https://other.example")),
        ("token_endpoint", json!("http://10.0.0.1/token")),
        ("token_endpoint", json!("file:///etc/passwd")),
        ("token_endpoint", json!("https://user:pass@idp.example/token")),
        ("jwks_uri", json!("http://169.254.169.254/latest/meta-data")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!("https://idp.example/authorize#fragment")),
        ("token_endpoint", Value::Null),
    ] {
        let provider = Provider::start().await;
        provider.change(|script| script.discovery[name] = value.clone());
        unavailable(provider.oidc.begin(&request()).await);
        unavailable(provider.complete().await);
    }
}

#[tokio::test]
async fn outages_and_nonsense_are_no_sign_in() {
    let redirect = || Reply::Answer("302 Found", "Location: http://127.0.0.1:1/elsewhere\r\n", String::new());
    for path in ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"] {
        for reply in [
            Reply::json("500 Internal Server Error", "{}"),
            Reply::json("503 Service Unavailable", "{\"error\":\"temporarily_unavailable\"}"),
            Reply::json("200 OK", "nonsense"),
            Reply::json("200 OK", "[]"),
            redirect(),
            Reply::Torn,
            Reply::Endless,
        ] {
            let provider = Provider::start().await;
            provider.change(|script| {
                script.claims.as_object_mut().unwrap().remove("email");
                script.instead = Some((path, reply.clone()));
            });
            let result = provider.complete().await;
            assert!(matches!(result, Err(SocialError::Unavailable(_))), "{path} {reply:?}: {result:?}");
        }
    }
    let config = OidcConfig { client: client(), issuer: nobody().await, connect_timeout: Duration::from_secs(3) };
    let gone = Oidc::new(config, Arc::new(FixedClock::default())).unwrap();
    unavailable(gone.begin(&request()).await);
}

#[tokio::test]
async fn silence_ends_within_ten_seconds() {
    let provider = Provider::start().await;
    provider.change(|script| script.instead = Some(("/keys", Reply::Silence)));
    let patience = Duration::from_secs(12);
    let result = tokio::time::timeout(patience, provider.complete()).await.expect("an end");
    assert!(unavailable(result).contains("in time"));
}

#[tokio::test]
async fn a_code_the_provider_refuses_is_told_without_its_words() {
    let provider = Provider::start().await;
    let answer = "{\"error\":\"invalid_grant\",\"error_description\":\"code of ada@example.com was used\"}";
    provider.change(|script| script.instead = Some(("/token", Reply::json("400 Bad Request", answer))));
    assert_eq!(refused(provider.complete().await), "the token endpoint: invalid_grant");
    let answer = "{\"error\":\"invalid_client\"}";
    provider.change(|script| script.instead = Some(("/token", Reply::json("401 Unauthorized", answer))));
    assert_eq!(unavailable(provider.complete().await), "the token endpoint: invalid_client");
    let answer = "{\"error\":\"ada@example.com\"}";
    provider.change(|script| script.instead = Some(("/token", Reply::json("400 Bad Request", answer))));
    assert_eq!(unavailable(provider.complete().await), "the token endpoint: status 400");
}

#[tokio::test]
async fn addresses_come_from_userinfo_where_the_token_has_none_and_count_when_said_to_be_verified() {
    let provider = Provider::start().await;
    provider.change(|script| {
        script.claims.as_object_mut().unwrap().remove("email");
        script.userinfo = json!({ "sub": "248289761001", "email": "Ada@Example.com", "email_verified": true });
    });
    let profile = provider.complete().await.unwrap();
    assert!(profile.email.is_some() && profile.email_verified);
    let seen = provider.server.seen();
    let asked = seen.iter().find(|seen| path_of(seen) == "/userinfo").unwrap();
    assert_eq!(asked.header("authorization"), Some("Bearer an-access-token"));
    for verified in [json!(false), json!("true"), json!(1), Value::Null] {
        provider.change(|script| script.userinfo["email_verified"] = verified.clone());
        let profile = provider.complete().await.unwrap();
        assert!(profile.email.is_some() && !profile.email_verified, "{verified}");
    }
    provider.change(|script| script.userinfo["email"] = json!("no address"));
    let profile = provider.complete().await.unwrap();
    assert_eq!((profile.email, profile.email_verified), (None, false));
    provider.change(|script| script.userinfo["sub"] = json!("somebody-else"));
    refused(provider.complete().await);
}

#[test]
fn what_cannot_work_is_refused_at_start() {
    let refuse = |issuer: &str, client: SocialClient| {
        let config = OidcConfig { client, issuer: issuer.to_owned(), connect_timeout: Duration::from_secs(3) };
        Oidc::new(config, Arc::new(FixedClock::default())).is_err()
    };
    for issuer in ["http://idp.example", "http://10.0.0.1", "https://idp.example?x", "ftp://idp.example", "idp.example"]
    {
        assert!(refuse(issuer, client()), "{issuer}");
    }
    for wrong in [
        SocialClient { client_id: String::new(), ..client() },
        SocialClient { client_id: "a b".to_owned(), ..client() },
        SocialClient { client_secret: Some(text("")), ..client() },
        SocialClient { scopes: vec!["openid email".to_owned()], ..client() },
    ] {
        assert!(refuse("http://127.0.0.1:1", wrong));
    }
    assert!(!format!("{:?}", client()).contains(SECRET));
}
