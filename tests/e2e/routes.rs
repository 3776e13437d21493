//! G12: who may use which route, declared once; G11: a half-way token opens nothing but its own next step.

use std::collections::BTreeSet;

use keystead_api_actix::config::RegistrationContact;
use keystead_domain::token::PreAuthorizedPurpose as Purpose;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Authenticator, HalfWay, PASSWORD, Refusal, Service, SignedIn, refusal};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody; a token changes nothing.
    Everybody,
    /// Whoever holds a refresh token, in a cookie or body.
    RefreshHolder,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever is signed in and, if they enrolled a second factor, shows a proof of it.
    SteppedUp,
    /// Whoever is half-way through one of these.
    HalfWay(&'static [Purpose]),
    /// The same, and whoever shows no token at all.
    HalfWayOrAnonymous(&'static [Purpose]),
}

/// A question for a second factor is asked at a login and at a reset.
const QUESTION: &[Purpose] = &[Purpose::Login, Purpose::Reset];

/// Every route. One that is not here fails the test: nobody has said yet whom it is for.
const ROUTES: [(&str, &str, For); 53] = [
    ("GET", "/.well-known/change-password", For::Everybody),
    ("GET", "/.well-known/jwks.json", For::Everybody),
    ("GET", "/.well-known/passkey-endpoints", For::Everybody),
    ("POST", "/api/v1/auth/activate", For::Everybody),
    ("POST", "/api/v1/auth/login", For::Everybody),
    ("POST", "/api/v1/auth/login/code", For::HalfWay(QUESTION)),
    ("POST", "/api/v1/auth/login/otp", For::HalfWay(&[Purpose::Register, Purpose::Login, Purpose::Reset])),
    ("POST", "/api/v1/auth/login/passkey", For::HalfWayOrAnonymous(QUESTION)),
    ("POST", "/api/v1/auth/login/passkey/options", For::HalfWayOrAnonymous(QUESTION)),
    ("POST", "/api/v1/auth/logout", For::SignedIn),
    ("POST", "/api/v1/auth/otp", For::SignedIn),
    ("PUT", "/api/v1/auth/otp", For::SignedIn),
    ("POST", "/api/v1/auth/otp/passkey", For::SignedIn),
    ("POST", "/api/v1/auth/otp/passkey/options", For::SignedIn),
    ("PATCH", "/api/v1/auth/password", For::SteppedUp),
    ("POST", "/api/v1/auth/password/forgot", For::Everybody),
    ("POST", "/api/v1/auth/password/reset", For::HalfWay(&[Purpose::Reset])),
    ("POST", "/api/v1/auth/password/reset/begin", For::Everybody),
    ("POST", "/api/v1/auth/passwordless", For::Everybody),
    ("POST", "/api/v1/auth/passwordless/verify", For::HalfWay(&[Purpose::Passwordless])),
    ("POST", "/api/v1/auth/reauth", For::SignedIn),
    ("POST", "/api/v1/auth/refresh", For::RefreshHolder),
    ("POST", "/api/v1/auth/register", For::Everybody),
    ("POST", "/api/v1/auth/register/verify", For::HalfWay(&[Purpose::Register])),
    ("GET", "/api/v1/auth/status", For::Everybody),
    ("GET", "/api/v1/auth/token", For::RefreshHolder),
    ("POST", "/api/v1/auth/token/verify", For::SignedIn),
    ("DELETE", "/api/v1/auth/tokens/{jti}", For::SignedIn),
    ("GET", "/api/v1/contacts", For::SignedIn),
    ("POST", "/api/v1/contacts", For::SteppedUp),
    ("POST", "/api/v1/contacts/undo", For::Everybody),
    ("PATCH", "/api/v1/contacts/{id}", For::SteppedUp),
    ("DELETE", "/api/v1/contacts/{id}", For::SteppedUp),
    ("POST", "/api/v1/contacts/{id}/verify", For::SteppedUp),
    ("GET", "/api/v1/login-history", For::SignedIn),
    ("GET", "/api/v1/passkeys", For::SignedIn),
    ("POST", "/api/v1/passkeys", For::SteppedUp),
    ("POST", "/api/v1/passkeys/options", For::SteppedUp),
    ("PATCH", "/api/v1/passkeys/{id}", For::SteppedUp),
    ("DELETE", "/api/v1/passkeys/{id}", For::SteppedUp),
    ("POST", "/api/v1/recovery-codes", For::SteppedUp),
    ("GET", "/api/v1/sessions", For::SignedIn),
    ("DELETE", "/api/v1/sessions", For::SignedIn),
    ("DELETE", "/api/v1/sessions/{id}", For::SignedIn),
    ("POST", "/api/v1/totp", For::SteppedUp),
    ("DELETE", "/api/v1/totp", For::SteppedUp),
    ("POST", "/api/v1/totp/confirm", For::SteppedUp),
    ("GET", "/api/v1/users/me", For::SignedIn),
    ("DELETE", "/api/v1/users/me", For::SteppedUp),
    ("PATCH", "/api/v1/users/me", For::SignedIn),
    ("GET", "/api/v1/users/me/export", For::SignedIn),
    ("GET", "/health/live", For::Everybody),
    ("GET", "/health/ready", For::Everybody),
];

/// A body the route takes, so that nothing but the credential is wrong.
fn body(method: &str, path: &str) -> Option<Value> {
    // As a browser sends it; nobody's, but of the right form.
    let signature = json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {}, "response": {
        "clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA" } });
    let registration = json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {}, "response": {
        "clientDataJSON": "e30", "attestationObject": "AAAA" } });
    let body = match (method, path.strip_prefix("/api/v1").unwrap_or(path)) {
        ("POST", "/auth/login/code") => json!({ "method": "totp", "code": "000000" }),
        ("POST", "/auth/login/otp") => json!({ "method": "email" }),
        ("POST", "/auth/login/passkey" | "/auth/otp/passkey") => json!({ "assertion": signature }),
        ("PATCH", "/auth/password") => json!({ "currentPassword": PASSWORD, "newPassword": "copper-violin-meadow-17" }),
        ("POST", "/auth/password/reset") => json!({ "newPassword": "copper-violin-meadow-17" }),
        ("POST", "/auth/reauth") => json!({ "password": PASSWORD }),
        ("POST", "/auth/register/verify" | "/auth/passwordless/verify" | "/totp/confirm" | "/contacts/{id}/verify")
        | ("DELETE", "/totp") => json!({ "code": "000000" }),
        ("POST", "/contacts") => json!({ "kind": "email", "address": "mallory@example.com" }),
        ("PATCH", "/contacts/{id}") => json!({ "otpEnabled": true }),
        ("POST", "/passkeys") => json!({ "attestation": registration }),
        ("PATCH", "/passkeys/{id}") => json!({ "name": "Mallory's" }),
        ("PATCH", "/users/me") => json!({ "fullName": "Mallory" }),
        _ => return None,
    };
    Some(body)
}

