//! A real nginx in front of two real replicas, with the configurations of `deploy/`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use super::client::client;
use super::front::{Front, KINDS, Kind, NAME, checked};
use super::replicas::Replicas;
use crate::process::api::{Api, PASSWORD, PATIENCE, Person, eventually};

/// So that a hundred requests of one test are not taken for an attack.
const UNLIMITED: [&str; 2] = ["limits.mode=off", "unsafe_allow=limits-off"];

#[test]
fn nginx_accepts_the_configurations_without_a_warning() {
    for kind in KINDS {
        let (valid, words) = checked(kind, str::to_owned);
        // From 1.25 on it would like "http2" in a line of its own, which 1.22 does not know.
        let warnings: Vec<&str> =
            words.lines().filter(|line| line.contains("[warn]") && !line.contains("listen ... http2")).collect();
        assert!(valid && warnings.is_empty(), "{kind:?}: {words}");
        let (valid, words) = checked(kind, |text| text.replace("proxy_http_version", "proxy_http_versoin"));
        assert!(!valid && words.contains("proxy_http_versoin"), "{kind:?}: {words}");
    }
}

#[tokio::test]
async fn people_are_served_by_two_replicas_over_tls() {
    let replicas = Replicas::start(&UNLIMITED).await;
    for (n, kind) in KINDS.into_iter().enumerate() {
        let front = Front::start(kind, &replicas.behind()).await;
        let api = client(&front, [127, 0, 0, 2]).await;
        let person = replicas.sign_up(&api, &format!("user{n}@example.com")).await;
        let refreshed = api.refresh(&person, &person.refresh).await.expect(200);
        let person = Person {
            access: refreshed.attribute("accessToken"),
            refresh: refreshed.attribute("refreshToken"),
            ..person
        };
        // What one replica signed and stored the other knows: requests take turns.
        let before = [0, 1].map(|n| front.served_by(replicas.address(n)));
        for _ in 0..8 {
            api.send_as(&person, "GET", "/api/v1/users/me", None).await.expect(200);
            api.send_as(&person, "POST", "/api/v1/auth/token/verify", None).await.expect(200);
        }
        for (n, before) in before.into_iter().enumerate() {
            assert!(front.served_by(replicas.address(n)) > before, "{kind:?}: replica {n} was not asked");
        }
        api.send_as(&person, "POST", "/api/v1/auth/logout", None).await.expect(204);
        for _ in 0..4 {
            eventually(PATIENCE, "the end of the token", async || {
                let answer = api.send_as(&person, "POST", "/api/v1/auth/token/verify", None).await;
                (answer.status == 401).then_some(())
            })
            .await;
        }
        api.refresh(&person, &person.refresh).await.expect(401);
        assert_eq!(front.errors(), "", "{kind:?}");
    }
}

#[tokio::test]
async fn g17_the_service_sees_the_client_and_not_what_it_claims() {
    let replicas = Replicas::start(&[]).await;
    for (kind, honest) in KINDS.into_iter().zip([[127, 0, 0, 2], [127, 0, 0, 3]]) {
        let front = Front::start(kind, &replicas.behind()).await;
        let api = client(&front, honest).await;
        let email = format!("{}@example.com", if kind == Kind::Machine { "ada" } else { "grace" });
        let ada = replicas.sign_up(&api, &email).await;
        let claims = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("keystead-client", "native"),
        ];
        let body = json!({"identity": email, "password": PASSWORD});
        api.send("POST", "/api/v1/auth/login", &claims, Some(&body)).await.expect(200);
        let logins = api.send_as(&ada, "GET", "/api/v1/login-history", None).await.expect(200).json();
        let logins = logins["data"].as_array().unwrap().clone();
        let seen: Vec<&str> = logins.iter().map(|login| login["attributes"]["ip"].as_str().unwrap()).collect();
        let expected = std::net::Ipv4Addr::from(honest).to_string();
        assert!(seen.len() >= 2 && seen.iter().all(|ip| *ip == expected), "{seen:?}");
    }
    // Five registrations in half an hour, counted by both replicas together, whatever the client says of itself; and
    // nobody else is stopped by them.
    let front = Front::start(Kind::Machine, &replicas.behind()).await;
    let register = async |api: &Api, n: usize| {
        let claimed = format!("203.0.113.{n}");
        let headers = [("x-forwarded-for", claimed.as_str()), ("keystead-client", "native")];
        let body = json!({"email": format!("user{n}@example.com"), "password": PASSWORD});
        api.send("POST", "/api/v1/auth/register", &headers, Some(&body)).await.status
    };
    let greedy = client(&front, [127, 0, 0, 4]).await;
    let mut statuses = Vec::new();
    for n in 0..7 {
        statuses.push(register(&greedy, n).await);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429, 429]);
    assert_eq!(register(&client(&front, [127, 0, 0, 5]).await, 7).await, 201);
}

/// Clients that read without a pause, and what they were answered.
struct Readers {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: JoinSet<Vec<u16>>,
}

