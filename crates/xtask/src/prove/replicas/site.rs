//! Two replicas of the binary over a PostgreSQL and a Redis of this program's own, each behind a line that can be broken.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keystead_test_servers::{Postgres, Proxy, Redis};
use serde_json::Value;

use super::super::Bed;
use crate::api::{self, Api, Tokens};
use crate::http::{Connection, Reply, request};
use crate::inbox::Inbox;
use crate::service::Service;
use crate::{Outcome, sample, shell};

/// Accepted by name: everything runs on this machine, and what is proved is not the limits.
const SETTINGS: [&str; 4] = [
    "unsafe_allow=plain-http,plain-smtp,plain-postgres,plain-redis,limits-off",
    "limits.mode=off",
    "log.level=warn",
    "captcha.provider=none",
];
/// How long a client goes on asking.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// The replicas and what they stand on. Field order is drop order.
pub(super) struct Site {
    replicas: [Option<Service>; 2],
    addresses: [SocketAddr; 2],
    keystead: PathBuf,
    folder: PathBuf,
    inbox: Arc<Inbox>,
    /// The lines of both replicas to PostgreSQL.
    pub(super) to_postgres: Proxy,
    /// The lines of both replicas to Redis.
    pub(super) to_redis: Proxy,
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
}

impl Site {
    /// Starts servers and replicas. The mail server takes `mail_pause` for each message.
    pub(super) fn start(bed: &Bed, name: &str, mail_pause: Duration) -> Outcome<Self> {
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        let to_postgres = Proxy::in_front_of(postgres.port())?;
        let to_redis = Proxy::in_front_of(redis.port())?;
        let inbox = Inbox::start(mail_pause)?;
        let folder = bed.folder.path().join(format!("replicas-{name}"));
        std::fs::create_dir_all(&folder)?;
        let mut init = Command::new(&bed.keystead);
        init.args(["init", "--public-url", "http://127.0.0.1:8787", "--listen", "127.0.0.1:0"]);
        init.args(["--postgres", &to_postgres.url(postgres.url()), "--redis", &to_redis.url(redis.url())]);
        init.args(["--smtp", &inbox.url(), "--mail-from", "prove@example.com", "--out", "keystead.toml"]);
        shell::read(init.current_dir(&folder))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut site = Self {
            replicas: [None, None],
            addresses: [nowhere; 2],
            keystead: bed.keystead.clone(),
            folder,
            inbox,
            to_postgres,
            to_redis,
            postgres,
            redis,
        };
        site.restart(0)?;
        site.restart(1)?;
        Ok(site)
    }

    fn prepared(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.keystead);
        command.current_dir(&self.folder).args(words).args(["--config", "keystead.toml"]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts a replica where it was.
    pub(super) fn restart(&mut self, n: usize) -> Outcome {
        let (Some(replica), Some(address)) = (self.replicas.get_mut(n), self.addresses.get_mut(n)) else {
            return Err("there are two replicas".into());
        };
        *replica = None;
        let mut command = Command::new(&self.keystead);
        command.current_dir(&self.folder).args(["serve", "--config", "keystead.toml"]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("http.listen={address}")]);
        let service = Service::start(command, &self.folder.join(format!("replica{n}.log")))?;
        service.wait_until_ready()?;
        *address = service.address();
        *replica = Some(service);
        Ok(())
    }

    /// Ends a replica like a power cut.
    pub(super) fn kill(&mut self, n: usize) {
        if let Some(service) = self.replicas.get_mut(n).and_then(Option::take) {
            service.kill();
        }
    }

    /// Bans somebody, as an operator does.
    pub(super) fn ban(&self, email: &str) -> Outcome {
        shell::read(self.prepared(&["user", "ban"]).arg(email)).map(drop)
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.to_vec()
    }

    pub(super) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// A client of one replica.
    pub(super) fn api(&self, n: usize) -> Api {
        let [first, second] = self.addresses;
        Api::with_mail(if n.is_multiple_of(2) { first } else { second }, Some(self.inbox()))
    }

    /// A client of both that goes on whatever happens.
    pub(super) fn client(&self) -> Client {
        Client { replicas: self.addresses.map(Connection::to), turn: 0 }
    }

    /// One number from the database.
    pub(super) fn count(&self, sql: &str) -> Outcome<u64> {
        Ok(self.postgres.execute(sql)?.trim().parse()?)
    }

    /// Waits until no message waits; how many are left after `patience`.
    pub(super) fn stranded(&self, patience: Duration) -> Outcome<u64> {
        let deadline = sample::now() + patience;
        loop {
            let waiting = self.count("SELECT count(*) FROM outbox")?;
            if waiting == 0 || sample::now() > deadline {
                return Ok(waiting);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A client that asks one replica, and the other when there is no answer or it is "not now".
pub(super) struct Client {
    replicas: [Connection; 2],
    turn: usize,
}

impl Client {
    /// Sends a request until it is answered by something else than "not now" (503) or "being served" (409).
    pub(super) fn ask(&mut self, bytes: &[u8]) -> Outcome<Reply> {
        let deadline = sample::now() + PATIENCE;
        while sample::now() < deadline {
            self.turn += 1;
            let [first, second] = &mut self.replicas;
            let replica = if self.turn.is_multiple_of(2) { first } else { second };
            match replica.send(bytes) {
                Ok(reply) if !matches!(reply.status, 409 | 503) => return Ok(reply),
                _ => std::thread::sleep(PAUSE),
            }
        }
        Err("no replica answered for two minutes".into())
    }

    /// A POST with a body that is one request however often it is sent.
    pub(super) fn post_once(&mut self, path: &str, key: &str, body: &Value) -> Outcome<Reply> {
        let headers = [("Keystead-Client", "native"), ("Idempotency-Key", key)];
        self.ask(&request("POST", &format!("/api/v1{path}"), &headers, Some(&body.to_string())))
    }

    /// Signs in.
    pub(super) fn login(&mut self, email: &str, password: &str) -> Outcome<Reply> {
        self.ask(&api::login_request(email, password))
    }

    /// Rotates the refresh token.
    pub(super) fn refresh(&mut self, tokens: &Tokens) -> Outcome<Tokens> {
        let reply = self.ask(&api::refresh_request(tokens)?)?.expect(200, "refresh")?;
        Tokens::read(&reply, Some(&tokens.client))
    }
}
