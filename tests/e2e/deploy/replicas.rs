//! Two replicas of the service over PostgreSQL and Redis, and the mail they send.

use keystead_test_servers::{Database, shared};
use keystead_testkit::smtp_peer::SmtpPeer;

use super::front::{Behind, NAME};
use crate::process::api::{Api, PASSWORD, PATIENCE, Person, code_in, eventually};
use crate::process::configured::Configured;
use crate::process::keystead::{Keystead, finish};

/// Two replicas over the same stores.
pub(super) struct Replicas {
    configured: Configured,
    mail: SmtpPeer,
    settings: Vec<String>,
    running: [Option<Keystead>; 2],
    addresses: [String; 2],
    /// Dropped after the replicas, and with it their data.
    database: Database,
}

impl Replicas {
    /// Starts them, with these further settings.
    pub(super) async fn start(settings: &[&str]) -> Self {
        let mail = SmtpPeer::start().await.unwrap();
        let configured = Configured::with_mail_at(mail.port());
        // Starting a server blocks.
        let database = tokio::task::spawn_blocking(shared::fresh_database).await.unwrap();
        let mut all = vec![
            format!("http.public_url=https://{NAME}"),
            "http.trusted_proxies=127.0.0.1".to_owned(),
            format!("store.url={}", database.url()),
            format!("store.redis_url={}", shared::redis_url()),
            format!("store.redis_prefix={}", shared::redis_prefix().trim_end_matches(':')),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let mut replicas =
            Self { configured, mail, settings: all, running: [None, None], addresses: Default::default(), database };
        for n in [0, 1] {
            let replica = replicas.serve("127.0.0.1:0");
            replica.address().clone_into(&mut replicas.addresses[n]);
            replicas.running[n] = Some(replica);
        }
        replicas
    }

    fn serve(&self, listen: &str) -> Keystead {
        let listen = format!("http.listen={listen}");
        let mut settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        settings.push(&listen);
        self.configured.serve(&settings)
    }

    /// What nginx is to stand in front of, with an application nobody asks for.
    pub(super) fn behind(&self) -> Behind {
        Behind { replicas: self.addresses.clone(), application: ([127, 0, 0, 1], 1).into() }
    }

    /// A client of one of them, without nginx.
    pub(super) fn api(&self, n: usize) -> Api {
        Api::new(&format!("http://{}", self.address(n)))
    }

    /// The address of their database.
    pub(super) fn database(&self) -> &str {
        self.database.url()
    }

    /// Runs a command on their data.
    pub(super) fn command(&self, words: &[&str]) {
        let set: Vec<&str> = self.settings.iter().flat_map(|setting| ["--set", setting]).collect();
        finish(self.configured.command(words, &set), "").ok();
    }

    pub(super) fn address(&self, n: usize) -> &str {
        &self.addresses[n]
    }

    /// Ends one like a power cut.
    pub(super) fn kill(&mut self, n: usize) {
        self.running[n].take().unwrap().kill();
    }

    /// Asks one to end, and waits for it.
    pub(super) fn end(&mut self, n: usize) {
        let replica = self.running[n].take().unwrap();
        replica.ask_to_end();
        let (status, log) = replica.wait();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    /// Starts one again where it was.
    pub(super) fn restart(&mut self, n: usize) {
        assert!(self.running[n].is_none());
        self.running[n] = Some(self.serve(&self.addresses[n]));
    }

    /// The code in the newest mail to somebody.
    async fn code_for(&self, email: &str) -> String {
        eventually(PATIENCE, "a mail", async || {
            let mails = self.mail.messages();
            mails.iter().rev().find(|mail| mail.recipients == [email]).map(|mail| code_in(&mail.text().unwrap()))
        })
        .await
    }

    /// Registers somebody, proves it with the mailed code, signs in.
    pub(super) async fn sign_up(&self, api: &Api, email: &str) -> Person {
        let registered = api.register(email).await.expect(201);
        let code = self.code_for(email).await;
        api.verify(&registered, &code).await.expect(200);
        api.signed_in(email, PASSWORD).await
    }
}
