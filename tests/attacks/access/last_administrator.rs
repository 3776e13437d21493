//! Z05: whatever administrators do to each other at the same time, somebody is left.

use keystead_domain::account::Role;
use keystead_testkit::race::race;
use serde_json::json;

use crate::support::{Answer, Authenticator, PASSWORD, STEP, Service, SignedIn};

const ROUNDS: usize = 64;

/// What two people do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Each takes the other's role away.
    Demote(Role),
    /// Each bans the other.
    Ban,
    /// Each deletes the other.
    Delete,
    /// Each closes their own account.
    Close,
    /// The first closes their own account and bans the other.
    CloseAndBan,
}

/// The acts of a round.
fn act_of(round: usize) -> Act {
    match round % 8 {
        0 | 4 => Act::Demote(Role::User),
        1 => Act::Demote(Role::Admin),
        2 | 6 => Act::Ban,
        3 => Act::Delete,
        5 => Act::Close,
        _ => Act::CloseAndBan,
    }
}

/// A super-admin and their authenticator program.
struct Chief {
    email: &'static str,
    person: SignedIn,
    program: Authenticator,
}

impl Chief {
    async fn new(service: &Service, email: &'static str) -> Self {
        let (person, program) = service.administrator_at(&service.native(), email, Role::SuperAdmin).await;
        Self { email, person, program }
    }

    /// Signs in again, with a code nobody used.
    async fn sign_in(&mut self, service: &Service) {
        let question = service.native().login_asked(self.email, PASSWORD).await.unwrap();
        self.person = question.answer("totp", &self.program.code(service.step())).await.unwrap();
    }
}

async fn does(act: Act, who: usize, own: SignedIn, other: String) -> Answer<()> {
    match (act, who) {
        (Act::Demote(role), _) => own.set_role(&other, role).await.map(drop),
        (Act::Ban, _) | (Act::CloseAndBan, 0) => own.ban(&other).await.map(drop),
        (Act::Delete, _) => own.delete_user(&other).await,
        (Act::Close | Act::CloseAndBan, _) => own.close_account().await,
    }
}

#[tokio::test]
async fn z05_two_who_put_each_other_out_at_once_leave_one() {
    let service = Service::start().await;
    let operator = service.other_process().await;
    let mut chiefs = [Chief::new(&service, "ada@example.com").await, Chief::new(&service, "bob@example.com").await];
    for round in 0..ROUNDS {
        let act = act_of(round);
        let [ada, bob] = [&chiefs[0], &chiefs[1]].map(|chief| chief.person.clone());
        // Both requests of the last kind are of one person.
        let second = if act == Act::CloseAndBan { &ada } else { &bob };
        let requests = [(ada.clone(), bob.user_id()), (second.clone(), ada.user_id())];
        let answers = race(2, |who| does(act, who, requests[who].0.clone(), requests[who].1.clone())).await;
        let left = service.database().count("users WHERE role = 'super-admin' AND status = 'active'");
        assert_eq!(left, 1, "{act:?}, round {round}: {answers:?}");
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{act:?}, round {round}: {answers:?}");
        for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            let known = ["LAST_ADMINISTRATOR", "TOKEN_REVOKED", "FORBIDDEN", "NOT_FOUND"];
            assert!(known.contains(&refused.code.as_str()), "{act:?}, round {round}: {refused:?}");
        }

        // As it was before. The operator's help does not depend on who is left.
        for chief in &mut chiefs {
            if act == Act::Delete && operator.operator.find(chief.email).await.is_err() {
                (chief.person, chief.program) =
                    service.administrator_at(&service.native(), chief.email, Role::SuperAdmin).await;
            } else {
                operator.operator.set_banned(chief.email, false).await.unwrap();
                operator.operator.set_role(chief.email, Role::SuperAdmin).await.unwrap();
            }
        }
        service.advance(STEP).await;
        for chief in &mut chiefs {
            chief.sign_in(&service).await;
        }
    }
}

#[tokio::test]
async fn z05_many_who_put_each_other_out_at_once_leave_one() {
    const CHIEFS: usize = 6;
    let service = Service::start().await;
    let mut people = Vec::new();
    for number in 0..CHIEFS {
        let email = format!("chief{number}@example.com");
        people.push(service.administrator_at(&service.native(), &email, Role::SuperAdmin).await.0);
    }
    // Everybody bans the next.
    let answers = race(CHIEFS, |number| {
        let (own, next) = (people[number].clone(), people[(number + 1) % CHIEFS].user_id());
        async move { own.change_user(&next, &json!({ "isActive": false })).await }
    });
    let won = answers.await.iter().filter(|answer| answer.is_ok()).count();
    let left = service.database().count("users WHERE role = 'super-admin' AND status = 'active'");
    assert!(left >= 1, "nobody is left");
    assert_eq!(i64::try_from(CHIEFS - won).unwrap(), left);
}
