//! Somebody registers passkeys in a browser and signs in with them. What the browser is given in cookies stays in cookies.

use serde_json::{Value, json};

use super::driver::Browser;
use super::place::{Place, next_access_token, public_key};
use crate::process::api::{Answer, PASSWORD, code_in};

const EMAIL: &str = "ada@example.com";

/// The page's side of the API: it keeps the access token, the browser the rest.
struct Visitor {
    place: Place,
    browser: Browser,
}

impl Visitor {
    async fn send(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let headers = if token.is_empty() { &[][..] } else { &headers };
        self.browser.fetch(method, &format!("/api/v1{path}"), headers, body).await
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(token, "POST", path, Some(&body)).await
    }

    /// With a proof of a second factor.
    async fn send_proved(&self, token: &str, proof: &str, method: &str, path: &str) -> Answer {
        let (bearer, proof) = (format!("Bearer {token}"), format!("Bearer {proof}"));
        let headers = [("authorization", bearer.as_str()), ("otp-authorization", proof.as_str())];
        self.browser.fetch(method, &format!("/api/v1{path}"), &headers, None).await
    }

    /// Registers an account; the access token.
    async fn sign_up(&self) -> String {
        let wish = json!({ "email": EMAIL, "password": PASSWORD });
        let registered = self.post("", "/auth/register", wish).await.expect(201);
        let code = code_in(&self.place.api().mail_to(EMAIL).await);
        let token = registered.attribute("accessToken");
        let tokens = self.post(&token, "/auth/register/verify", json!({ "code": code })).await.expect(200);
        access_token(&tokens)
    }

    async fn login(&self) -> Answer {
        self.post("", "/auth/login", json!({ "identity": EMAIL, "password": PASSWORD })).await.expect(200)
    }

    async fn logout(&self, token: &str) {
        self.send(token, "POST", "/auth/logout", None).await.expect(204);
    }

    /// Registers a passkey; the answer and the access token the session goes on with.
    async fn register_passkey(&self, token: &str, proof: Option<&str>) -> (Answer, String) {
        let path = "/passkeys/options";
        let options = match proof {
            Some(proof) => self.send_proved(token, proof, "POST", path).await,
            None => self.send(token, "POST", path, None).await,
        };
        let attestation = self.browser.create_credential(&public_key(&options.expect(200))).await.unwrap();
        let bearer = format!("Bearer {token}");
        let proof = proof.map(|proof| format!("Bearer {proof}"));
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(proof.as_deref().map(|proof| ("otp-authorization", proof)));
        let body = json!({ "attestation": attestation });
        let answer = self.browser.fetch("POST", "/api/v1/passkeys", &headers, Some(&body)).await.expect(201);
        let token = next_access_token(&answer);
        (answer, token)
    }

    /// Has the authenticator sign what these options ask, and posts it.
    async fn sign(&self, token: &str, path: &str) -> Answer {
        let options = self.send(token, "POST", &format!("{path}/options"), None).await.expect(200);
        let assertion = self.browser.get_credential(&public_key(&options)).await.unwrap();
        self.post(token, path, json!({ "assertion": assertion })).await
    }

    async fn claims(&self, token: &str) -> Value {
        self.send(token, "POST", "/auth/token/verify", None).await.expect(200).json()["data"]["attributes"]["claims"]
            .clone()
    }
}

/// The access token of a `tokens` document, which has no secret but that.
#[track_caller]
fn access_token(tokens: &Answer) -> String {
    assert_eq!(tokens.attribute("state"), "authorized", "{tokens:?}");
    for secret in ["refreshToken", "clientId", "deviceToken"] {
        assert!(!tokens.body.contains(secret), "{secret} is in the body: {tokens:?}");
    }
    tokens.attribute("accessToken")
}

async fn visitor() -> Visitor {
    let place = Place::start().await;
    let browser = place.browser().await;
    Visitor { place, browser }
}

#[tokio::test]
async fn g11_a_browser_signs_in_with_a_passkey_as_the_second_factor_and_as_the_only_one() {
    let visitor = visitor().await;
    let _authenticator = visitor.browser.add_platform_authenticator().await;
    let token = visitor.sign_up().await;
    let (registered, token) = visitor.register_passkey(&token, None).await;
    assert_eq!(registered.attribute("name"), "Passkey 1");
    visitor.claims(&token).await;
    visitor.logout(&token).await;

    // The password alone leads to the question only.
    let asked = visitor.login().await;
    assert_eq!(asked.attribute("state"), "pre_authorized", "{asked:?}");
    let options = &asked.json()["data"]["attributes"]["tfaOptions"];
    assert!(options.as_array().unwrap().contains(&json!("device")), "{asked:?}");
    let half_way = asked.attribute("accessToken");
    visitor.send(&half_way, "GET", "/users/me", None).await.expect(401);
    let token = access_token(&visitor.sign(&half_way, "/auth/login/passkey").await.expect(200));
    let amr = visitor.claims(&token).await["amr"].clone();
    for method in ["pwd", "mfa", "user"] {
        assert!(amr.as_array().unwrap().contains(&json!(method)), "{method}: {amr}");
    }
    visitor.logout(&token).await;

    // Without a name and without a password.
    let token = access_token(&visitor.sign("", "/auth/login/passkey").await.expect(200));
    let claims = visitor.claims(&token).await;
    let amr = claims["amr"].as_array().unwrap();
    assert!(amr.contains(&json!("mfa")) && !amr.contains(&json!("pwd")), "{claims}");
    let me = visitor.send(&token, "GET", "/users/me", None).await.expect(200);
    assert_eq!(me.attribute("email"), EMAIL);
}

