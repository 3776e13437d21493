use keystead_domain::SecretString;

use super::*;
use crate::ports::ReadHash;
use crate::test_world::{PASSWORD, World, down};
use crate::testing::{MockStore, MockTx, START, a_user, after, email, phone, user_number, username};

/// Takes every text but `unknown`; those that begin with `weak` are.
struct Hashes;

impl PasswordImport for Hashes {
    fn read(&self, foreign: &ForeignHash) -> Result<ReadHash, HashRefusal> {
        match foreign {
            ForeignHash::Text(text) if text.expose() == "unknown" => Err(HashRefusal::Unknown),
            ForeignHash::Text(text) => {
                let hash = PasswordHash::new(text.expose().to_owned());
                Ok(ReadHash { hash, is_weak: text.expose().starts_with("weak") })
            }
            ForeignHash::Keycloak { .. } => Err(HashRefusal::Malformed),
        }
    }
}

fn import(world: &World, policy: ImportPolicy) -> UserImport {
    UserImport::new(world.store.clone(), Arc::new(Hashes), world.clock.clone(), world.entropy.clone(), policy)
}

fn real(world: &World) -> UserImport {
    import(world, ImportPolicy::default())
}

const DRY: ImportPolicy =
    ImportPolicy { dry_run: true, assume_verified: false, allow_weak_hashes: false, allow_roles: false };
const WITH_ROLES: ImportPolicy = ImportPolicy { dry_run: false, allow_roles: true, ..DRY };

/// Somebody with a verified address of this name.
fn person(name: &str) -> ForeignUser {
    ForeignUser {
        id: None,
        email: Some(ForeignContact { address: email(&format!("{name}@example.com")), is_verified: true }),
        phone: None,
        username: None,
        full_name: None,
        locale: None,
        role: Role::User,
        status: AccountStatus::Active,
        created_at: None,
        password: Some(hash("theirs")),
    }
}

fn hash(text: &str) -> ForeignHash {
    ForeignHash::Text(SecretString::new(text.to_owned()))
}

fn imported(outcome: &ImportOutcome) -> UserId {
    match outcome {
        ImportOutcome::Imported { id, left_out: None, .. } => *id,
        other => panic!("{other:?}"),
    }
}

const BY_EMAIL: ImportOutcome = ImportOutcome::Exists(Held::Contact(ContactKind::Email));

#[tokio::test]
async fn an_account_is_here_as_it_was_there() {
    let world = World::default();
    let id = a_user().id;
    let theirs = ForeignUser {
        id: Some(id),
        phone: Some(ForeignContact { address: phone("+442079460958"), is_verified: true }),
        username: Some(username("grace")),
        role: Role::Admin,
        status: AccountStatus::Banned,
        created_at: Some(Timestamp::from_seconds(1)),
        ..person("grace")
    };
    let outcomes = import(&world, WITH_ROLES).run(vec![theirs, person("bob")]).await.unwrap();
    assert_eq!(imported(&outcomes[0]), id);
    let row = world.rows.state().users.0[&id].clone();
    assert_eq!(row.password, Some(PasswordHash::new("theirs".to_owned())));
    let user = row.user;
    assert_eq!((user.role, user.status), (Role::Admin, AccountStatus::Banned));
    assert_eq!((user.created_at, user.updated_at), (Timestamp::from_seconds(1), START));
    let (mail, number) = (user.email.unwrap(), user.phone.unwrap());
    assert_eq!((mail.address, mail.id), (email("grace@example.com"), id.into()));
    assert_ne!(number.id, mail.id, "each contact has an identifier of its own");
    let bob = world.rows.state().users.0[&imported(&outcomes[1])].user.clone();
    assert_eq!((bob.created_at, bob.status), (START, AccountStatus::Active));
    assert_eq!(world.events(), [AuditEventName::UserImported; 2]);
    assert!(world.messages().is_empty(), "nobody is written to");
}

#[tokio::test]
async fn a_contact_nobody_verified_is_not_taken() {
    let unverified = |name: &str| {
        let theirs = person(name);
        ForeignUser { email: theirs.email.map(|email| ForeignContact { is_verified: false, ..email }), ..theirs }
    };
    let number = Some(ForeignContact { address: phone("+442079460958"), is_verified: true });
    let batch = || vec![unverified("ada"), ForeignUser { phone: number.clone(), ..unverified("eve") }];
    let world = World::default();
    let outcomes = real(&world).run(batch()).await.unwrap();
    assert_eq!(outcomes[0], ImportOutcome::Refused(ImportRefusal::NoVerifiedContact));
    let ImportOutcome::Imported { id, left_out, .. } = outcomes[1].clone() else { panic!("{outcomes:?}") };
    assert_eq!(left_out, Some(ContactKind::Email));
    let eve = world.rows.state().users.0[&id].user.clone();
    assert_eq!((eve.email, eve.phone.unwrap().id), (None, id.into()));

    let world = World::default();
    let assumed = ImportPolicy { assume_verified: true, ..ImportPolicy::default() };
    let outcomes = import(&world, assumed).run(batch()).await.unwrap();
    let eve = world.rows.state().users.0[&imported(&outcomes[1])].user.clone();
    assert_eq!(eve.email.unwrap().address, email("eve@example.com"));
    imported(&outcomes[0]);

    let nobody = ForeignUser { email: None, username: Some(username("nobody")), ..person("x") };
    let outcomes = import(&world, assumed).run(vec![nobody]).await.unwrap();
    assert_eq!(outcomes, [ImportOutcome::Refused(ImportRefusal::NoVerifiedContact)]);
}