/// Somebody with a bearer token and a client id of a native client.
struct Principal {
    name: &'static str,
    token: Option<String>,
    client_id: Option<String>,
    /// What they show as a step-up proof.
    proof: Option<String>,
}

impl Principal {
    fn new(name: &'static str, token: &str, client_id: &str) -> Self {
        Self { name, token: Some(token.to_owned()), client_id: Some(client_id.to_owned()), proof: None }
    }

    fn half_way(name: &'static str, half_way: &HalfWay) -> Self {
        Self::new(name, &half_way.token, &half_way.client_id)
    }

    fn nobody() -> Self {
        Self { name: "anonymous", token: None, client_id: None, proof: None }
    }

    async fn ask(&self, service: &Service, ada: &SignedIn, (method, path): (&str, &str)) -> Option<Refusal> {
        // Each as it belongs to ada, where it is about something of hers.
        let id = if path.contains("/sessions/") { ada.session_id().to_owned() } else { ada.user_id() };
        let filled = path.replace("{jti}", &ada.token_id).replace("{id}", &id);
        let filled = if path == "/api/v1/auth/otp" && method == "POST" { filled + "?media=email" } else { filled };
        let mut call = service.api().at(Method::from_bytes(method.as_bytes()).unwrap(), &filled);
        call = call.header("keystead-client", "native");
        if let Some(token) = &self.token {
            call = call.bearer(token);
        }
        if let Some(id) = &self.client_id {
            call = call.header("keystead-client-id", id);
        }
        if let Some(proof) = &self.proof {
            call = call.header("otp-authorization", &format!("Bearer {proof}"));
        }
        if let Some(body) = body(method, path) {
            call = call.json(&body);
        }
        let reply = call.send().await;
        assert!(reply.status < 500, "{} at {method} {path}: {}", self.name, reply.text);
        (reply.status >= 400).then(|| reply.refusal())
    }
}

