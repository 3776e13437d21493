//! A running service, and commands on its data.

use std::process::Command;
use std::sync::Arc;

use keystead_testkit::smtp_peer::SmtpPeer;
use tempfile::TempDir;

use super::api::Api;
use super::configured::Configured;
use super::keystead::{Keystead, command};
use crate::support::{REPLICAS, Stores};

/// A service in processes of its own, on the stores of this run: one `keystead dev`, or replicas of `keystead serve`.
pub(crate) struct Site {
    // Dropped before what they stand on.
    services: Vec<Keystead>,
    data: Data,
    api: Api,
}

enum Data {
    Dev(TempDir),
    Servers(Configured),
}

impl Site {
    /// With the default limits.
    pub(crate) async fn start() -> Self {
        Self::with_limits("default").await
    }

    pub(crate) async fn without_limits() -> Self {
        Self::with_limits("off").await
    }

    async fn with_limits(mode: &str) -> Self {
        if Stores::of_this_run() == Stores::Embedded {
            return Self::dev(mode);
        }
        let peer = SmtpPeer::start().await.unwrap();
        let configured = Configured::with_mail_at(peer.port());
        let set = [&format!("limits.mode={mode}"), "unsafe_allow=limits-off"];
        let services: Vec<Keystead> = (0..REPLICAS).map(|_| configured.serve(&set)).collect();
        let urls = services.iter().map(|service| service.url().to_owned()).collect();
        Self { api: Api::of(urls, Some(Arc::new(peer))), services, data: Data::Servers(configured) }
    }

    /// One `keystead dev` with these limits, whatever the stores of this run.
    pub(crate) fn dev(limits: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let services = vec![Keystead::dev(home.path(), &["--limits", limits])];
        Self { api: Api::new(services[0].url()), services, data: Data::Dev(home) }
    }

    /// Every replica, in turn.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Where each process listens.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.services.iter().map(|service| service.url().to_owned()).collect()
    }

    /// The process that requests on the bare connection are sent to.
    pub(crate) fn service(&self) -> &Keystead {
        &self.services[0]
    }

    /// What every process logged.
    pub(crate) fn log(&self) -> String {
        self.services.iter().map(Keystead::log).collect()
    }

    /// A command on its data: `words`, where the data is, `rest`.
    pub(crate) fn command(&self, words: &[&str], rest: &[&str]) -> Command {
        match &self.data {
            Data::Dev(home) => {
                let mut command = command(home.path(), words);
                command.args(["--data-dir", "keystead-dev"]).args(rest);
                command
            }
            Data::Servers(configured) => configured.command(words, rest),
        }
    }
}
