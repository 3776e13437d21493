//! G12: who may use which route, declared once; G11: a half-way token opens nothing but its own next step.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{HalfWay, PASSWORD, Refusal, Service, SignedIn, refusal};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody; a token changes nothing.
    Everybody,
    /// Whoever holds a refresh token, in a cookie or body.
    RefreshHolder,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever registers.
    Registering,
    /// Whoever resets a password.
    Resetting,
}

/// Every route. One that is not here fails the test: nobody has said yet whom it is for.
const ROUTES: [(&str, &str, For); 28] = [
    ("GET", "/.well-known/change-password", For::Everybody),
    ("GET", "/.well-known/jwks.json", For::Everybody),
    ("POST", "/api/v1/auth/activate", For::Everybody),
    ("POST", "/api/v1/auth/login", For::Everybody),
    ("POST", "/api/v1/auth/login/otp", For::Registering),
    ("POST", "/api/v1/auth/logout", For::SignedIn),
    ("PATCH", "/api/v1/auth/password", For::SignedIn),
    ("POST", "/api/v1/auth/password/forgot", For::Everybody),
    ("POST", "/api/v1/auth/password/reset", For::Resetting),
    ("POST", "/api/v1/auth/password/reset/begin", For::Everybody),
    ("POST", "/api/v1/auth/reauth", For::SignedIn),
    ("POST", "/api/v1/auth/refresh", For::RefreshHolder),
    ("POST", "/api/v1/auth/register", For::Everybody),
    ("POST", "/api/v1/auth/register/verify", For::Registering),
    ("GET", "/api/v1/auth/status", For::Everybody),
    ("GET", "/api/v1/auth/token", For::RefreshHolder),
    ("POST", "/api/v1/auth/token/verify", For::SignedIn),
    ("DELETE", "/api/v1/auth/tokens/{jti}", For::SignedIn),
    ("GET", "/api/v1/login-history", For::SignedIn),
    ("GET", "/api/v1/sessions", For::SignedIn),
    ("DELETE", "/api/v1/sessions", For::SignedIn),
    ("DELETE", "/api/v1/sessions/{id}", For::SignedIn),
    ("GET", "/api/v1/users/me", For::SignedIn),
    ("DELETE", "/api/v1/users/me", For::SignedIn),
    ("PATCH", "/api/v1/users/me", For::SignedIn),
    ("GET", "/api/v1/users/me/export", For::SignedIn),
    ("GET", "/health/live", For::Everybody),
    ("GET", "/health/ready", For::Everybody),
];

/// A body the route takes, so that nothing but the credential is wrong.
fn body(path: &str) -> Option<Value> {
    let body = match path.strip_prefix("/api/v1").unwrap_or(path) {
        "/auth/login/otp" => json!({ "method": "email" }),
        "/auth/password" => json!({ "currentPassword": PASSWORD, "newPassword": "copper-violin-meadow-17" }),
        "/auth/password/reset" => json!({ "newPassword": "copper-violin-meadow-17" }),
        "/auth/reauth" => json!({ "password": PASSWORD }),
        "/auth/register/verify" => json!({ "code": "000000" }),
        "/users/me" => json!({ "fullName": "Mallory" }),
        _ => return None,
    };
    Some(body)
}

/// Somebody with a bearer token and a client id of a native client.
struct Principal {
    name: &'static str,
    token: Option<String>,
    client_id: Option<String>,
}

impl Principal {
    fn new(name: &'static str, token: &str, client_id: &str) -> Self {
        Self { name, token: Some(token.to_owned()), client_id: Some(client_id.to_owned()) }
    }

    async fn ask(&self, service: &Service, ada: &SignedIn, (method, path): (&str, &str)) -> Option<Refusal> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let filled = path.replace("{jti}", &ada.token_id).replace("{id}", ada.session_id());
        let mut call = service.api().at(method.clone(), &filled).header("keystead-client", "native");
        if let Some(token) = &self.token {
            call = call.bearer(token);
        }
        if let Some(id) = &self.client_id {
            call = call.header("keystead-client-id", id);
        }
        if let Some(body) = body(path).filter(|_| method != Method::GET && method != Method::DELETE) {
            call = call.json(&body);
        }
        let reply = call.send().await;
        (reply.status >= 400).then(|| reply.refusal())
    }
}

fn guarded() -> impl Iterator<Item = (&'static str, &'static str, For)> {
    ROUTES.into_iter().filter(|(_, _, whom)| !matches!(whom, For::Everybody | For::RefreshHolder))
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
    let declared = ROUTES.map(|(method, path, _)| (method.to_owned(), path.to_owned()));
    assert_eq!(served, declared.into());
}

