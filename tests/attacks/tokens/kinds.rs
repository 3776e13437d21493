//! J11: every kind of secret there is, at every door that is for another.

use keystead_api_actix::config::{CaptchaProvider, Config, RegistrationContact};
use keystead_application::ports::CaptchaAction;
use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::attacks::support::{Digest, assert_refused};
use crate::support::{HalfWay, PASSWORD, Reply, Service, SignedIn};

/// A secret, and the client id that goes with it, where one does.
struct Secret {
    name: &'static str,
    text: String,
    client_id: String,
}

/// Somebody of everybody's secrets, none of them used.
struct Secrets {
    all: Vec<Secret>,
    ada: SignedIn,
    question: HalfWay,
    program: crate::support::Authenticator,
}

/// Every flow there is, and a captcha at one route only, so that the others can be walked.
async fn start() -> Service {
    let change = |config: &mut Config| {
        config.login.passwordless = true;
        config.registration.contact = RegistrationContact::Both;
        config.captcha.provider = CaptchaProvider::ProofOfWork { difficulty: 4 };
        config.captcha.actions = vec![CaptchaAction::SrpChallenge];
    };
    Service::builder().configured(change).start().await
}

/// A captcha that is solved, and what it was made of.
async fn captcha(service: &Service) -> (String, String) {
    let client = service.native();
    let (challenge, difficulty) = crate::captcha::challenge(&client, "srp-challenge").await;
    let solution = crate::captcha::solve(&challenge, difficulty);
    (challenge, solution)
}

/// The link that takes a changed address back.
async fn undo_link(service: &Service) -> String {
    let carol = service.registered("carol@example.com").await;
    let pending = carol.add_contact("email", "moved@example.com").await.unwrap();
    carol.verify_contact(&pending, &service.code("moved@example.com").await).await.unwrap();
    service.mails_about("carol@example.com", "This address no longer", 1).await[0].link_token().unwrap()
}

impl Secrets {
    async fn gather(service: &Service) -> Self {
        let client = service.native();
        let boss = service.administrator(Role::SuperAdmin).await;
        let undo = undo_link(service).await;
        let wish = json!({ "email": "grace@example.com" });
        boss.call(Method::POST, "/admin/users").json(&wish).send().await.ok(201).unwrap();
        let activation = service.link_tokens("grace@example.com", 1).await.remove(0);
        service.registered("bob@example.com").await;
        client.forgot("bob@example.com").await.unwrap();
        let link = service.link_tokens("bob@example.com", 1).await.remove(0);

        let (ada, program) = service.enrolled("ada@example.com").await;
        let acting = boss.impersonate(&ada, "ticket 4711: cannot see her invoices").await.unwrap();
        let registering = client.register("new@example.com", PASSWORD).await.unwrap();
        let code = service.code("new@example.com").await;
        client.forgot("ada@example.com").await.unwrap();
        let resetting = client.begin_reset(&service.link_tokens("ada@example.com", 1).await[0]).await.unwrap();
        let question = client.login_asked("ada@example.com", PASSWORD).await.unwrap();
        let passwordless = client.passwordless("ada@example.com").await.unwrap();
        let (puzzle, used) = captcha(service).await;
        let body = json!({ "identity": "ada@example.com", "captcha": used });
        let sealed = client.post("/auth/srp/challenge", &body).await.ok(200).unwrap().text_of("sealed").unwrap();
        let (_, solution) = captcha(service).await;

        let mut all = Vec::new();
        let mut add = |name: &'static str, text: &str, client_id: &str| {
            all.push(Secret { name, text: text.to_owned(), client_id: client_id.to_owned() });
        };
        add("access", &ada.access, &ada.client_id);
        add("impersonation", &acting.access, &acting.client_id);
        add("refresh", &ada.refresh, &ada.client_id);
        add("client id", &ada.client_id, &ada.client_id);
        add("device", ada.device.as_ref().unwrap(), &ada.client_id);
        add("step-up", ada.proof.as_ref().unwrap(), &ada.client_id);
        for (name, half_way) in [
            ("half-way: register", &registering),
            ("half-way: login", &question),
            ("half-way: reset", &resetting),
            ("half-way: passwordless", &passwordless),
        ] {
            add(name, &half_way.token, &half_way.client_id);
        }
        add("reset link", &link, &ada.client_id);
        add("activation link", &activation, &ada.client_id);
        add("undo link", &undo, &ada.client_id);
        add("SRP challenge", &sealed, &ada.client_id);
        add("captcha puzzle", &puzzle, &ada.client_id);
        add("captcha", &solution, &ada.client_id);
        add("mailed code", &code, &registering.client_id);
        Self { all, ada, question, program }
    }
}