#[tokio::test]
async fn a_role_above_user_has_to_be_allowed_and_is_told_of() {
    let batch = || Role::ALL.map(|role| ForeignUser { role, ..person(role.as_str()) }).to_vec();
    let refused = ImportOutcome::Refused(ImportRefusal::RoleNotAllowed);
    for policy in [ImportPolicy::default(), ImportPolicy { assume_verified: true, allow_weak_hashes: true, ..DRY }] {
        let world = World::default();
        let outcomes = import(&world, policy).run(batch()).await.unwrap();
        imported(&outcomes[0]);
        assert_eq!(outcomes[1..], [refused.clone(), refused.clone()]);
        let roles: Vec<Role> = world.rows.state().users.0.values().map(|row| row.user.role).collect();
        assert_eq!(roles, if policy.dry_run { vec![] } else { vec![Role::User] });
    }
    let roles = |outcomes: &[ImportOutcome]| -> Vec<Role> {
        let role = |outcome: &ImportOutcome| match outcome {
            ImportOutcome::Imported { role, .. } => *role,
            other => panic!("{other:?}"),
        };
        outcomes.iter().map(role).collect()
    };
    let world = World::default();
    let dry = import(&world, ImportPolicy { dry_run: true, ..WITH_ROLES }).run(batch()).await.unwrap();
    assert_eq!((roles(&dry), world.events().len()), (Role::ALL.to_vec(), 0));
    let outcomes = import(&world, WITH_ROLES).run(batch()).await.unwrap();
    assert_eq!(roles(&outcomes), Role::ALL);
    let told: Vec<_> = world.rows.state().audit.rows.iter().map(|row| row.event.clone()).collect();
    assert_eq!(told.len(), 3);
    for ((event, outcome), detail) in told.iter().zip(&outcomes).zip([None, Some("admin"), Some("super-admin")]) {
        assert_eq!((event.name, event.detail.as_deref()), (AuditEventName::UserImported, detail));
        assert_eq!((event.actor, event.subject), (None, Some(imported(outcome))));
    }
}

#[tokio::test]
async fn what_cannot_be_taken_does_not_hold_up_the_others() {
    let world = World::default();
    let batch = || {
        vec![
            ForeignUser { password: Some(hash("unknown")), ..person("a") },
            ForeignUser { password: Some(hash("weak")), ..person("b") },
            ForeignUser { created_at: Some(after(1)), ..person("c") },
            ForeignUser { password: None, created_at: Some(START), ..person("d") },
        ]
    };
    let outcomes = real(&world).run(batch()).await.unwrap();
    let refused = |refusal| ImportOutcome::Refused(refusal);
    assert_eq!(outcomes[0], refused(ImportRefusal::Hash(HashRefusal::Unknown)));
    assert_eq!(outcomes[1..3], [refused(ImportRefusal::WeakHash), refused(ImportRefusal::MadeInFuture)]);
    let state = world.rows.state();
    assert_eq!((state.users.0.len(), state.users.0[&imported(&outcomes[3])].password.clone()), (1, None));
    let allowed = ImportPolicy { allow_weak_hashes: true, ..ImportPolicy::default() };
    imported(&import(&world, allowed).run(batch()).await.unwrap()[1]);
}

#[tokio::test]
async fn a_second_run_finds_everything_and_changes_nothing() {
    let world = World::default();
    let named = |name: &str| ForeignUser { username: Some(username(name)), ..person(name) };
    let batch = || vec![person("ada"), named("bob"), ForeignUser { id: Some(a_user().id), ..named("eve") }];
    real(&world).run(batch()).await.unwrap();
    let before = format!("{:?}", world.rows.state());
    let outcomes = real(&world).run(batch()).await.unwrap();
    assert_eq!(outcomes, [BY_EMAIL, BY_EMAIL, ImportOutcome::Exists(Held::Id)]);
    assert_eq!(format!("{:?}", world.rows.state()), before);
    // Half of a batch was there.
    let outcomes = real(&world).run(vec![person("ada"), person("new"), person("bob")]).await.unwrap();
    assert_eq!((&outcomes[0], &outcomes[2]), (&BY_EMAIL, &BY_EMAIL));
    imported(&outcomes[1]);
    assert_eq!(world.rows.state().users.0.len(), 4);
}