/// Routes that want an access token.
fn for_the_signed_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    let routes = ROUTES.into_iter().filter(|(_, _, whom)| matches!(whom, For::SignedIn | For::SteppedUp));
    routes.map(|(method, path, _)| (method, path))
}

/// Logging out takes refresh tokens, too, and is content when there is nothing to end.
fn is_logout(path: &str) -> bool {
    path == "/api/v1/auth/logout"
}

#[tokio::test]
async fn g12_every_route_is_declared() {
    let service = Service::start().await;
    let document = service.api().get("/api/v1/openapi.json").await.ok(200).unwrap().json();
    let mut served = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        served.extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    let declared: BTreeSet<_> = ROUTES.map(|(method, path, _)| (method.to_owned(), path.to_owned())).into();
    let (missing, gone): (Vec<_>, Vec<_>) =
        (served.difference(&declared).collect(), declared.difference(&served).collect());
    assert!(missing.is_empty() && gone.is_empty(), "nobody said whom they are for: {missing:?}; not served: {gone:?}");
}

/// A service with every way in there is.
async fn start() -> Service {
    let change = |config: &mut keystead_api_actix::config::Config| {
        config.login.passwordless = true;
        config.registration.contact = RegistrationContact::Both;
    };
    Service::builder().configured(change).start().await
}

/// One token of each purpose, of ada where it is somebody's.
struct HalfWays {
    registering: HalfWay,
    logging_in: HalfWay,
    resetting: HalfWay,
    passwordless: HalfWay,
    /// The reset's link, used up.
    link: String,
}

impl HalfWays {
    async fn new(service: &Service, ada: &SignedIn) -> Self {
        let client = service.native();
        ada.client.forgot("ada@example.com").await.unwrap();
        let link = service.link_tokens("ada@example.com", 1).await.remove(0);
        Self {
            registering: client.register("new@example.com", PASSWORD).await.unwrap(),
            logging_in: client.login_asked("ada@example.com", PASSWORD).await.unwrap(),
            resetting: client.begin_reset(&link).await.unwrap(),
            passwordless: client.passwordless("ada@example.com").await.unwrap(),
            link,
        }
    }

    fn each(&self) -> [(Purpose, &HalfWay); 4] {
        [
            (Purpose::Register, &self.registering),
            (Purpose::Login, &self.logging_in),
            (Purpose::Reset, &self.resetting),
            (Purpose::Passwordless, &self.passwordless),
        ]
    }

    /// All of them still lead on.
    async fn are_unused(&self, service: &Service, program: &Authenticator) {
        self.registering.verify(&service.code("new@example.com").await).await.expect("registering");
        let code = service.fresh_code(program).await;
        self.logging_in.answer("totp", &code).await.expect("logging in");
        let mail = service.mails_about("ada@example.com", "Log in to", 1).await.remove(0);
        self.passwordless.verify_passwordless_asked(&mail.code().unwrap()).await.expect("passwordless");
        let proved = self.resetting.prove("totp", &service.fresh_code(program).await).await.expect("resetting");
        proved.reset("granite-otter-sunday-93").await.expect("resetting");
    }
}