impl Readers {
    fn start(api: &Api, person: &Person) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (api, person, stop, served) = (api.clone(), person.clone(), Arc::clone(&stop), Arc::clone(&served));
            tasks.spawn(async move {
                let mut odd = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let status = api.send_as(&person, "GET", "/api/v1/users/me", None).await.status;
                    odd.extend((status != 200).then_some(status));
                    served.fetch_add(1, Ordering::SeqCst);
                }
                odd
            });
        }
        Self { stop, served, tasks }
    }

    /// Waits for so many more answers.
    async fn served(&self, more: usize) {
        let goal = self.served.load(Ordering::SeqCst) + more;
        eventually(PATIENCE, "answers", async || (self.served.load(Ordering::SeqCst) >= goal).then_some(())).await;
    }

    /// Ends them; every answer must have been a good one.
    async fn all_were_served(self) {
        self.stop.store(true, Ordering::SeqCst);
        let odd: Vec<u16> = self.tasks.join_all().await.concat();
        assert_eq!(odd, Vec::<u16>::new(), "of {} answers", self.served.load(Ordering::SeqCst));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_while_replicas_die_end_and_come_back() {
    let mut replicas = Replicas::start(&UNLIMITED).await;
    for kind in KINDS {
        let front = Front::start(kind, &replicas.behind()).await;
        let api = client(&front, [127, 0, 0, 2]).await;
        let email = format!("{}@example.com", if kind == Kind::Machine { "ada" } else { "grace" });
        let ada = replicas.sign_up(&api, &email).await;
        let readers = Readers::start(&api, &ada);
        for (n, other) in [(0, 1), (1, 0)] {
            readers.served(40).await;
            if n == 0 {
                replicas.kill(n);
            } else {
                replicas.end(n);
            }
            readers.served(40).await;
            // With one replica everything works, what must not be repeated too.
            for _ in 0..3 {
                let person = api.signed_in(&email, PASSWORD).await;
                api.refresh(&person, &person.refresh).await.expect(200);
            }
            replicas.restart(n);
            // nginx finds it again by itself.
            let before = front.served_by(replicas.address(n));
            eventually(PATIENCE, "the replica", async || {
                (front.served_by(replicas.address(n)) > before + 10).then_some(())
            })
            .await;
            assert!(front.served_by(replicas.address(other)) > 0);
        }
        readers.all_were_served().await;
    }
}

#[tokio::test]
async fn without_a_replica_clients_are_told_in_the_language_of_the_service() {
    let mut replicas = Replicas::start(&[]).await;
    let fronts = [
        Front::start(Kind::Machine, &replicas.behind()).await,
        Front::start(Kind::Containers, &replicas.behind()).await,
    ];
    replicas.kill(0);
    replicas.kill(1);
    for front in &fronts {
        let api = client(front, [127, 0, 0, 2]).await;
        let answer = api.login("ada@example.com", PASSWORD).await.expect(503);
        assert_eq!(answer.code(), "DEPENDENCY_UNAVAILABLE");
        assert_eq!((answer.header("retry-after"), answer.header("cache-control")), ("2", "no-store"));
        assert_eq!(answer.header("content-type"), "application/vnd.api+json");
    }
    replicas.restart(1);
    for front in &fronts {
        let api = client(front, [127, 0, 0, 2]).await;
        eventually(PATIENCE, "an answer", async || (api.get("/health/ready").await.status == 200).then_some(())).await;
    }
}

#[tokio::test]
async fn nginx_speaks_http_2_and_lets_nothing_through_that_is_not_for_the_world() {
    let replicas = Replicas::start(&["http.admin_listen=127.0.0.1:0"]).await;
    for kind in KINDS {
        let front = Front::start(kind, &replicas.behind()).await;
        assert_eq!(front.negotiated(&["h2", "http/1.1"]).await.as_deref(), Some("h2"), "{kind:?}");
        let api = client(&front, [127, 0, 0, 2]).await;
        let live = api.get("/health/live").await.expect(200);
        assert_eq!(live.header("server"), "nginx");
        assert!(live.header("strict-transport-security").starts_with("max-age="), "{live:?}");
        for closed in ["/metrics", "/metrics/", "/%6detrics", "/dev/mail", "/dev/clock", "/x/../dev/mail"] {
            api.get(closed).await.expect(404);
        }
        // The service itself refuses what is too large for it; what is larger still does not reach it.
        let long = |bytes: usize| json!({"email": "ada@example.com", "password": "x".repeat(bytes)});
        let refused = api.post("/api/v1/auth/register", &long(68 * 1024)).await.expect(413);
        assert!(!refused.code().is_empty(), "{refused:?}");
        api.post("/api/v1/auth/register", &long(100 * 1024)).await.expect(413);

        let plain = Api::new(&format!("http://{}", front.http()));
        let host = [("host", NAME)];
        let page = plain.send("GET", "/somewhere?q=1", &host, None).await.expect(301);
        assert_eq!(page.header("location"), format!("https://{NAME}/somewhere?q=1"));
        plain.send("POST", "/api/v1/auth/login", &host, Some(&json!({}))).await.expect(403);
    }
    let front = Front::start(Kind::Containers, &replicas.behind()).await;
    let health = Api::new(&format!("http://{}", front.health()));
    health.get("/health/ready").await.expect(200);
    health.get("/api/v1/auth/status").await.expect(404);
}
