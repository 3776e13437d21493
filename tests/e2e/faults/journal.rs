//! Clients that go on whatever happens, and a journal of what was acknowledged to them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::bed::Bed;
use crate::process::api::{Answer, Api, PASSWORD, PATIENCE, code_in, eventually};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(15);

/// Looks again and again until there is something; fails the test after `limit`.
pub(super) async fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(limit, looking).await.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}

/// A client that asks one replica, and the other when there is no answer or a store is away.
#[derive(Clone)]
pub(super) struct Stubborn {
    apis: [Api; 2],
    turn: Arc<AtomicU64>,
}

impl Stubborn {
    pub(super) fn new(apis: [Api; 2]) -> Self {
        Self { apis, turn: Arc::default() }
    }

    /// The next replica.
    pub(super) fn next(&self) -> &Api {
        &self.apis[usize::try_from(self.turn.fetch_add(1, Ordering::Relaxed) % 2).unwrap()]
    }

    /// Posts until there is an answer that is none of "not now" (503) and "being served" (409). Every try has the same
    /// headers: with an `Idempotency-Key` they are one request.
    pub(super) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("keystead-client", "native")];
        all.extend(headers);
        let asking = async {
            loop {
                let answer = self.next().try_send("POST", path, &all, Some(body)).await;
                match answer {
                    Ok(answer) if !matches!(answer.status, 409 | 503) => return answer,
                    _ => tokio::time::sleep(PAUSE).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE * 2, asking).await.unwrap_or_else(|_| panic!("{path}: never answered"))
    }

    /// Registers somebody, once.
    pub(super) async fn register(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD});
        self.post("/api/v1/auth/register", &[("idempotency-key", email)], &body).await
    }

    pub(super) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", &[], &json!({"identity": email, "password": password})).await
    }

    /// Shows the code of a registration until there is an answer. A code that was taken while its answer was lost is
    /// refused the next time.
    pub(super) async fn verify(&self, registered: &Answer, code: &str) -> Answer {
        let bearer = format!("Bearer {}", registered.attribute("accessToken"));
        let client_id = registered.attribute("clientId");
        let headers = [("authorization", bearer.as_str()), ("keystead-client-id", client_id.as_str())];
        self.post("/api/v1/auth/register/verify", &headers, &json!({"code": code})).await
    }
}

/// Registrations that go on in the background until told to stop.
pub(super) struct Registrars {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    acknowledged: Arc<Mutex<Vec<(String, Answer)>>>,
}

impl Registrars {
    /// So many clients, each of which registers one person after the other.
    pub(super) fn start(bed: &Bed, name: &str, clients: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let tasks = (0..clients).map(|client| {
            let (stubborn, stopped, journal) = (Stubborn::new(bed.apis()), stopped.clone(), Arc::clone(&acknowledged));
            let name = name.to_owned();
            tokio::spawn(async move {
                for number in 0.. {
                    if *stopped.borrow() {
                        return;
                    }
                    let email = format!("{name}-{client}-{number}@example.com");
                    let answer = stubborn.register(&email).await.expect(201);
                    journal.lock().unwrap().push((email, answer));
                }
            })
        });
        let tasks = tasks.collect();
        Self { stop, tasks, acknowledged }
    }

    /// How many were acknowledged so far.
    pub(super) fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more were acknowledged.
    pub(super) async fn progress(&self, more: usize) {
        let wanted = self.count() + more;
        eventually(PATIENCE * 2, "progress", async || (self.count() >= wanted).then_some(())).await;
    }

    /// Ends them and returns the journal: every registration in it was begun once and answered 201.
    pub(super) async fn finish(self) -> Vec<(String, Answer)> {
        self.stop.send(true).unwrap();
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// Everybody in the journal exists once, got one mail (and again only the same one, at most `repeats` times over all),
/// verifies and logs in.
pub(super) async fn nothing_was_lost(bed: &Bed, journal: &[(String, Answer)], patience: Duration, repeats: usize) {
    assert!(!journal.is_empty());
    eventually(patience, "every mail", async || {
        let mails = bed.mail.messages();
        journal.iter().all(|(email, _)| mails.iter().any(|mail| mail.recipients == [email.as_str()])).then_some(())
    })
    .await;
    let stubborn = Stubborn::new(bed.apis());
    let mut repeated = 0;
    for (email, registered) in journal {
        let mails = bed.mail.messages();
        let mine: Vec<_> = mails.iter().filter(|mail| mail.recipients == [email.as_str()]).collect();
        let ids: Vec<_> = mine.iter().map(|mail| mail.header("Message-ID")).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "two mails for one registration, {email}: {ids:?}");
        repeated += ids.len() - 1;
        let claims = format!("SELECT count(*) FROM pending_registrations WHERE email = '{email}'");
        assert_eq!(bed.count(&claims), 1, "{email} was registered more than once");
        stubborn.verify(registered, &code_in(&mine[0].text().unwrap())).await.expect(200);
        stubborn.login(email, PASSWORD).await.expect(200);
    }
    assert!(repeated <= repeats, "{repeated} mails came twice");
    println!("{} registrations acknowledged, 0 lost, {repeated} mails repeated", journal.len());
}
