//! The replica that sends reminders is killed in the middle: everybody is reminded once all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_api_actix::compose::{Purpose, compose_for};
use keystead_api_actix::config::{Config, ConfigSources};
use keystead_application::attendance::Calendar;
use keystead_application::ports::Tx;
use keystead_application::testing::{an_attendance, user_number};
use keystead_domain::Timestamp;
use keystead_domain::attendance::{Attendance, AttendanceId};
use keystead_testkit::smtp_peer::SmtpPeer;

use crate::process::api::eventually;
use crate::process::configured::Configured;
use crate::process::keystead::Keystead;
use crate::support::{Database, Stores};

/// People who forgot to check out.
const PEOPLE: u16 = 600;
/// The lease of the replica that was killed has to lapse first.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a replica logs when it begins.
const BEGINS: &str = "this replica sends what reminders are due";

/// A zone in which it is the early afternoon.
fn zone_of_the_afternoon(now: Timestamp) -> String {
    let hour = now.as_seconds().rem_euclid(86_400) / 3600;
    // The signs of these names are the other way round.
    match 13 - hour {
        east @ 0.. => format!("Etc/GMT-{east}"),
        west => format!("Etc/GMT+{}", -west),
    }
}

/// Everybody came two hours ago.
async fn fill(tx: &mut dyn Tx, calendar: &Calendar, now: Timestamp) {
    let came = now.minus(Duration::from_hours(2));
    for number in 1..=PEOPLE {
        let user = user_number(number);
        tx.users().insert(&user, None).await.unwrap();
        let mut row = Attendance { id: AttendanceId(user.id.as_uuid()), user_id: user.id, ..an_attendance() };
        (row.date, row.entered.at) = (calendar.date(came), came);
        tx.attendance().insert(&row).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_killed_half_way_leaves_nobody_out_and_reminds_nobody_twice() {
    let mail = SmtpPeer::start().await.unwrap();
    let configured = Configured::with_mail_at(mail.port());
    let config = Config::load(ConfigSources { file: Some(configured.file()), ..ConfigSources::default() }).unwrap();
    let composed = compose_for(&config, Purpose::Serving).unwrap();
    let services = composed.services;
    services.keys.ensure().await.unwrap();
    let now = services.clock.now();
    let zone = zone_of_the_afternoon(now);
    let calendar = Calendar::try_new(&zone).unwrap();
    let mut tx = services.store.begin().await.unwrap();
    fill(&mut *tx, &calendar, now).await;
    tx.commit().await.unwrap();
    drop((services, composed.background));

    let reminder = calendar.wall_clock(now.minus(Duration::from_mins(30)));
    let settings = [format!("attendance.time_zone={zone}"), format!("attendance.reminder={reminder}")];
    let settings = [settings[0].as_str(), &settings[1], "log.level=debug"];
    let count = if Stores::are_shared() { 3 } else { 1 };
    let mut replicas: Vec<Keystead> = (0..count).map(|_| configured.serve(&settings)).collect();
    let mut database = match configured.shared() {
        Some(shared) => Database::on_servers(shared),
        None => Database::in_directory(configured.path()),
    };
    let mut marked = || database.count("attendances WHERE reminded_at IS NOT NULL");
    eventually(PATIENCE, "the first reminder", async || (marked() > 0).then_some(())).await;
    let leads = |replica: &Keystead| replica.log().contains(BEGINS);
    let leader = replicas.iter().position(leads).expect("whoever reminds says so");
    replicas.remove(leader).kill();
    let half_way = marked();
    assert!((1..i64::from(PEOPLE)).contains(&half_way), "{half_way} were reminded when it died");
    if replicas.is_empty() {
        replicas.push(configured.serve(&settings));
    }
    eventually(PATIENCE, "everybody's reminder", async || (marked() == i64::from(PEOPLE)).then_some(())).await;
    let mut database = match configured.shared() {
        Some(shared) => Database::on_servers(shared),
        None => Database::in_directory(configured.path()),
    };
    eventually(PATIENCE, "an empty outbox", async || (database.count("outbox") == 0).then_some(())).await;

    // A mail may come twice when its sender died, as the same mail.
    let mut ids: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for message in mail.messages() {
        let of = ids.entry(message.recipients.join(",")).or_default();
        let id = message.header("Message-ID");
        if !of.contains(&id) {
            of.push(id);
        }
    }
    assert_eq!(ids.len(), usize::from(PEOPLE));
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
}
