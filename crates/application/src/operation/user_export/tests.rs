use super::*;
use crate::test_world::{World, down};
use crate::testing::{after, user_number};

fn export(world: &World, with_passwords: bool) -> UserExport {
    UserExport::new(world.store.clone(), world.clock.clone(), with_passwords)
}

/// Accounts with these numbers, each made a second after the one before.
fn fill(world: &World, numbers: std::ops::Range<u16>) {
    for number in numbers {
        world.add(User { created_at: after(u64::from(number)), ..user_number(number) });
    }
}

#[tokio::test]
async fn hashes_go_out_on_request_only_and_either_is_told_to_the_audit_log() {
    let world = World::default();
    fill(&world, 1..3);
    for with_passwords in [false, true] {
        let mut export = export(&world, with_passwords);
        let page = export.next_page().await.unwrap();
        assert_eq!(page.iter().map(|one| one.user.id).collect::<Vec<_>>(), [user_number(1).id, user_number(2).id]);
        assert!(page.iter().all(|one| one.password.is_some() == with_passwords));
        assert_eq!(export.next_page().await.unwrap(), []);
    }
    let events = world.rows.state().audit.events();
    let details: Vec<_> = events.iter().map(|event| (event.name, event.detail.as_deref())).collect();
    let told = |detail| (AuditEventName::UsersExported, Some(detail));
    assert_eq!(details, [told("without password hashes"), told("with password hashes")]);
}

#[tokio::test]
async fn accounts_deleted_meanwhile_neither_end_it_nor_repeat_anybody() {
    let world = World::default();
    fill(&world, 1..5);
    let mut export = export(&world, false);
    assert_eq!(export.next_page().await.unwrap().len(), 4);
    world.rows.prepare(|state| {
        state.users.0.remove(&user_number(4).id);
        state.users.0.remove(&user_number(3).id);
    });
    fill(&world, 5..7);
    let page = export.next_page().await.unwrap();
    assert_eq!(page.iter().map(|one| one.user.id).collect::<Vec<_>>(), [user_number(5).id, user_number(6).id]);
    world.rows.prepare(|state| state.users.0.clear());
    assert_eq!(export.next_page().await.unwrap(), []);
}

#[tokio::test]
async fn without_its_mark_in_the_audit_log_nothing_goes_out() {
    let world = World::default();
    fill(&world, 1..2);
    world.rows.set_refusal(Some(down()));
    let mut export = export(&world, true);
    assert!(export.next_page().await.is_err());
    world.rows.set_refusal(None);
    assert_eq!(export.next_page().await.unwrap().len(), 1);
    assert_eq!(world.events(), [AuditEventName::UsersExported]);
}
