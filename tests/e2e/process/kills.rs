//! G13: what was acknowledged survives the death of the process at any moment, and so does the mail it promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystead_testkit::smtp_peer::SmtpPeer;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::api::{Answer, Api, PASSWORD, PATIENCE, code_in, eventually};
use super::configured::Configured;

/// People who register.
const REGISTRATIONS: usize = 200;
/// Tasks they register from.
const TASKS: usize = 8;
/// Times the process is killed meanwhile.
const KILLS: usize = 6;
/// Where the moments of the kills come from.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// splitmix64: moments that look random and are the same every time.
fn scatter(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What was answered with 201, in the order of the answers.
type Journal = Arc<Mutex<Vec<(String, Answer)>>>;

/// One task's share. Whoever gets no answer goes on with the next process.
async fn register_share(
    task: usize,
    mut address: watch::Receiver<Api>,
    journal: Journal,
    acknowledged: Arc<AtomicUsize>,
) {
    for number in (task..REGISTRATIONS).step_by(TASKS) {
        for attempt in 0.. {
            let email = format!("user{number}try{attempt}@example.com");
            let api = address.borrow_and_update().clone();
            let body = serde_json::json!({"email": email, "password": PASSWORD});
            let headers = [("keystead-client", "native")];
            if let Ok(answer) = api.try_send("POST", "/api/v1/auth/register", &headers, Some(&body)).await {
                let answer = answer.expect(201);
                journal.lock().await.push((email, answer));
                acknowledged.fetch_add(1, Ordering::SeqCst);
                break;
            }
            // The process died; the next one is announced.
            address.changed().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g13_registrations_and_their_mails_survive_kill_9() {
    let peer = SmtpPeer::start().await.unwrap();
    let configured = Configured::with_mail_at(peer.port());
    let set = ["limits.mode=off", "unsafe_allow=limits-off"];
    let mut service = configured.serve(&set);
    let listen = format!("http.listen={}", service.address());
    let (announce, address) = watch::channel(Api::new(service.url()));
    let (journal, acknowledged) = (Journal::default(), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(register_share(task, address.clone(), Arc::clone(&journal), Arc::clone(&acknowledged)));
    }
    let mut seed = SEED;
    for kill in 1..=KILLS {
        // Spread over the run by how many were acknowledged, then some microseconds into whatever happens then.
        let moment = REGISTRATIONS * kill / (KILLS + 2);
        eventually(PATIENCE, "progress", async || (acknowledged.load(Ordering::SeqCst) >= moment).then_some(())).await;
        tokio::time::sleep(Duration::from_micros(scatter(&mut seed) % 30_000)).await;
        service.kill();
        service = configured.serve(&[set[0], set[1], &listen]);
        announce.send(Api::new(service.url())).unwrap();
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }

    let journal = journal.lock().await.clone();
    assert_eq!(journal.len(), REGISTRATIONS);
    let mails = eventually(PATIENCE, "every mail", async || {
        let mails = peer.messages();
        journal.iter().all(|(email, _)| mails.iter().any(|mail| mail.recipients == [email.as_str()])).then_some(mails)
    })
    .await;
    // At least once; at most one repeat a kill, and that the same message.
    let ids = |email: &str| {
        let mine = mails.iter().filter(|mail| mail.recipients == [email]);
        mine.filter_map(|mail| mail.header("Message-ID")).collect::<Vec<_>>()
    };
    let mut repeats = 0;
    for (email, _) in &journal {
        let ids = ids(email);
        assert!(ids.iter().all(|id| *id == ids[0]), "{email}: {ids:?}");
        repeats += ids.len() - 1;
    }
    assert!(repeats <= KILLS, "{repeats} repeats");

    let api = Api::new(service.url());
    let mut proving = JoinSet::new();
    for task in 0..TASKS {
        let share: Vec<_> = journal.iter().skip(task).step_by(TASKS).cloned().collect();
        let (api, mails) = (api.clone(), mails.clone());
        proving.spawn(async move {
            for (email, answer) in share {
                let mail = mails.iter().find(|mail| mail.recipients == [email.as_str()]).unwrap();
                api.verify(&answer, &code_in(&mail.text().unwrap())).await.expect(200);
                api.login(&email, PASSWORD).await.expect(200);
            }
        });
    }
    proving.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_told_to_end_it_finishes_what_it_began() {
    let configured = Configured::with_mail_at(1);
    let service = configured.serve(&["limits.mode=off", "unsafe_allow=limits-off"]);
    let api = Api::new(service.url());
    api.register("first@example.com").await.expect(201);
    let begun: Vec<_> = (0..12)
        .map(|number| {
            let api = api.clone();
            tokio::spawn(async move { api.register(&format!("user{number}@example.com")).await })
        })
        .collect();
    // They hash for a while, two at once: some are under way when the first is answered.
    let mut begun = begun.into_iter();
    begun.next().unwrap().await.unwrap().expect(201);
    service.ask_to_end();
    for registration in begun {
        registration.await.unwrap().expect(201);
    }
    let address = service.url().to_owned();
    let (status, log) = tokio::task::spawn_blocking(move || service.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(Api::new(&address).try_send("GET", "/health/live", &[], None).await.is_err());
}