/// Where secrets are shown.
struct Door {
    name: &'static str,
    /// Whose door it is.
    own: &'static [&'static str],
    status: u16,
    code: &'static str,
}

const DOORS: [Door; 12] = [
    Door { name: "/users/me", own: &["access", "impersonation"], status: 401, code: "TOKEN_INVALID" },
    Door { name: "/auth/register/verify", own: &["half-way: register"], status: 401, code: "TOKEN_INVALID" },
    Door { name: "/auth/login/code", own: &["half-way: login", "half-way: reset"], status: 401, code: "TOKEN_INVALID" },
    Door { name: "/auth/passwordless/verify", own: &["half-way: passwordless"], status: 401, code: "TOKEN_INVALID" },
    Door { name: "/auth/password/reset", own: &["half-way: reset"], status: 401, code: "TOKEN_INVALID" },
    Door { name: "/auth/refresh", own: &["refresh"], status: 401, code: "REFRESH_INVALID" },
    Door { name: "/recovery-codes", own: &["step-up"], status: 403, code: "MFA_REQUIRED" },
    Door { name: "/auth/password/reset/begin", own: &["reset link"], status: 401, code: "LINK_INVALID" },
    Door { name: "/auth/activate", own: &["activation link"], status: 401, code: "LINK_INVALID" },
    Door { name: "/contacts/undo", own: &["undo link"], status: 401, code: "LINK_INVALID" },
    Door { name: "/auth/srp/login", own: &["SRP challenge"], status: 401, code: "SRP_INVALID" },
    Door { name: "/auth/srp/challenge", own: &["captcha"], status: 422, code: "CAPTCHA_INVALID" },
];

impl Door {
    /// Shows a secret here, with everything else that is wanted in order.
    async fn ask(&self, service: &Service, ada: &SignedIn, secret: &Secret) -> Reply {
        let client = service.native();
        let text = secret.text.as_str();
        let post = |body: Value| client.call(Method::POST, self.name).json(&body);
        let call = match self.name {
            "/users/me" => client.call(Method::GET, self.name).bearer(text),
            "/auth/register/verify" | "/auth/passwordless/verify" => post(json!({ "code": "000000" })).bearer(text),
            "/auth/login/code" => post(json!({ "method": "totp", "code": "000000" })).bearer(text),
            "/auth/password/reset" => post(json!({ "newPassword": "copper-violin-meadow-17" })).bearer(text),
            "/auth/refresh" => post(json!({ "refreshToken": text })),
            // In the place of her proof, in her own session.
            "/recovery-codes" => return ada.showing(text).call(Method::POST, self.name).send().await,
            "/auth/activate" => post(json!({ "token": text, "password": "copper-violin-meadow-17" })),
            "/auth/password/reset/begin" | "/contacts/undo" => post(json!({ "token": text })),
            "/auth/srp/challenge" => post(json!({ "identity": "ada@example.com", "captcha": text })),
            "/auth/srp/login" => {
                let proof = "ab".repeat(32);
                let key = format!("02{}", "5".repeat(1022));
                post(
                    json!({ "identity": "ada@example.com", "clientPublicKey": key, "clientProof": proof, "sealed": text }),
                )
            }
            other => panic!("{other}"),
        };
        call.header("keystead-client-id", &secret.client_id).send().await
    }
}

#[tokio::test]
async fn j11_a_secret_of_one_kind_is_none_of_another() {
    let service = start().await;
    let secrets = Secrets::gather(&service).await;
    let before = Digest::of(&service).await;
    let mut asked = 0;
    for door in &DOORS {
        assert!(door.own.iter().all(|own| secrets.all.iter().any(|secret| secret.name == *own)), "{:?}", door.own);
        for secret in secrets.all.iter().filter(|secret| !door.own.contains(&secret.name)) {
            let reply = door.ask(&service, &secrets.ada, secret).await;
            assert_refused(&format!("{} at {}", secret.name, door.name), &reply, door.status, door.code);
            asked += 1;
        }
    }
    assert_eq!(asked, DOORS.len() * secrets.all.len() - 14, "all but the pairs that belong together");
    before.is_still_that_of(&service).await;

    // And each opens its own.
    let code = service.fresh_code(&secrets.program).await;
    secrets.question.answer("totp", &code).await.unwrap();
    for name in
        ["access", "impersonation", "refresh", "reset link", "activation link", "undo link", "captcha", "step-up"]
    {
        let secret = secrets.all.iter().find(|secret| secret.name == name).unwrap();
        let door = DOORS.iter().find(|door| door.own.contains(&name)).unwrap();
        let reply = door.ask(&service, &secrets.ada, secret).await;
        assert!(reply.status < 300, "{name}: {} {}", reply.status, reply.text);
    }
}