/// Everybody who is not who they should be, and what they are told at routes for those signed in.
async fn outsiders(service: &Service, ada: &SignedIn) -> Vec<(Principal, &'static str)> {
    let bob = service.registered("bob@example.com").await;
    let ended = service.native().login("ada@example.com", PASSWORD).await.unwrap();
    ended.log_out().await.unwrap();
    ended.refused().await;
    let banned = service.registered("banned@example.com").await;
    banned.close_account().await.unwrap();
    banned.refused().await;
    let HalfWay { token, client_id, .. } = service.native().register("new@example.com", PASSWORD).await.unwrap();
    let registering = Principal::new("registering", &token, &client_id);
    ada.client.forgot("ada@example.com").await.unwrap();
    let link = service.link_tokens("ada@example.com", 1).await.remove(0);
    let grant = ada.client.begin_reset(&link).await.unwrap();
    vec![
        (Principal { name: "anonymous", token: None, client_id: None }, "TOKEN_MISSING"),
        (registering, "TOKEN_INVALID"),
        (Principal::new("resetting", &grant.token, &grant.client_id), "TOKEN_INVALID"),
        (Principal::new("signed out", &ended.access, &ended.client_id), "TOKEN_REVOKED"),
        (Principal::new("closed account", &banned.access, &banned.client_id), "TOKEN_REVOKED"),
        (Principal::new("other user's client", &ada.access, &bob.client_id), "FINGERPRINT_MISMATCH"),
        (Principal { name: "no client id", token: Some(ada.access.clone()), client_id: None }, "FINGERPRINT_MISMATCH"),
        (Principal::new("reset link as a token", &link, &ada.client_id), "TOKEN_INVALID"),
    ]
}

#[tokio::test]
async fn g11_g12_routes_for_the_signed_in_refuse_everybody_else() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let outsiders = outsiders(&service, &ada).await;
    service.mail_settled().await;
    let before = service.database().dump(&["sessions.last_seen_at"]);
    for (method, path, whom) in guarded().filter(|(_, _, whom)| *whom == For::SignedIn) {
        for (who, code) in &outsiders {
            let told = who.ask(&service, &ada, (method, path)).await;
            let content = is_logout(path) && *code == "TOKEN_REVOKED";
            let expected = (!content).then(|| refusal(401, code));
            assert_eq!(told, expected, "{} at {method} {path} for {whom:?}", who.name);
        }
    }
    assert_eq!(service.database().dump(&["sessions.last_seen_at"]), before);

    let signed_in = Principal::new("signed in", &ada.access, &ada.client_id);
    for (method, path, _) in guarded().filter(|(method, _, whom)| *whom == For::SignedIn && *method == "GET") {
        assert_eq!(signed_in.ask(&service, &ada, (method, path)).await, None, "{method} {path}");
    }
    let refresh = Principal::new("refresh token as a token", &ada.refresh, &ada.client_id);
    for (method, path, _) in guarded().filter(|(_, path, _)| !is_logout(path)) {
        let told = refresh.ask(&service, &ada, (method, path)).await;
        assert_eq!(told, Some(refusal(401, "TOKEN_INVALID")), "{method} {path}");
    }
}

#[tokio::test]
async fn g11_g12_half_way_tokens_open_their_own_next_step_only() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let half_way = service.native().register("new@example.com", PASSWORD).await.unwrap();
    let registering = Principal::new("registering", &half_way.token, &half_way.client_id);
    ada.client.forgot("ada@example.com").await.unwrap();
    let link = service.link_tokens("ada@example.com", 1).await.remove(0);
    let grant = ada.client.begin_reset(&link).await.unwrap();
    let resetting = Principal::new("resetting", &grant.token, &grant.client_id);
    let foreign = Principal::new("foreign client id", &grant.token, &ada.client_id);
    let signed_in = Principal::new("signed in", &ada.access, &ada.client_id);
    let anonymous = Principal { name: "anonymous", token: None, client_id: None };
    for (method, path, whom) in guarded().filter(|(_, _, whom)| *whom != For::SignedIn) {
        let others = match whom {
            For::Resetting => [(&registering, "TOKEN_INVALID"), (&foreign, "FINGERPRINT_MISMATCH")],
            _ => [(&resetting, "TOKEN_INVALID"), (&foreign, "TOKEN_INVALID")],
        };
        for (who, code) in others.into_iter().chain([(&signed_in, "TOKEN_INVALID"), (&anonymous, "TOKEN_MISSING")]) {
            let told = who.ask(&service, &ada, (method, path)).await;
            assert_eq!(told, Some(refusal(401, code)), "{} at {method} {path}", who.name);
        }
    }
    half_way.verify(&service.code("new@example.com").await).await.expect("nothing was used up");
    grant.reset("granite-otter-sunday-93").await.expect("nor here");
}
