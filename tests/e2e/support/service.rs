//! The real service, in this process, on a thread and a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use keystead_api_actix::compose::{HashingFigures, compose, fresh_bytes};
use keystead_api_actix::config::{Config, LimitsMode, MASTER_KEY_BYTES, encode_master_key, write_new_private};
use keystead_api_actix::server;
use keystead_api_actix::services::Services;
use keystead_domain::SecretBytes;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::actors::{Anonymous, Kind, PASSWORD, SignedIn};
use super::database::Database;
use super::eventually;
use super::http::Api;

/// Hashes that may wait. Tests send more at once than a small machine's default takes.
const HASH_QUEUE: usize = 1024;

/// How a service differs from `keystead dev --limits off`.
pub struct Builder {
    directory: TempDir,
    config: Config,
}

impl Builder {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let key = SecretBytes::new(fresh_bytes::<MASTER_KEY_BYTES>().to_vec());
        // Where `keystead … --data-dir` looks for it.
        write_new_private(&directory.path().join("master.key"), &encode_master_key(&key)).unwrap();
        let mut config = Config::for_dev((Ipv4Addr::LOCALHOST, 0).into(), directory.path(), &key).unwrap();
        config.limits.mode = LimitsMode::Off;
        config.http.workers = 2;
        config.passwords.argon2.queue = HASH_QUEUE;
        Self { directory, config }
    }

    /// Limits as they are by default.
    pub fn default_limits(self) -> Self {
        self.configured(|config| config.limits.mode = LimitsMode::Default)
    }

    /// Believes what this machine says about client addresses.
    pub fn behind_a_proxy(self) -> Self {
        self.configured(|config| config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()])
    }

    /// Any other setting.
    pub fn configured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub async fn start(self) -> Service {
        let Self { directory, config } = self;
        let running = Running::start(config).await;
        Service { running, directory }
    }
}

/// A service that listens. It ends when this is dropped.
pub struct Service {
    running: Running,
    // Dropped after the service that writes there.
    directory: TempDir,
}

impl Service {
    /// A service with default settings and no limits.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn builder() -> Builder {
        Builder::new()
    }

    pub fn api(&self) -> &Api {
        &self.running.api
    }

    pub fn native(&self) -> Anonymous {
        self.client(Kind::Native)
    }

    pub fn browser(&self) -> Anonymous {
        self.client(Kind::Browser)
    }

    pub fn client(&self, kind: Kind) -> Anonymous {
        Anonymous::new(self.api().clone(), kind)
    }

    /// Somebody who registered with [`PASSWORD`] at a native client, and is signed in.
    pub async fn registered(&self, email: &str) -> SignedIn {
        self.registered_at(&self.native(), email).await
    }

    /// The same at this client.
    pub async fn registered_at(&self, client: &Anonymous, email: &str) -> SignedIn {
        let half_way = client.register(email, PASSWORD).await.unwrap();
        half_way.verify(&self.code(email).await).await.unwrap()
    }

    /// Moves the service's clock forward.
    pub async fn advance(&self, span: Duration) {
        let call = self.api().at(Method::POST, "/dev/clock").json(&json!({ "advance": span.as_secs() }));
        call.send().await.ok(204).unwrap();
    }

    /// Argon2 hashes since the start.
    pub fn hashes(&self) -> u64 {
        self.running.hashing.total()
    }

    /// The data directory, fit for `keystead … --data-dir`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The database as it is on disk.
    pub fn database(&self) -> Database {
        Database::open(self.directory())
    }

    /// Waits until every mail that was promised is delivered or given up.
    pub async fn mail_settled(&self) {
        let left = || async { (self.database().count("outbox WHERE dead_at IS NULL") == 0).then_some(()) };
        eventually("an empty outbox", left).await;
    }

    /// The use-cases as another process at the same database has them.
    pub async fn other_process(&self) -> Arc<Services> {
        let composed = compose(&self.running.config).unwrap();
        composed.services.keys.ensure().await.unwrap();
        composed.services
    }

    /// Ends the service in order and starts it anew: same data, same port, clock at the system's time again.
    pub async fn restart(mut self) -> Self {
        let config = self.running.config.clone();
        self.running.handle.stop(true).await;
        let thread = self.running.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join()).await.unwrap().unwrap();
        self.running = Running::start(config).await;
        self
    }
}

/// The thread a service runs on.
struct Running {
    api: Api,
    config: Config,
    handle: ServerHandle,
    hashing: Arc<dyn HashingFigures>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    async fn start(mut config: Config) -> Self {
        let (listener, address): (_, SocketAddr) = server::bind(config.http.listen).unwrap();
        // Bound for the first time, the port was the system's choice. A restart takes it again, so that clients find the
        // service, and is otherwise what it would have been on a port of its own: the issuer has none.
        config.http.listen.set_port(0);
        config.set_bound_address(address);
        let (started, starting) = oneshot::channel();
        let copy = config.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let composed = compose(&copy).unwrap();
                composed.services.keys.ensure().await.unwrap();
                let hashing = Arc::clone(&composed.hashing);
                let running = server::start(&copy, listener, composed, None).await.unwrap();
                let _ = started.send((running.handle(), hashing));
                running.run().await.unwrap();
            });
        });
        let (handle, hashing) = starting.await.expect("the service starts");
        Self { api: Api::new(format!("http://{address}")), config, handle, hashing, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The command is sent at once; the future only waits.
            drop(self.handle.stop(false));
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the service ends in order");
            }
        }
    }
}
