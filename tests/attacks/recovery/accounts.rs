//! P03, P04: what a new password ends, and what it leaves.

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::json;

use super::{ADA, BEGIN, BOB, NEW, RESET, forgotten};
use crate::attacks::support::{Digest, assert_refused};
use crate::srp::actors::credential;
use crate::srp::{invalid_credentials, srp_invalid};
use crate::support::{PASSWORD, Service, SignedIn, refusal};

const REASON: &str = "ticket 4711: cannot see the invoices";

/// Somebody at two clients, and an administrator who acts as them.
struct Somebody {
    email: &'static str,
    own: SignedIn,
    other: SignedIn,
    acting: SignedIn,
    /// Mails they had.
    mails: usize,
}

impl Somebody {
    async fn new(service: &Service, boss: &SignedIn, email: &'static str) -> Self {
        let own = service.registered(email).await;
        let other = service.browser().login(email, PASSWORD).await.unwrap();
        let acting = boss.impersonate(&own, REASON).await.unwrap();
        for one in [&own, &other, &acting] {
            one.verify().await.unwrap();
        }
        Self { email, own, other, acting, mails: 0 }
    }

    /// The mails that came since.
    async fn told(&mut self, service: &Service) -> Vec<String> {
        service.mail_settled().await;
        let mails = service.mails(self.email).await;
        let new = mails.iter().skip(self.mails).map(|mail| mail.subject.clone()).collect();
        self.mails = mails.len();
        new
    }

    /// The clients that a session is ended at: access and refresh token are dead, and the device is one nobody knows.
    async fn are_over(&self, service: &Service, who: &[&SignedIn]) {
        for one in who.iter().chain([&&self.acting]) {
            assert_eq!(one.refused().await, refusal(401, "TOKEN_REVOKED"), "{}", self.email);
        }
        for one in who {
            assert_eq!(one.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"), "{}", self.email);
            let device = one.device.as_deref().unwrap();
            let kind = one.client.kind;
            let back = service.client(kind).on_device(device).login(self.email, NEW).await.unwrap();
            assert_ne!(back.device.as_deref(), Some(device), "as from a device nobody knows");
            back.log_out().await.unwrap();
        }
        assert_eq!(service.native().login(self.email, PASSWORD).await.unwrap_err(), invalid_credentials());
    }
}

#[tokio::test]
async fn p03_a_new_password_ends_everything_before_it_and_is_told_once() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let mut ada = Somebody::new(&service, &boss, ADA).await;
    let grant = service.native().begin_reset(&forgotten(&service, ADA).await).await.unwrap();
    ada.told(&service).await;
    let sessions = service.database().sessions();
    let reply = grant.post(RESET, &json!({ "newPassword": NEW })).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert!(reply.cookies().is_empty(), "nobody is signed in by it: {reply:?}");
    let told = ada.told(&service).await;
    assert!(told.len() == 1 && told[0].starts_with("Your password for") && told[0].ends_with("was reset"), "{told:?}");
    assert!(service.database().sessions() <= sessions, "nobody is signed in by it");
    ada.are_over(&service, &[&ada.own, &ada.other]).await;

    let mut bob = Somebody::new(&service, &boss, BOB).await;
    bob.told(&service).await;
    let changed = bob.own.change_password(PASSWORD, NEW).await.unwrap();
    let told = bob.told(&service).await;
    assert!(told.len() == 1 && told[0].ends_with("was changed"), "{told:?}");
    assert_eq!(bob.own.refused().await, refusal(401, "TOKEN_REVOKED"), "the token from before");
    bob.are_over(&service, &[&bob.other]).await;
    changed.refresh().await.expect("who made the change goes on").verify().await.unwrap();
    boss.verify().await.expect("the administrator's own session is not touched");
}

