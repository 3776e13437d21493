//! F18: a replica is told to end while clients ask. What is under way is finished; clients that go to the other replica
//! when a connection fails see nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::bed::Bed;
use crate::process::api::{Answer, Api, PASSWORD, PATIENCE, Person, eventually};

/// Clients of each kind.
const WIDTH: usize = 3;

/// A client that goes to the other replica when a connection fails, and accepts no other failure.
struct Client {
    apis: [Api; 2],
    turn: usize,
    answered: Arc<AtomicUsize>,
    retried: Arc<AtomicUsize>,
}

impl Client {
    async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: Option<&Value>, status: u16) -> Answer {
        let mut all = vec![("keystead-client", "native")];
        all.extend(headers);
        for _ in 0..2 {
            self.turn = 1 - self.turn;
            if let Ok(answer) = self.apis[self.turn].try_send("POST", path, &all, body).await {
                self.answered.fetch_add(1, Ordering::SeqCst);
                return answer.expect(status);
            }
            self.retried.fetch_add(1, Ordering::SeqCst);
        }
        panic!("{path}: neither replica answers");
    }

    async fn refresh(&mut self, mut person: Person, stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let headers = [("keystead-client-id", person.client_id.as_str())];
            let body = json!({"refreshToken": person.refresh});
            let answer = self.post("/api/v1/auth/refresh", &headers, Some(&body), 200).await;
            person.refresh = answer.attribute("refreshToken");
            person.access = answer.attribute("accessToken");
            let bearer = format!("Bearer {}", person.access);
            let headers = [("keystead-client-id", person.client_id.as_str()), ("authorization", bearer.as_str())];
            for _ in 0..10 {
                self.post("/api/v1/auth/token/verify", &headers, None, 200).await;
            }
        }
    }

    async fn log_in(&mut self, email: String, stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let body = json!({"identity": email, "password": PASSWORD});
            self.post("/api/v1/auth/login", &[], Some(&body), 200).await;
        }
    }

    async fn register(&mut self, place: usize, stopped: watch::Receiver<bool>) {
        for number in 0.. {
            if *stopped.borrow() {
                return;
            }
            let email = format!("new{place}-{number}@example.com");
            let body = json!({"email": email, "password": PASSWORD});
            self.post("/api/v1/auth/register", &[("idempotency-key", &email)], Some(&body), 201).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_replicas_end_one_after_the_other_and_nobody_notices() {
    let mut bed = Bed::start().await;
    let email = "ada@example.com";
    bed.sign_up(email).await;
    let (answered, retried) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for place in 0..WIDTH {
        let client =
            |turn| Client { apis: bed.apis(), turn, answered: Arc::clone(&answered), retried: Arc::clone(&retried) };
        let (mut first, mut second, mut third) = (client(0), client(1), client(0));
        let person = bed.api(0).signed_in(email, PASSWORD).await;
        let s = stopped.clone();
        clients.spawn(async move { first.refresh(person, s).await });
        let s = stopped.clone();
        clients.spawn(async move { second.log_in(email.to_owned(), s).await });
        let s = stopped.clone();
        clients.spawn(async move { third.register(place, s).await });
    }
    let progress = async |more: usize| {
        let wanted = answered.load(Ordering::SeqCst) + more;
        eventually(PATIENCE, "progress", async || (answered.load(Ordering::SeqCst) >= wanted).then_some(())).await;
    };
    for n in [0, 1, 0, 1] {
        progress(60).await;
        let ending = bed.end(n);
        let (status, log) = tokio::task::spawn_blocking(move || ending.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        progress(20).await;
        tokio::task::block_in_place(|| bed.restart(n));
    }
    progress(60).await;
    stop.send(true).unwrap();
    clients.join_all().await;
    let (answered, retried) = (answered.load(Ordering::SeqCst), retried.load(Ordering::SeqCst));
    println!("4 ends under load: {answered} answers, {retried} connections tried again, 0 failures");
    // Mail that a worker left behind goes out through the other one.
    let registered = bed.count("SELECT count(*) FROM pending_registrations");
    assert!(registered > 0);
    let waiting = "SELECT count(*) FROM outbox";
    eventually(PATIENCE * 2, "every mail", async || (bed.count(waiting) == 0).then_some(())).await;
}
