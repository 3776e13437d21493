use keystead_domain::account::{AccountStatus, UserId};
use keystead_domain::attendance::Presence;
use keystead_domain::token::DeviceInfo;

use super::*;
use crate::test_world::{World, down};
use crate::testing::{START, a_presence, after, an_attendance, local_date, user_number};

/// START is 08:00 of 15 January 2027.
const HOUR: u64 = 3600;

fn send(world: &World) -> Arc<SendReminders> {
    let calendar = Calendar::default();
    let settings = Arc::new(world.settings.clone());
    Arc::new(SendReminders::new(world.store.clone(), world.clock.clone(), world.postbox(), settings, calendar))
}

fn replica(world: &World, schedule: &str) -> RemindOnSchedule {
    RemindOnSchedule::new(send(world), Schedule::try_new(schedule).unwrap(), &*world.entropy)
}

/// So many people, who came at 08:00.
fn people(count: u16) -> World {
    let world = World::default();
    for n in 1..=count {
        world.add(user_number(n));
        came(&world, user_number(n).id, START);
    }
    world
}

fn came(world: &World, user: UserId, at: Timestamp) {
    let entered = Presence { at, device: DeviceInfo::default(), remarks: None };
    let row = Attendance { id: AttendanceId(user.as_uuid()), user_id: user, entered, ..an_attendance() };
    world.rows.prepare(|state| drop(state.attendance.0.insert(row.id, row)));
}

fn reminded(count: u64) -> Reminded {
    Reminded { reminded: count, unreachable: 0 }
}

#[tokio::test]
async fn everybody_who_is_in_is_reminded_once_in_their_own_words() {
    let world = people(120);
    world.clock.set(after(9 * HOUR));
    assert_eq!(send(&world).run().await, Ok(reminded(120)));
    assert_eq!(send(&world).run().await, Ok(reminded(0)));
    let messages = world.messages();
    assert_eq!(messages.len(), 120);
    let notice = Notice::CheckOutReminder { date: "2027-01-15".into(), time: "08:00".into() };
    assert!(messages.iter().all(|message| message.notice == notice));
    assert!(world.rows.state().attendance.0.values().all(|row| row.reminded_at == Some(after(9 * HOUR))));
}

#[tokio::test]
async fn who_left_is_banned_was_in_yesterday_or_cannot_be_reached_is_passed_over() {
    let world = people(5);
    world.rows.prepare(|state| {
        let row = |n: u16| AttendanceId(user_number(n).id.as_uuid());
        state.attendance.0.get_mut(&row(1)).unwrap().left = Some(a_presence(after(60)));
        state.users.0.get_mut(&user_number(2).id).unwrap().user.status = AccountStatus::Banned;
        state.attendance.0.get_mut(&row(3)).unwrap().date = local_date("2027-01-14");
        state.users.0.get_mut(&user_number(4).id).unwrap().user.email = None;
    });
    world.clock.set(after(9 * HOUR));
    assert_eq!(send(&world).run().await, Ok(Reminded { reminded: 1, unreachable: 1 }));
    assert_eq!(world.messages()[0].to, user_number(5).address().unwrap());
}

#[tokio::test]
async fn of_many_replicas_one_reminds_at_the_time_and_not_before() {
    let world = people(3);
    let mut replicas = [replica(&world, "17:00"), replica(&world, "17:00"), replica(&world, "17:00")];
    world.clock.set(after(9 * HOUR - 1));
    for replica in &mut replicas {
        assert_eq!(replica.run().await, Ok(None));
    }
    world.clock.set(after(9 * HOUR));
    let mut done = Vec::new();
    for replica in &mut replicas {
        done.push(replica.run().await.unwrap());
    }
    assert_eq!(done, [Some(reminded(3)), Some(reminded(0)), Some(reminded(0))]);
    for replica in &mut replicas {
        assert_eq!(replica.run().await, Ok(None), "that time is done");
    }
    // Whoever comes after the time is not late, also while a replica that was away makes up for it.
    world.add(user_number(9));
    came(&world, user_number(9).id, after(9 * HOUR + 60));
    world.clock.set(after(9 * HOUR + 120));
    assert_eq!(replica(&world, "17:00").run().await, Ok(Some(reminded(0))));
    assert_eq!(world.messages().len(), 3);
}

#[tokio::test]
async fn a_time_that_was_missed_is_made_up_for_within_two_hours_only() {
    for (seconds_more, expected) in [(-1, Some(reminded(2))), (1, None)] {
        let late = CATCH_UP.as_secs().saturating_add_signed(seconds_more);
        let world = people(2);
        world.clock.set(after(9 * HOUR + late));
        assert_eq!(replica(&world, "17:00").run().await, Ok(expected), "{late} s late");
    }
    // After midnight the day is still the one of the time that was missed.
    let world = people(2);
    world.clock.set(after(17 * HOUR));
    assert_eq!(replica(&world, "23:30").run().await, Ok(Some(reminded(2))));
}

#[tokio::test]
async fn what_a_dead_leader_left_undone_the_next_does_when_its_lease_lapsed() {
    let world = people(3);
    world.clock.set(after(9 * HOUR));
    let leader = replica(&world, "17:00");
    assert_eq!(leader.lease().await, Ok(true));
    let row = an_attendance();
    let first = Attendance { id: AttendanceId(user_number(1).id.as_uuid()), user_id: user_number(1).id, ..row };
    assert!(matches!(leader.send.remind(&first).await, Ok(Outcome::Reminded)));
    // And then it dies.
    let mut next = replica(&world, "17:00");
    world.clock.set(after(9 * HOUR + 59));
    assert_eq!(next.run().await, Ok(None), "the leader may still be at it");
    world.clock.set(after(9 * HOUR + limits::REMINDER_LEASE.as_secs()));
    assert_eq!(next.run().await, Ok(Some(reminded(2))));
    assert_eq!(world.messages().len(), 3);
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_time_to_be_done() {
    let world = people(2);
    world.clock.set(after(9 * HOUR));
    let mut replica = replica(&world, "17:00");
    world.rows.set_refusal(Some(down()));
    assert!(matches!(replica.run().await, Err(Failure::Unavailable(_))));
    world.rows.set_refusal(None);
    assert_eq!(replica.run().await, Ok(Some(reminded(2))));
}

#[tokio::test]
async fn several_times_a_day_remind_nobody_twice() {
    let world = people(1);
    let mut replica = replica(&world, "0 16,17 * * *");
    world.clock.set(after(8 * HOUR));
    assert_eq!(replica.run().await, Ok(Some(reminded(1))));
    world.add(user_number(2));
    came(&world, user_number(2).id, after(8 * HOUR + 60));
    world.clock.set(after(9 * HOUR));
    assert_eq!(replica.run().await, Ok(Some(reminded(1))), "who came since");
    assert_eq!(world.messages().len(), 2);
}