/// Everybody who is not who they should be, and what they are told at routes for those signed in.
async fn outsiders(service: &Service, ada: &SignedIn, half_ways: &HalfWays) -> Vec<(Principal, &'static str)> {
    let bob = service.registered("bob@example.com").await;
    let older = service.registered("older@example.com").await;
    older.enrol(service).await;
    older.refused().await;
    let ended = service.native().login("bob@example.com", PASSWORD).await.unwrap();
    ended.log_out().await.unwrap();
    ended.refused().await;
    let banned = service.registered("banned@example.com").await;
    banned.close_account().await.unwrap();
    banned.refused().await;
    let proof = ada.proof.as_deref().unwrap();
    let mut outsiders = vec![
        (Principal::nobody(), "TOKEN_MISSING"),
        (Principal::new("signed out", &ended.access, &ended.client_id), "TOKEN_REVOKED"),
        (Principal::new("of an older epoch", &older.access, &older.client_id), "TOKEN_REVOKED"),
        (Principal::new("closed account", &banned.access, &banned.client_id), "TOKEN_REVOKED"),
        (Principal::new("other user's client", &ada.access, &bob.client_id), "FINGERPRINT_MISMATCH"),
        (Principal { client_id: None, ..Principal::new("no client id", &ada.access, "") }, "FINGERPRINT_MISMATCH"),
        (Principal::new("reset link as a token", &half_ways.link, &ada.client_id), "TOKEN_INVALID"),
        (Principal::new("step-up proof as a token", proof, &ada.client_id), "TOKEN_INVALID"),
    ];
    for (purpose, half_way) in half_ways.each() {
        // With a good step-up proof beside it, too.
        for proof in [None, Some(proof.to_owned())] {
            let half_way = Principal { proof, ..Principal::half_way(purpose.as_str(), half_way) };
            outsiders.push((half_way, "TOKEN_INVALID"));
        }
    }
    outsiders
}

#[tokio::test]
async fn g11_g12_routes_for_the_signed_in_refuse_everybody_else() {
    let service = start().await;
    let (ada, program) = service.enrolled("ada@example.com").await;
    let half_ways = HalfWays::new(&service, &ada).await;
    let outsiders = outsiders(&service, &ada, &half_ways).await;
    service.mail_settled().await;
    let before = service.database().dump(&["sessions.last_seen_at"]);
    for (method, path) in for_the_signed_in() {
        for (who, code) in &outsiders {
            let told = who.ask(&service, &ada, (method, path)).await;
            let content = is_logout(path) && *code == "TOKEN_REVOKED";
            let expected = (!content).then(|| refusal(401, code));
            assert_eq!(told, expected, "{} at {method} {path}", who.name);
        }
    }
    assert_eq!(service.database().dump(&["sessions.last_seen_at"]), before);

    let signed_in = Principal::new("signed in", &ada.access, &ada.client_id);
    for (method, path) in for_the_signed_in().filter(|(method, _)| *method == "GET") {
        assert_eq!(signed_in.ask(&service, &ada, (method, path)).await, None, "{method} {path}");
    }
    let refresh = Principal::new("refresh token as a token", &ada.refresh, &ada.client_id);
    for (method, path, _) in ROUTES.into_iter().filter(|(_, path, whom)| {
        !is_logout(path) && !matches!(whom, For::Everybody | For::RefreshHolder | For::HalfWayOrAnonymous(_))
    }) {
        let told = refresh.ask(&service, &ada, (method, path)).await;
        assert_eq!(told, Some(refusal(401, "TOKEN_INVALID")), "{method} {path}");
    }
    half_ways.are_unused(&service, &program).await;
}

