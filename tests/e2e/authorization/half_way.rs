//! G11: half-way tokens, and what is shown as a step-up proof and is none.

use keystead_api_actix::authorization::{Admits, RULES, Rule, StepUp};
use keystead_domain::account::Role;
use keystead_domain::token::PreAuthorizedPurpose as Purpose;
use reqwest::Method;
use serde_json::json;

use super::asking::Target;
use super::cast::{Cast, Principal, Proof, Who};
use super::expected::CODES;
use super::{State, start};
use crate::support::{Anonymous, Authenticator, HalfWay, PASSWORD, Service, SignedIn, refusal};

/// One token of each purpose, of ada where it is somebody's.
pub struct HalfWays {
    /// Somebody with a second factor, and a proof of it.
    pub ada: SignedIn,
    pub program: Authenticator,
    registering: HalfWay,
    logging_in: HalfWay,
    resetting: HalfWay,
    passwordless: HalfWay,
    /// The reset's link, used up.
    pub link: String,
    addresses: [String; 2],
}

impl HalfWays {
    pub async fn new(service: &Service, client: &Anonymous, nth: usize) -> Self {
        let addresses = [format!("ada-{nth}@example.com"), format!("new-{nth}@example.com")];
        let [own, other] = &addresses;
        let (ada, program) = service.registered_at(client, own).await.enrol(service).await;
        client.forgot(own).await.unwrap();
        let link = service.link_tokens(own, 1).await.remove(0);
        Self {
            registering: client.register(other, PASSWORD).await.unwrap(),
            logging_in: client.login_asked(own, PASSWORD).await.unwrap(),
            resetting: client.begin_reset(&link).await.unwrap(),
            passwordless: client.passwordless(own).await.unwrap(),
            ada,
            program,
            link,
            addresses,
        }
    }

    pub fn each(&self) -> [(Purpose, &HalfWay); 4] {
        [
            (Purpose::Register, &self.registering),
            (Purpose::Login, &self.logging_in),
            (Purpose::Reset, &self.resetting),
            (Purpose::Passwordless, &self.passwordless),
        ]
    }

    /// All of them still lead on.
    pub async fn are_unused(&self, service: &Service) {
        let [own, other] = &self.addresses;
        self.registering.verify(&service.code(other).await).await.expect("registering");
        let code = service.fresh_code(&self.program).await;
        self.logging_in.answer("totp", &code).await.expect("logging in");
        let mail = service.mails_about(own, "Log in to", 1).await.remove(0);
        self.passwordless.verify_passwordless_asked(&mail.code().unwrap()).await.expect("passwordless");
        let proved = self.resetting.prove("totp", &service.fresh_code(&self.program).await).await.expect("resetting");
        proved.reset("granite-otter-sunday-93").await.expect("resetting");
    }
}

/// Cells of half-way routes that are open, each with a token nothing else was asked with.
#[tokio::test]
async fn g11_g12_half_way_tokens_open_their_own_next_step() {
    let service = start().await;
    let cells = RULES.iter().flat_map(|rule| match rule.admits {
        Admits::HalfWay(purposes) | Admits::HalfWayOrNobody(purposes) => {
            purposes.iter().map(|of| (rule, *of)).collect()
        }
        _ => Vec::new(),
    });
    let cells: Vec<(&Rule, Purpose)> = cells.collect();
    assert!(cells.len() >= 12, "{cells:?}");
    for (nth, (rule, purpose)) in cells.into_iter().enumerate() {
        let half_way = open(&service, rule, purpose, nth).await;
        let principal = Principal {
            who: Who::HalfWay(purpose),
            nth,
            token: Some(half_way.token.clone()),
            client_id: Some(half_way.client_id.clone()),
            proof: None,
            identities: [const { None }; 2],
        };
        let reply = principal.ask(&service.replica(1), rule, &Target::nothing()).await;
        assert!(
            reply.status < 400 || !CODES.contains(&reply.refusal().code.as_str()),
            "{purpose:?} at {} {}: {}",
            rule.method,
            rule.path,
            reply.text
        );
    }
}

/// A half-way token of a purpose, as far as a route wants it.
async fn open(service: &Service, rule: &Rule, purpose: Purpose, nth: usize) -> HalfWay {
    let (client, email) = (service.native().through(&service.replica(0)), format!("half-way-{nth}@example.com"));
    if purpose == Purpose::Register {
        return client.register(&email, PASSWORD).await.unwrap();
    }
    let (_, program) = service.registered_at(&client, &email).await.enrol(service).await;
    match purpose {
        Purpose::Login => client.login_asked(&email, PASSWORD).await.unwrap(),
        Purpose::Passwordless => client.passwordless(&email).await.unwrap(),
        _ => {
            client.forgot(&email).await.unwrap();
            let begun = client.begin_reset(&service.link_tokens(&email, 1).await.remove(0)).await.unwrap();
            if rule.path != "/api/v1/auth/password/reset" {
                return begun;
            }
            begun.prove("totp", &service.fresh_code(&program).await).await.unwrap()
        }
    }
}

/// Everything that is shown as a step-up proof and is none, at every route that wants one.
#[tokio::test]
async fn g11_g12_sensitive_routes_want_a_proof_of_this_session() {
    let service = start().await;
    let gathered = Cast::new(&service).await.gather(&[Who::Person(Role::SuperAdmin, Proof::OfAnotherSession)]).await;
    let (half_ways, boss) = (&gathered.half_ways, &gathered.boss);
    let admin = &gathered.people[0];
    let target = Target::of(&half_ways.ada).await;
    let mut shown = vec![
        ("nothing", None),
        ("access token", admin.token.clone()),
        ("refresh token", Some(boss.refresh.clone())),
        ("another session's proof", admin.proof.clone()),
        ("a user's proof", half_ways.ada.proof.clone()),
        ("another administrator's proof", boss.proof.clone()),
        ("no token", Some("AAAA".to_owned())),
    ];
    shown.extend(half_ways.each().map(|(purpose, half_way)| (purpose.as_str(), Some(half_way.token.clone()))));
    let before = State::of(&service).await;
    for rule in RULES.iter().filter(|rule| rule.step_up != StepUp::Never) {
        for (name, proof) in &shown {
            let who = Principal { proof: proof.clone(), ..admin.clone() };
            let told = who.ask(&service.replica(1), rule, &target).await.refusal();
            assert_eq!(told, refusal(403, "MFA_REQUIRED"), "{name} at {} {}", rule.method, rule.path);
        }
    }
    before.is_still_that_of(&service).await;
    assert_eq!(service.database().audited("authz_fail"), 0, "who did not prove something yet did nothing wrong");
    half_ways.are_unused(&service).await;
}

/// What routes for everybody tell whoever is only half-way.
#[tokio::test]
async fn g11_a_half_way_token_is_not_signed_in() {
    let service = start().await;
    let half_ways = HalfWays::new(&service, &service.native(), 0).await;
    for (purpose, half_way) in half_ways.each() {
        let status = half_way.call(Method::GET, "/auth/status").send().await.ok(200).unwrap().attributes();
        assert_eq!((&status["isAuthenticated"], &status["isMfa"]), (&json!(false), &json!(false)), "{purpose:?}");
        assert!(status["user"].is_null(), "{purpose:?}: {status}");
    }
    let status = half_ways.ada.call(Method::GET, "/auth/status").send().await.ok(200).unwrap().attributes();
    assert_eq!((&status["isAuthenticated"], &status["isMfa"]), (&json!(true), &json!(true)));
}