#[tokio::test]
async fn g11_a_browser_steps_up_with_a_passkey_and_looks_after_its_passkeys() {
    let visitor = visitor().await;
    let authenticator = visitor.browser.add_platform_authenticator().await;
    let token = visitor.sign_up().await;
    let (registered, token) = visitor.register_passkey(&token, None).await;
    let first = registered.json()["data"]["id"].as_str().unwrap().to_owned();

    // Whoever has only the access token changes nothing.
    let path = format!("/passkeys/{first}");
    for (method, path) in [("POST", "/recovery-codes"), ("POST", "/passkeys/options"), ("DELETE", path.as_str())] {
        let refused = visitor.send(&token, method, path, None).await.expect(403);
        assert_eq!(refused.code(), "MFA_REQUIRED", "{method} {path}");
        assert!(refused.header("www-authenticate").contains("insufficient_user_authentication"), "{refused:?}");
    }
    let stepped_up = visitor.sign(&token, "/auth/otp/passkey").await.expect(200);
    let proof = stepped_up.attribute("token");
    visitor.send_proved(&token, &proof, "POST", "/recovery-codes").await.expect(201);

    // The browser itself refuses to register one authenticator twice: the options name what it has.
    let options = visitor.send_proved(&token, &proof, "POST", "/passkeys/options").await.expect(200);
    let again = visitor.browser.create_credential(&public_key(&options)).await;
    assert_eq!(again.unwrap_err(), "InvalidStateError");

    // A second one that keeps no passkeys and recognises nobody.
    visitor.browser.remove(authenticator).await;
    let _key = visitor.browser.add_security_key().await;
    let (registered, token) = visitor.register_passkey(&token, Some(&proof)).await;
    assert_eq!(registered.attribute("name"), "Passkey 2");
    let second = registered.json()["data"]["id"].as_str().unwrap().to_owned();
    let list = visitor.send(&token, "GET", "/passkeys", None).await.expect(200).json();
    let shown = |passkey: &Value| {
        let attribute = |name: &str| passkey["attributes"][name].clone();
        json!([passkey["id"], attribute("name"), attribute("backupEligible"), attribute("userVerified")])
    };
    let shown: Vec<Value> = list["data"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(shown, [json!([first, "Passkey 1", true, true]), json!([second, "Passkey 2", false, false])]);

    // It is a second factor, and no first one.
    let proof = visitor.sign(&token, "/auth/otp/passkey").await.expect(200).attribute("token");
    let alone = visitor.browser.get_credential(&visitor.place.sign_in_options().await).await;
    assert_eq!(alone.unwrap_err(), "NotAllowedError");

    let bearers = [format!("Bearer {token}"), format!("Bearer {proof}")];
    let headers = [("authorization", bearers[0].as_str()), ("otp-authorization", bearers[1].as_str())];
    let path = format!("/api/v1/passkeys/{second}");
    let renamed = visitor.browser.fetch("PATCH", &path, &headers, Some(&json!({ "name": "Key ring" }))).await;
    assert_eq!(renamed.expect(200).attribute("name"), "Key ring");

    let removed = visitor.send_proved(&token, &proof, "DELETE", &format!("/passkeys/{first}")).await.expect(200);
    let token = access_token(&removed);
    // The proof died with the factor.
    let path = format!("/passkeys/{second}");
    let refused = visitor.send_proved(&token, &proof, "DELETE", &path).await.expect(403);
    assert_eq!(refused.code(), "MFA_REQUIRED");
    let proof = visitor.sign(&token, "/auth/otp/passkey").await.expect(200).attribute("token");
    let token = access_token(&visitor.send_proved(&token, &proof, "DELETE", &path).await.expect(200));
    let left = visitor.send(&token, "GET", "/passkeys", None).await.expect(200).json();
    assert_eq!(left["data"], json!([]));
    visitor.logout(&token).await;
    access_token(&visitor.login().await);
}
