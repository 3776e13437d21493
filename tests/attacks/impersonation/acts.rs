//! I02: whatever is somebody's own to do is refused to whoever acts as them, whichever proof is shown beside, and noted.

use keystead_api_actix::authorization::{Admits, RULES, Rule};
use keystead_domain::account::Role;

use crate::attacks::support::{Digest, assert_refused};
use crate::authorization::asking::Target;
use crate::authorization::cast::{Principal, ProofOf, Who};
use crate::authorization::start;

const REASON: &str = "ticket 4711: cannot see her invoices";

/// What the row names, to be sure that it is among what is asked.
const NAMED: [(&str, &str); 16] = [
    ("PATCH", "/auth/password"),
    ("POST", "/auth/srp/verifier"),
    ("POST", "/auth/reauth"),
    ("POST", "/contacts"),
    ("DELETE", "/contacts/{id}"),
    ("POST", "/totp"),
    ("DELETE", "/totp"),
    ("POST", "/passkeys"),
    ("DELETE", "/passkeys/{id}"),
    ("POST", "/recovery-codes"),
    ("PATCH", "/users/me"),
    ("DELETE", "/users/me"),
    ("DELETE", "/sessions"),
    ("DELETE", "/sessions/{id}"),
    ("POST", "/admin/users/{id}/impersonations"),
    ("PATCH", "/admin/users/{id}"),
];

#[tokio::test]
async fn i02_what_is_somebodys_own_is_not_done_in_their_name() {
    let service = start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    let bob = service.registered("bob@example.com").await;
    let acting = boss.impersonate(&ada, REASON).await.unwrap();
    let own: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| matches!(rule.admits, Admits::SignedIn | Admits::Role(_)) && !rule.impersonated)
        .collect();
    let asked: Vec<(&str, &str)> =
        own.iter().map(|rule| (rule.method, rule.path.strip_prefix("/api/v1").unwrap())).collect();
    assert!(NAMED.iter().all(|named| asked.contains(named)), "{asked:?}");
    // About herself, and about somebody else.
    let targets = [Target::of(&ada).await, Target::of(&bob).await];
    let proofs = [None, ada.proof.clone(), boss.proof.clone(), Some(acting.access.clone())];
    let before = Digest::of(&service).await;
    for proof in &proofs {
        let who = Principal {
            who: Who::Impersonated(ProofOf::Nobody),
            nth: 0,
            token: Some(acting.access.clone()),
            client_id: Some(acting.client_id.clone()),
            proof: proof.clone(),
            identities: [Some(ada.user_id()), Some(boss.user_id())],
        };
        for rule in &own {
            for target in &targets {
                let reply = who.ask(service.api(), rule, target).await;
                assert_refused(&format!("{} {}", rule.method, rule.path), &reply, 403, "IMPERSONATION_FORBIDDEN");
            }
        }
    }
    let noted = proofs.len() * own.len() * targets.len();
    before.is_still_that_of_but_for(&service, &[("authz_fail", noted)]).await;
    acting.profile().await.expect("what may be looked at still is");
    for person in [&ada, &bob, &boss] {
        person.verify().await.unwrap();
    }
}