#[tokio::test]
async fn p04_a_reset_leaves_the_second_factor_and_takes_it() {
    let service = Service::start().await;
    let (ada, program) = service.registered(ADA).await.enrol(&service).await;
    let grant = service.native().begin_reset(&forgotten(&service, ADA).await).await.unwrap();
    assert_eq!(grant.options, ["totp"]);
    let before = Digest::of(&service).await;
    for secret in [json!({ "newPassword": NEW }), json!({ "srp": credential(NEW) })] {
        assert_refused("without the factor", &grant.post(RESET, &secret).await, 403, "MFA_REQUIRED");
        // A proof of a session is none of a reset.
        let proof = format!("Bearer {}", ada.proof.as_deref().unwrap());
        let reply = grant.call(Method::POST, RESET).json(&secret).header("otp-authorization", &proof).send().await;
        assert_refused("a session's proof", &reply, 403, "MFA_REQUIRED");
    }
    let reply = grant.post(RESET, &json!({ "newPassword": NEW, "code": program.code(service.step()) })).await;
    assert_refused("a code beside it", &reply, 422, "UNKNOWN_ATTRIBUTE");
    before.is_still_that_of(&service).await;

    let proved = grant.prove("totp", &service.fresh_code(&program).await).await.unwrap();
    proved.reset(NEW).await.unwrap();
    let asked = service.native().login_asked(ADA, NEW).await.expect("asked for the factor");
    asked.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    assert_eq!(service.database().count("totp"), 1, "and it is the one that was");
}

#[tokio::test]
async fn p04_a_reset_demands_the_factor_and_only_a_reset_by_srp_sets_a_verifier() {
    let service = Service::start().await;
    let (ada, program) = service.srp_registered(ADA).await.enrol(&service).await;
    let begun = async || ada.client.begin_reset(&forgotten(&service, ADA).await).await.unwrap();
    let grant = begun().await;
    assert_eq!(grant.options, ["totp"]);
    let mfa_required = refusal(403, "MFA_REQUIRED");
    assert_eq!(grant.srp_reset(NEW).await.unwrap_err(), mfa_required);
    assert_eq!(grant.reset(NEW).await.unwrap_err(), mfa_required);
    ada.client.srp_login_asked(ADA, PASSWORD).await.expect("nothing changed");
    let proved = grant.prove("totp", &service.fresh_code(&program).await).await.unwrap();
    proved.srp_reset(NEW).await.unwrap();
    ada.refused().await;
    assert_eq!(ada.client.srp_login(ADA, PASSWORD).await.unwrap_err(), srp_invalid());
    // The factor is still there.
    let asked = ada.client.srp_login_asked(ADA, NEW).await.unwrap();
    asked.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    assert_eq!(proved.srp_reset(PASSWORD).await.unwrap_err(), refusal(401, "LINK_INVALID"), "once");

    // By a password, the other way: the verifier is gone.
    let grant = begun().await;
    let proved = grant.prove("totp", &service.fresh_code(&program).await).await.unwrap();
    proved.reset(PASSWORD).await.unwrap();
    assert_eq!(ada.client.srp_login(ADA, NEW).await.unwrap_err(), srp_invalid());
    assert_eq!(ada.client.login(ADA, NEW).await.unwrap_err(), invalid_credentials());
    ada.client.login_asked(ADA, PASSWORD).await.unwrap();
    let mut database = service.database();
    assert_eq!((database.count("srp_credentials"), database.count("passwords")), (0, 1));
}

#[tokio::test]
async fn p04_a_closed_account_stays_closed() {
    let service = Service::start().await;
    for (nth, email) in [ADA, BOB].into_iter().enumerate() {
        let by_srp = nth == 1;
        if by_srp {
            service.srp_registered(email).await
        } else {
            service.registered(email).await
        };
        let grant = service.native().begin_reset(&forgotten(&service, email).await).await.unwrap();
        let link = forgotten(&service, email).await;
        service.other_process().await.operator.set_banned(email, true).await.unwrap();
        // Whoever asks for a link leaves the same traces whether there is an account or not.
        let before = Digest::without(&service, &["link_tokens", "guess_budgets"]).await;
        let reply = service.native().post(BEGIN, &json!({ "token": link })).await;
        assert_refused("a link from before", &reply, 401, "LINK_INVALID");
        for secret in [json!({ "newPassword": NEW }), json!({ "srp": credential(NEW) })] {
            let reply = grant.post(RESET, &secret).await;
            assert_refused("a grant from before", &reply, 401, "LINK_INVALID");
        }
        service.native().forgot(email).await.expect("answered like any other");
        before.is_still_that_of(&service).await;
        assert_eq!(service.native().login(email, NEW).await.unwrap_err(), invalid_credentials());
        assert_eq!(service.native().srp_login(email, NEW).await.unwrap_err(), srp_invalid());
        let right = if by_srp {
            service.native().srp_login(email, PASSWORD).await.map(drop)
        } else {
            service.native().login(email, PASSWORD).await.map(drop)
        };
        assert_eq!(right.unwrap_err(), refusal(403, "ACCOUNT_INACTIVE"));
    }
}
