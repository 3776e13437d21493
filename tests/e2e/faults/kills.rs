//! F01, F02, F19: replicas die at any moment of registrations, refreshes, resets and mail, and are started again. Nothing
//! that was acknowledged is lost, nothing is usable twice, no mail is stranded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystead_testkit::smtp_peer::SmtpPeer;
use serde_json::json;
use tokio::sync::watch;

use super::bed::Bed;
use super::journal::{Stubborn, until};
use crate::process::api::{Answer, PASSWORD, Person, code_in, link_token_in};

/// Times a replica is killed; `cargo xtask prove` does it 200 times for each kind of work.
const KILLS: usize = 12;
/// People at the same time.
const WIDTH: usize = 6;
/// Where the moments of the kills come from.
const SEED: u64 = 0x6a09_e667_f3bc_c908;
/// How long a mail may take: the lease of a worker that died has to lapse first.
const MAIL_PATIENCE: Duration = Duration::from_secs(90);
/// The password after a reset.
const NEW: &str = "copper-violin-meadow-17";

/// splitmix64: moments that look random and are the same every time.
fn scatter(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One person's way through everything, each step asked for until it is answered.
struct Life {
    stubborn: Stubborn,
    mail: Arc<SmtpPeer>,
    steps: Arc<AtomicUsize>,
    email: String,
}

impl Life {
    async fn live(&self) {
        let registered = self.stubborn.register(&self.email).await.expect(201);
        self.done();
        let code = self.mailed(|text| text.lines().any(|line| line.trim().len() == 6).then(|| code_in(text))).await;
        // Refused: the code was taken, and the answer died with its replica. Then the account is there.
        let proved = self.stubborn.verify(&registered, &code).await;
        assert!(matches!(proved.status, 200 | 401), "{proved:?}");
        self.done();
        let again = self.stubborn.verify(&registered, &code).await;
        assert_eq!(again.status, 401, "a code counts once: {again:?}");
        let person = Person::new(&self.stubborn.login(&self.email, PASSWORD).await.expect(200));
        self.done();
        let last = self.refresh(&person).await;
        self.reset().await;
        self.refreshed(&person, &last).await.expect(401);
    }

    fn done(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
    }

    async fn refreshed(&self, person: &Person, token: &str) -> Answer {
        let headers = [("keystead-client-id", person.client_id.as_str())];
        self.stubborn.post("/api/v1/auth/refresh", &headers, &json!({"refreshToken": token})).await
    }

    /// Rotates some times; every successor is the next generation, however often it had to be asked for.
    async fn refresh(&self, person: &Person) -> String {
        let generation = |token: &str| token.split('.').nth(2).unwrap().parse::<u64>().unwrap();
        let mut token = person.refresh.clone();
        for _ in 0..4 {
            let next = self.refreshed(person, &token).await.expect(200).attribute("refreshToken");
            assert_eq!(generation(&next), generation(&token) + 1);
            token = next;
            self.done();
        }
        token
    }

    /// Forgets the password until a link leads to a new one.
    async fn reset(&self) {
        for number in 0.. {
            let key = format!("{}-{number}", self.email);
            let body = json!({"identity": self.email});
            self.stubborn.post("/api/v1/auth/password/forgot", &[("idempotency-key", &key)], &body).await.expect(202);
            self.done();
            let links = number + 1;
            let link = self.newest_link(links).await;
            let begun = self.stubborn.post("/api/v1/auth/password/reset/begin", &[], &json!({"token": link})).await;
            let again = self.stubborn.post("/api/v1/auth/password/reset/begin", &[], &json!({"token": link})).await;
            assert_eq!(again.status, 401, "a link counts once: {again:?}");
            if begun.status == 401 {
                // It was taken, and the answer died with its replica: another link.
                continue;
            }
            let begun = begun.expect(200);
            let bearer = format!("Bearer {}", begun.attribute("accessToken"));
            let client_id = begun.attribute("clientId");
            let headers = [("authorization", bearer.as_str()), ("keystead-client-id", client_id.as_str())];
            let body = json!({"newPassword": NEW});
            let reset = self.stubborn.post("/api/v1/auth/password/reset", &headers, &body).await;
            assert!(matches!(reset.status, 204 | 401), "{reset:?}");
            self.stubborn.login(&self.email, NEW).await.expect(200);
            self.stubborn.login(&self.email, PASSWORD).await.expect(401);
            self.done();
            return;
        }
    }

    /// The link of the latest of so many different mails with one.
    async fn newest_link(&self, count: usize) -> String {
        until(MAIL_PATIENCE, "a link", || {
            let mut links: Vec<String> = Vec::new();
            for text in texts(&self.mail, &self.email).iter().filter(|text| text.contains("#token=")) {
                let link = link_token_in(text);
                // The same mail may come twice.
                if !links.contains(&link) {
                    links.push(link);
                }
            }
            assert!(links.len() <= count, "a link nobody asked for");
            (links.len() == count).then(|| links.pop()).flatten()
        })
        .await
    }

    async fn mailed<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        until(MAIL_PATIENCE, "a mail", || texts(&self.mail, &self.email).iter().find_map(|text| find(text))).await
    }
}

fn texts(mail: &SmtpPeer, email: &str) -> Vec<String> {
    let mails = mail.messages();
    mails.iter().filter(|mail| mail.recipients == [email]).map(|mail| mail.text().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_f02_f19_replicas_die_and_nothing_is_lost_doubled_or_stranded() {
    let mut bed = Bed::start().await;
    let steps = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = watch::channel(false);
    let mut people = tokio::task::JoinSet::new();
    for place in 0..WIDTH {
        let (stubborn, mail, steps) = (Stubborn::new(bed.apis()), Arc::clone(&bed.mail), Arc::clone(&steps));
        let stopped = stopped.clone();
        people.spawn(async move {
            let mut lived = 0;
            while !*stopped.borrow() {
                let email = format!("life{place}-{lived}@example.com");
                let (stubborn, mail, steps) = (stubborn.clone(), Arc::clone(&mail), Arc::clone(&steps));
                Life { stubborn, mail, steps, email }.live().await;
                lived += 1;
            }
            lived
        });
    }
    let mut seed = SEED;
    for kill in 0..KILLS {
        let wanted = steps.load(Ordering::SeqCst) + 4;
        until(MAIL_PATIENCE, "progress", || (steps.load(Ordering::SeqCst) >= wanted).then_some(())).await;
        tokio::time::sleep(Duration::from_micros(scatter(&mut seed) % 40_000)).await;
        tokio::task::block_in_place(|| {
            bed.kill(kill % 2);
            bed.restart(kill % 2);
        });
    }
    stop.send(true).unwrap();
    let lived: u64 = people.join_all().await.into_iter().sum();
    println!("{KILLS} kills, {lived} lives, {} acknowledged steps", steps.load(Ordering::SeqCst));
    assert!(lived > 0);

    assert_eq!(bed.count("SELECT count(*) FROM users"), lived);
    let waiting = "SELECT count(*) FROM outbox WHERE dead_at IS NULL";
    until(MAIL_PATIENCE, "no mail is stranded", || (bed.count(waiting) == 0).then_some(())).await;
    assert_eq!(bed.count("SELECT count(*) FROM outbox"), 0, "nothing was given up");
    let mails = bed.mail.messages();
    let ids: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    let repeats = mails.len() - ids.len();
    println!("{} mails, {repeats} came twice", mails.len());
    assert!(repeats <= KILLS, "more than one for each kill");
}
