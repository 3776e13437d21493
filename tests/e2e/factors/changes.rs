//! G04: what a change of factors and contacts ends, and nothing else: every change against every artefact.

use super::{EMAIL, NEW, asked, forgotten};
use crate::support::{Authenticator, HalfWay, PASSWORD, Service, SignedIn};

const MOVED: &str = "moved@example.com";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    RecoveryCodes,
    FactorAdded,
    FactorReplaced,
    FactorRemoved,
    AddressReplaced,
    AddressTakenBack,
}

/// What is alive.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the matrix")]
struct Alive {
    own_access: bool,
    own_refresh: bool,
    own_proof: bool,
    other_access: bool,
    other_refresh: bool,
    other_proof: bool,
    known_device: bool,
    question: bool,
    link: bool,
    pending: bool,
}

const EVERYTHING: Alive = Alive {
    own_access: true,
    own_refresh: true,
    own_proof: true,
    other_access: true,
    other_refresh: true,
    other_proof: true,
    known_device: true,
    question: true,
    link: true,
    pending: true,
};
/// Tokens and proofs of the older epoch are dead, and what was under way; sessions and devices stay.
const SESSIONS: Alive = Alive {
    own_access: false,
    own_proof: false,
    other_access: false,
    other_proof: false,
    question: false,
    link: false,
    pending: false,
    ..EVERYTHING
};

struct World {
    service: Service,
    program: Authenticator,
    own: SignedIn,
    other: SignedIn,
    question: HalfWay,
    link: String,
    /// An address to be added, and its code.
    pending: (String, String),
    /// The link that takes an address back.
    undo: String,
}

impl World {
    async fn new() -> Self {
        let service = Service::start().await;
        let (own, program) = service.enrolled(EMAIL).await;
        let pending = own.add_contact("email", MOVED).await.unwrap();
        let own = own.verify_contact(&pending, &service.code(MOVED).await).await.unwrap();
        let undo = service.mails_about(EMAIL, "This address no longer", 1).await[0].link_token().unwrap();
        let question = asked(&service, MOVED).await;
        let other = question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
        own.client.forgot(MOVED).await.unwrap();
        let link = service.link_tokens(MOVED, 1).await.remove(0);
        let next = "next@example.com";
        let pending = (own.add_contact("email", next).await.unwrap(), service.code(next).await);
        let question = asked(&service, MOVED).await;
        Self { service, program, own, other, question, link, pending, undo }
    }

    /// Makes the change. Who made it, with the tokens that came of it.
    async fn make(&self, change: Change) -> SignedIn {
        let own = &self.own;
        let after = match change {
            Change::Nothing => return own.clone(),
            Change::RecoveryCodes => {
                own.recovery_codes().await.unwrap();
                return own.clone();
            }
            Change::FactorAdded => own.set_otp(&own.contact("email").await, true).await.unwrap(),
            Change::FactorReplaced => {
                let next = own.begin_totp().await.unwrap();
                own.confirm_totp(&next.code(self.service.step())).await.unwrap()
            }
            Change::FactorRemoved => own.remove_totp(&self.service.fresh_code(&self.program).await).await.unwrap(),
            Change::AddressReplaced => {
                let pending = own.add_contact("email", "third@example.com").await.unwrap();
                let code = self.service.code("third@example.com").await;
                own.verify_contact(&pending, &code).await.unwrap()
            }
            Change::AddressTakenBack => {
                self.service.native().undo_contact(&self.undo).await.unwrap();
                own.clone()
            }
        };
        own.refused().await;
        after
    }

    async fn alive(&self, after: &SignedIn) -> Alive {
        let own_refreshed = self.own.refresh().await.ok();
        let other_refreshed = self.other.refresh().await.ok();
        let counts = |now: Option<SignedIn>, proof: Option<String>| async move {
            let Some(now) = now else { return false };
            now.showing(&proof.unwrap()).recovery_codes().await.is_ok()
        };
        Alive {
            own_access: self.own.verify().await.is_ok(),
            other_access: self.other.verify().await.is_ok(),
            own_proof: counts(own_refreshed.clone(), self.own.proof.clone()).await,
            other_proof: counts(other_refreshed.clone(), self.other.proof.clone()).await,
            own_refresh: own_refreshed.is_some(),
            other_refresh: other_refreshed.is_some(),
            known_device: self.service.database().count("devices") > 0,
            question: self.question.answer("totp", &self.service.fresh_code(&self.program).await).await.is_ok(),
            pending: after.verify_contact(&self.pending.0, &self.pending.1).await.is_ok(),
            // Its answer is the same while the account is as it was when the link was made.
            link: false,
        }
    }

    async fn link_lives(&self) -> bool {
        self.own.client.begin_reset(&self.link).await.is_ok()
    }
}

async fn assert_leaves(change: Change, expected: Alive) {
    let world = World::new().await;
    world.own.verify().await.unwrap();
    world.other.verify().await.unwrap();
    let after = world.make(change).await;
    // First: what else is looked at ends a link that lives.
    let link = world.link_lives().await;
    let alive = Alive { link, ..world.alive(&after).await };
    assert_eq!(alive, expected, "{change:?}");
}

#[tokio::test]
async fn g04_without_a_change_of_factors_everything_lives() {
    assert_leaves(Change::Nothing, EVERYTHING).await;
    assert_leaves(Change::RecoveryCodes, EVERYTHING).await;
}

#[tokio::test]
async fn g04_a_factor_added_ends_what_was_proved_without_it() {
    assert_leaves(Change::FactorAdded, SESSIONS).await;
    assert_leaves(Change::FactorReplaced, SESSIONS).await;
}

#[tokio::test]
async fn g04_a_factor_removed_ends_all_but_its_own_session() {
    assert_leaves(Change::FactorRemoved, Alive { other_refresh: false, known_device: false, ..SESSIONS }).await;
}

#[tokio::test]
async fn g04_an_address_replaced_ends_what_was_under_way() {
    assert_leaves(Change::AddressReplaced, SESSIONS).await;
}

#[tokio::test]
async fn g04_an_address_taken_back_ends_everything() {
    let nothing = Alive { own_refresh: false, other_refresh: false, known_device: false, ..SESSIONS };
    assert_leaves(Change::AddressTakenBack, nothing).await;
    let world = World::new().await;
    world.service.native().undo_contact(&world.undo).await.unwrap();
    world.service.native().login(EMAIL, PASSWORD).await.expect_err("the password is void");
    let grant = forgotten(&world.service, EMAIL).await;
    let code = world.service.fresh_code(&world.program).await;
    let proved = grant.prove("totp", &code).await.expect("a factor from before the change");
    proved.reset(NEW).await.expect("and the older address counts again");
}
