//! Two replicas, their stores, a proxy in front of each store, and the mail they send.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keystead_test_servers::{Postgres, PostgresOptions, Proxy, Redis};
use keystead_testkit::smtp_peer::SmtpPeer;
use tokio::time::Instant;

use crate::process::api::{Answer, Api, PATIENCE, Person, code_in, eventually};
use crate::process::configured::Configured;
use crate::process::keystead::Keystead;

/// How soon a request that needs a store which is away is refused. Two seconds are promised; twice that is for the other
/// tests on this machine, and `cargo xtask prove` holds the service to its word.
pub(super) const REFUSED_WITHIN: Duration = Duration::from_secs(4);
/// How soon everything works again once the store is back: five seconds are promised.
pub(super) const WORKS_WITHIN: Duration = Duration::from_secs(15);
/// What the stores are opened with; nothing may print them.
const POSTGRES_PASSWORD: &str = "elephant-password-4711";
const REDIS_PASSWORD: &str = "memory-password-4711";
/// PostgreSQL connections of one replica.
pub(super) const CONNECTIONS: usize = 6;
/// Lines one replica may log at warning level or above in one outage.
const OUTAGE_LINES: usize = 12;

/// Everything of one test. Field order is drop order: replicas end before what they stand on.
pub(super) struct Bed {
    replicas: [Option<Keystead>; 2],
    addresses: [String; 2],
    pub(super) mail: Arc<SmtpPeer>,
    /// The line of each replica to PostgreSQL.
    pub(super) to_postgres: [Proxy; 2],
    /// The line of each replica to Redis.
    pub(super) to_redis: [Proxy; 2],
    configured: Configured,
    settings: Vec<String>,
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
}

impl Bed {
    /// Two replicas on fresh servers with the default options.
    pub(super) async fn start() -> Self {
        Self::start_on(Postgres::options()).await
    }

    /// Two replicas on a PostgreSQL with these options.
    pub(super) async fn start_on(options: PostgresOptions) -> Self {
        let postgres = options.password(POSTGRES_PASSWORD).start().unwrap();
        let redis = Redis::options().password(REDIS_PASSWORD).start().unwrap();
        let to_postgres = [0, 1].map(|_| Proxy::in_front_of(postgres.port()).unwrap());
        let to_redis = [0, 1].map(|_| Proxy::in_front_of(redis.port()).unwrap());
        let mail = Arc::new(SmtpPeer::start().await.unwrap());
        let configured = Configured::with_mail_at(mail.port());
        let mut settings = vec![format!("store.connections={CONNECTIONS}")];
        // Counted, so that the limiter takes part, and never reached.
        let policies = [
            "register",
            "register-verify",
            "login",
            "password-forgot",
            "password-forgot-account",
            "link",
            "refresh",
            "slow-down",
            "requests",
        ];
        settings.extend(policies.map(|policy| format!("limits.{policy}=1000000/1h")));
        let mut bed = Self {
            replicas: [None, None],
            addresses: Default::default(),
            mail,
            to_postgres,
            to_redis,
            configured,
            settings,
            postgres,
            redis,
        };
        for n in [0, 1] {
            let replica = bed.serve(n, "127.0.0.1:0");
            replica.address().clone_into(&mut bed.addresses[n]);
            bed.replicas[n] = Some(replica);
        }
        bed
    }

    /// The settings of a replica, over its own lines to the stores.
    fn settings_of(&self, n: usize) -> Vec<String> {
        let postgres = self.to_postgres[n].url(self.postgres.url());
        let stores = [
            format!("store.url={postgres}?sslmode=disable"),
            format!("store.redis_url={}", self.to_redis[n].url(self.redis.url())),
        ];
        self.settings.iter().cloned().chain(stores).collect()
    }

    fn serve(&self, n: usize, listen: &str) -> Keystead {
        let settings = [self.settings_of(n), vec![format!("http.listen={listen}")]].concat();
        self.configured.serve(&settings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Does something to the lines of both replicas to PostgreSQL.
    pub(super) fn postgres_lines(&self, set: impl Fn(&Proxy) -> keystead_test_servers::Result) {
        self.to_postgres.iter().for_each(|line| set(line).unwrap());
    }

    /// Does something to the lines of both replicas to Redis.
    pub(super) fn redis_lines(&self, set: impl Fn(&Proxy) -> keystead_test_servers::Result) {
        self.to_redis.iter().for_each(|line| set(line).unwrap());
    }

    /// A client of one replica.
    pub(super) fn api(&self, n: usize) -> Api {
        Api::new(&format!("http://{}", self.addresses[n]))
    }

    /// A client of each.
    pub(super) fn apis(&self) -> [Api; 2] {
        [self.api(0), self.api(1)]
    }

    /// Ends a replica like a power cut.
    pub(super) fn kill(&mut self, n: usize) {
        self.replicas[n].take().unwrap().kill();
    }

    /// Asks a replica to end; the caller waits for it.
    pub(super) fn end(&mut self, n: usize) -> Keystead {
        let replica = self.replicas[n].take().unwrap();
        replica.ask_to_end();
        replica
    }

    /// Starts a replica where it was.
    pub(super) fn restart(&mut self, n: usize) {
        assert!(self.replicas[n].is_none());
        self.replicas[n] = Some(self.serve(n, &self.addresses[n]));
    }

    /// What a replica has logged so far.
    pub(super) fn log(&self, n: usize) -> String {
        self.replicas[n].as_ref().unwrap().log()
    }

    /// A command of the binary where the first replica runs.
    pub(super) fn command(&self, words: &[&str], rest: &[&str]) -> Command {
        let mut settings = self.settings_of(0);
        // An operator is patient.
        settings.push("store.acquire_timeout=10s".to_owned());
        let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting.as_str()]).collect();
        let mut command = self.configured.command(words, &set);
        command.args(rest);
        command
    }