#[tokio::test]
async fn whoever_is_here_keeps_what_they_have() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let ada = a_user().email.unwrap().address;
    let same_address = ForeignContact { address: ada, is_verified: true };
    let batch = || {
        vec![
            // The same person under another identifier, or another person under the same one: whoever is here stays.
            ForeignUser { email: Some(same_address.clone()), ..person("x") },
            ForeignUser { id: Some(user_number(2).id), ..person("y") },
            ForeignUser { username: a_user().username, ..person("z") },
            person("free"),
        ]
    };
    let expected = [BY_EMAIL, ImportOutcome::Exists(Held::Id), ImportOutcome::Refused(ImportRefusal::UsernameTaken)];
    let dry = import(&world, DRY).run(batch()).await.unwrap();
    assert_eq!((&dry[..3], world.rows.state().users.0.len()), (&expected[..], 2));
    let outcomes = real(&world).run(batch()).await.unwrap();
    assert_eq!((&outcomes[..3], world.rows.state().users.0.len()), (&expected[..], 3));
    imported(&outcomes[3]);
    assert_eq!((world.user(&a_user()), world.password(&a_user()).as_str()), (a_user(), PASSWORD));
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let world = World::with(a_user());
    let named = |name: &str, address: &str| ForeignUser { username: Some(username(name)), ..person(address) };
    let id = Some(user_number(3).id);
    let first = || vec![named("bob", "bob"), person("carol"), ForeignUser { id, ..person("dan") }];
    let second = || vec![person("bob"), named("bob", "other"), person("carol"), ForeignUser { id, ..person("erin") }];
    let told = |outcomes: Vec<ImportOutcome>| -> Vec<ImportOutcome> {
        outcomes.into_iter().filter(|outcome| !matches!(outcome, ImportOutcome::Imported { .. })).collect()
    };
    let before = format!("{:?}", world.rows.state());
    let mut dry = import(&world, DRY);
    assert_eq!(told(dry.run(first()).await.unwrap()), []);
    let predicted = told(dry.run(second()).await.unwrap());
    assert_eq!(format!("{:?}", world.rows.state()), before);
    let mut import = real(&world);
    assert_eq!(told(import.run(first()).await.unwrap()), []);
    assert_eq!(told(import.run(second()).await.unwrap()), predicted);
    assert_eq!(predicted.len(), 4);
}

#[tokio::test]
async fn a_commit_nobody_confirmed_is_no_import_and_no_failure() {
    let mut tx = MockTx::new().failing(down());
    tx.users.expect_insert().times(1).returning(|_, _| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    let world = World::default();
    let (store, outcome) = MockStore::with(tx);
    let (clock, entropy) = (world.clock.clone(), world.entropy.clone());
    let mut import = UserImport::new(store, Arc::new(Hashes), clock, entropy, ImportPolicy::default());
    assert_eq!(import.run(vec![person("ada")]).await, Err(ImportError::Unconfirmed(down())));
    assert!(!outcome.committed());
}

#[tokio::test]
async fn a_failure_within_a_batch_writes_nothing_of_it() {
    let mut tx = MockTx::new();
    let mut tries = 0;
    tx.users.expect_insert().times(2).returning(move |_, _| {
        tries += 1;
        if tries == 1 { Ok(()) } else { Err(down()) }
    });
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    let world = World::default();
    let (store, outcome) = MockStore::with(tx);
    let (clock, entropy) = (world.clock.clone(), world.entropy.clone());
    let mut import = UserImport::new(store, Arc::new(Hashes), clock, entropy, ImportPolicy::default());
    let failed = import.run(vec![person("ada"), person("bob")]).await;
    assert!(matches!(failed, Err(ImportError::Failure(Failure::Unavailable(_)))), "{failed:?}");
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn among_those_who_are_here_it_looks_before_it_tries() {
    let mut tx = MockTx::new();
    let email = StoreError::Conflict(Constraint::UserEmail);
    tx.users.expect_insert().times(1).returning(move |_, _| Err(email.clone()));
    tx.users.expect_get().times(3).returning(|_| Ok(Some(a_user())));
    let world = World::default();
    let (store, outcome) = MockStore::with(tx);
    let (clock, entropy) = (world.clock.clone(), world.entropy.clone());
    let mut import = UserImport::new(store, Arc::new(Hashes), clock, entropy, ImportPolicy::default());
    let outcomes = import.run(vec![person("a"), person("b"), person("c")]).await.unwrap();
    assert_eq!(outcomes, vec![ImportOutcome::Exists(Held::Id); 3]);
    assert!(!outcome.committed(), "there was nothing to commit");
}

#[tokio::test]
async fn secrets_are_not_printed() {
    assert!(!format!("{:?}", person("ada")).contains("theirs"));
}