#[tokio::test]
async fn g11_g12_half_way_tokens_open_their_own_next_step_only() {
    let service = start().await;
    let (ada, program) = service.enrolled("ada@example.com").await;
    let half_ways = HalfWays::new(&service, &ada).await;
    let signed_in = Principal::new("signed in", &ada.access, &ada.client_id);
    let stepped_up = Principal::new("step-up proof", ada.proof.as_deref().unwrap(), &ada.client_id);
    for (method, path, whom) in ROUTES {
        let (purposes, or_nobody) = match whom {
            For::HalfWay(purposes) => (purposes, false),
            For::HalfWayOrAnonymous(purposes) => (purposes, true),
            _ => continue,
        };
        for (purpose, half_way) in half_ways.each().into_iter().filter(|(purpose, _)| !purposes.contains(purpose)) {
            let told = Principal::half_way(purpose.as_str(), half_way).ask(&service, &ada, (method, path)).await;
            assert_eq!(told, Some(refusal(401, "TOKEN_INVALID")), "{} at {method} {path}", purpose.as_str());
        }
        for (purpose, half_way) in half_ways.each().into_iter().filter(|(purpose, _)| purposes.contains(purpose)) {
            let foreign = Principal::new("foreign client id", &half_way.token, &ada.client_id);
            let told = foreign.ask(&service, &ada, (method, path)).await;
            assert_eq!(told, Some(refusal(401, "FINGERPRINT_MISMATCH")), "{} at {method} {path}", purpose.as_str());
        }
        for who in [&signed_in, &stepped_up] {
            let told = who.ask(&service, &ada, (method, path)).await;
            assert_eq!(told, Some(refusal(401, "TOKEN_INVALID")), "{} at {method} {path}", who.name);
        }
        if !or_nobody {
            let told = Principal::nobody().ask(&service, &ada, (method, path)).await;
            assert_eq!(told, Some(refusal(401, "TOKEN_MISSING")), "anonymous at {method} {path}");
        }
    }
    half_ways.are_unused(&service, &program).await;
}

/// Everything that is shown as a step-up proof and is none, at every route that wants one of whoever enrolled a factor.
#[tokio::test]
async fn g11_g12_sensitive_routes_want_a_proof_of_this_session() {
    let service = start().await;
    let (ada, program) = service.enrolled("ada@example.com").await;
    let half_ways = HalfWays::new(&service, &ada).await;
    let (mallory, _) = service.enrolled("mallory@example.com").await;
    let other = service.native().login_asked("ada@example.com", PASSWORD).await.unwrap();
    let other = other.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    let mut shown = vec![
        ("nothing", None),
        ("access token", Some(ada.access.clone())),
        ("refresh token", Some(ada.refresh.clone())),
        ("another session's proof", other.proof.clone()),
        ("another person's proof", mallory.proof.clone()),
    ];
    shown.extend(half_ways.each().map(|(purpose, half_way)| (purpose.as_str(), Some(half_way.token.clone()))));
    service.mail_settled().await;
    let before = service.database().dump(&["sessions.last_seen_at"]);
    for (method, path, _) in ROUTES.into_iter().filter(|(_, _, whom)| *whom == For::SteppedUp) {
        for (name, proof) in &shown {
            let who = Principal { proof: proof.clone(), ..Principal::new(name, &ada.access, &ada.client_id) };
            let told = who.ask(&service, &ada, (method, path)).await;
            assert_eq!(told, Some(refusal(403, "MFA_REQUIRED")), "{name} at {method} {path}");
        }
    }
    assert_eq!(service.database().dump(&["sessions.last_seen_at"]), before);
}

/// What routes for everybody tell whoever is only half-way.
#[tokio::test]
async fn g11_a_half_way_token_is_not_signed_in() {
    let service = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    for (purpose, half_way) in HalfWays::new(&service, &ada).await.each() {
        let status = half_way.call(Method::GET, "/auth/status").send().await.ok(200).unwrap().attributes();
        assert_eq!((&status["isAuthenticated"], &status["isMfa"]), (&json!(false), &json!(false)), "{purpose:?}");
        assert!(status["user"].is_null(), "{purpose:?}: {status}");
    }
    let status = ada.call(Method::GET, "/auth/status").send().await.ok(200).unwrap().attributes();
    assert_eq!((&status["isAuthenticated"], &status["isMfa"]), (&json!(true), &json!(true)));
}