    /// Bans somebody, as an operator does.
    pub(super) fn ban(&self, email: &str) {
        let mut command = self.command(&["user", "ban"], &[email]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The texts of the mails somebody got, oldest first.
    pub(super) fn mails_to(&self, email: &str) -> Vec<String> {
        let mails = self.mail.messages();
        mails.iter().filter(|mail| mail.recipients == [email]).map(|mail| mail.text().unwrap()).collect()
    }

    /// The code in the newest mail to somebody that has one.
    pub(super) async fn code_for(&self, email: &str) -> String {
        eventually(PATIENCE, "a mail", async || self.mails_to(email).last().map(|mail| code_in(mail))).await
    }

    /// Registers somebody on one replica and proves it on the other.
    pub(super) async fn sign_up(&self, email: &str) -> Person {
        let registered = self.api(0).register(email).await.expect(201);
        let code = self.code_for(email).await;
        Person::new(&self.api(1).verify(&registered, &code).await.expect(200))
    }

    /// Fails unless everything works on both replicas within [`WORKS_WITHIN`] from now, without anybody's help.
    pub(super) async fn works_again(&self, email: &str) {
        let begun = Instant::now();
        for api in self.apis() {
            eventually(WORKS_WITHIN, "signing in and refreshing", async || {
                if api.get("/health/ready").await.status != 200 {
                    return None;
                }
                let login = api.login(email, crate::process::api::PASSWORD).await;
                if login.status != 200 {
                    return None;
                }
                let person = Person::new(&login);
                (verify(&api, &person).await.status == 200 && api.refresh(&person, &person.refresh).await.status == 200)
                    .then_some(())
            })
            .await;
        }
        let took = begun.elapsed();
        println!("works again after {took:?}");
        assert!(took < WORKS_WITHIN, "{took:?}");
    }

    /// How long the logs are by now.
    pub(super) fn log_marks(&self) -> [usize; 2] {
        [0, 1].map(|n| self.log(n).len())
    }

    /// What the logs hold since: no secret and no panic.
    pub(super) fn logs_have_no_secrets(&self, since: &[usize; 2]) {
        for n in [0, 1] {
            let log = &self.log(n)[since[n]..];
            for secret in [POSTGRES_PASSWORD, REDIS_PASSWORD, crate::process::api::PASSWORD, "panicked"] {
                assert!(!log.contains(secret), "{secret} is in\n{log}");
            }
        }
    }

    /// What the logs hold since: no secret, no panic, and few lines.
    pub(super) fn logs_are_bearable(&self, since: &[usize; 2]) {
        self.logs_have_no_secrets(since);
        for n in [0, 1] {
            let log = &self.log(n)[since[n]..];
            let alarms: Vec<&str> =
                log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
            assert!(alarms.len() <= OUTAGE_LINES, "{} lines:\n{}", alarms.len(), alarms.join("\n"));
        }
    }

    /// How many connections PostgreSQL sees from both replicas.
    pub(super) fn connections(&self) -> usize {
        let count = self.postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keystead'");
        count.unwrap().trim().parse().unwrap()
    }

    /// One number from the database.
    pub(super) fn count(&self, sql: &str) -> u64 {
        self.postgres.execute(sql).unwrap().trim().parse().unwrap()
    }
}

/// Asks whether an access token counts.
pub(super) async fn verify(api: &Api, who: &Person) -> Answer {
    api.send_as(who, "POST", "/api/v1/auth/token/verify", None).await
}

/// A refusal because a store is away: 503, its code, and when to come again.
#[track_caller]
pub(super) fn is_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "DEPENDENCY_UNAVAILABLE"), "{answer:?}");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{answer:?}");
}

/// The answer, which must come within [`REFUSED_WITHIN`].
pub(super) async fn in_time<F: Future<Output = Answer>>(what: &str, asking: F) -> Answer {
    let begun = Instant::now();
    let answer = asking.await;
    let took = begun.elapsed();
    assert!(took < REFUSED_WITHIN, "{what}: {} after {took:?}", answer.status);
    answer
}
