//! The real service, in this process: one, or several replicas, each on a thread and a port of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
use tracing_subscriber::filter::LevelFilter;

use crate::process::keystead::{Finished, command, finish};

use super::actors::{Anonymous, Kind, PASSWORD, SignedIn};
use super::database::Database;
use super::eventually;
use super::http::Api;
use super::stores::{REPLICAS, Shared, Stores};

/// Hashes that may wait. Tests send more at once than a small machine's default takes.
const HASH_QUEUE: usize = 1024;

/// How a service differs from `keystead dev --limits off`.
pub struct Builder {
    directory: TempDir,
    config: Config,
    shared: Option<Shared>,
}

impl Builder {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let key = SecretBytes::new(fresh_bytes::<MASTER_KEY_BYTES>().to_vec());
        // Where `keystead … --data-dir` looks for it.
        write_new_private(&directory.path().join("master.key"), &encode_master_key(&key)).unwrap();
        let mut config = Config::for_dev((Ipv4Addr::LOCALHOST, 0).into(), directory.path(), &key).unwrap();
        let shared = Stores::are_shared().then(Shared::new);
        if let Some(shared) = &shared {
            config.store = shared.configured().store;
        }
        config.limits.mode = LimitsMode::Off;
        config.http.workers = 2;
        config.passwords.argon2.queue = HASH_QUEUE;
        Self { directory, config, shared }
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
        let Self { directory, config, shared } = self;
        let replicas = if shared.is_some() { REPLICAS } else { 1 };
        let configs = (0..replicas).map(|nth| {
            let mut config = config.clone();
            // Its mailbox is each one's own.
            if shared.is_some() && config.data_dir.is_some() {
                config.data_dir = Some(own_directory(directory.path(), &format!("replica-{nth}")));
            }
            config
        });
        let running = start_all(configs.collect()).await;
        Service { api: api_of(&running), running, ahead: AtomicU64::new(0), shared, directory }
    }
}

fn own_directory(parent: &Path, name: &str) -> PathBuf {
    let path = parent.join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A service that listens. It ends when this is dropped.
pub struct Service {
    api: Api,
    /// Every replica.
    running: Vec<Running>,
    /// Seconds its clocks are ahead of the system's.
    ahead: AtomicU64,
    // Dropped after the replicas, which write there.
    shared: Option<Shared>,
    directory: TempDir,
}

impl Service {
    /// A service with default settings and no limits, on the stores of this run.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Every replica, in turn.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// One replica; counts on from the first after the last.
    pub fn replica(&self, nth: usize) -> Api {
        self.api.each().swap_remove(nth % self.running.len())
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

    /// Moves the clock of every replica forward.
    pub async fn advance(&self, span: Duration) {
        for replica in self.api.each() {
            let call = replica.at(Method::POST, "/dev/clock").json(&json!({ "advance": span.as_secs() }));
            call.send().await.ok(204).unwrap();
        }
        self.ahead.fetch_add(span.as_secs(), Ordering::SeqCst);
    }

    /// The time its clocks show, in seconds since the epoch.
    pub fn now(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "the service's clocks are so much ahead of this one")]
        let system = SystemTime::now();
        system.duration_since(UNIX_EPOCH).unwrap().as_secs() + self.ahead.load(Ordering::SeqCst)
    }

    /// Waits until every replica is ready: it has read the revocation log lately, by its own clock.
    pub async fn ready(&self) {
        for replica in self.api.each() {
            let ready = || async { (replica.get("/health/ready").await.status == 200).then_some(()) };
            eventually("a ready replica", ready).await;
        }
    }

    /// Argon2 hashes of all replicas since the start.
    pub fn hashes(&self) -> u64 {
        self.running.iter().map(|replica| replica.hashing.total()).sum()
    }

    /// The data directory; on a SQLite file fit for `keystead … --data-dir`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The stores as they are on their servers, or on disk.
    pub fn database(&self) -> Database<'_> {
        match &self.shared {
            Some(shared) => Database::on_servers(shared),
            None => Database::in_directory(self.directory()),
        }
    }

    /// Loses what Redis holds of this service, as a flush of it would; of a SQLite file, what Redis would hold. Returns when
    /// every replica is ready again.
    pub async fn forget_what_passes(&self) {
        match &self.shared {
            Some(shared) => shared.forget_keys(),
            None => super::database::forget_what_passes(self.directory()),
        }
        self.ready().await;
    }

    /// Waits until every mail that was promised is delivered or given up.
    pub async fn mail_settled(&self) {
        let left = || async { (self.database().count("outbox WHERE dead_at IS NULL") == 0).then_some(()) };
        eventually("an empty outbox", left).await;
    }

    /// The use-cases as another process at the same stores has them.
    pub async fn other_process(&self) -> Arc<Services> {
        let mut config = self.running[0].config.clone();
        if self.shared.is_some() {
            config.data_dir = Some(own_directory(self.directory(), "other-process"));
        }
        let composed = compose(&config).unwrap();
        composed.services.keys.ensure().await.unwrap();
        composed.services
    }

    /// Runs `keystead` as a process of its own on the service's data: `words`, where the data is, `rest`.
    pub fn command(&self, words: &[&str], rest: &[&str]) -> Finished {
        let mut command = command(self.directory(), words);
        match &self.shared {
            None => command.args(["--data-dir", "."]),
            Some(shared) => command.args(["--config", self.config_file(shared).to_str().unwrap()]),
        };
        command.args(rest);
        finish(command, "")
    }

    /// A configuration for commands, written when it is first needed.
    fn config_file(&self, shared: &Shared) -> PathBuf {
        let file = self.directory().join("keystead.toml");
        if !file.exists() {
            let key = encode_master_key(&self.running[0].config.secrets.master_key);
            let mut text = format!("http.public_url = \"http://127.0.0.1\"\nsecrets.master_key = \"{}\"\n", &*key);
            text.extend(shared.settings().map(|(key, value)| format!("{key} = \"{value}\"\n")));
            write_new_private(&file, &text).unwrap();
        }
        file
    }

    /// Ends every replica in order and starts them anew: same data, same ports, clocks at the system's time again.
    pub async fn restart(self) -> Self {
        self.restart_configured(|_| ()).await
    }

    /// The same with other settings.
    pub async fn restart_configured(mut self, change: impl Fn(&mut Config)) -> Self {
        let mut configs = Vec::new();
        for mut replica in self.running.drain(..) {
            change(&mut replica.config);
            configs.push(replica.config.clone());
            replica.handle.stop(true).await;
            let thread = replica.thread.take().unwrap();
            tokio::task::spawn_blocking(move || thread.join()).await.unwrap().unwrap();
        }
        self.running = start_all(configs).await;
        self.ahead = AtomicU64::new(0);
        self
    }
}

/// Starts replicas, all at once.
async fn start_all(configs: Vec<Config>) -> Vec<Running> {
    // What the replicas warn of is told with a test that fails: their threads print where it does.
    let _ = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_test_writer().with_ansi(false).try_init();
    let mut bound = Vec::new();
    for mut config in configs {
        let (listener, address): (_, SocketAddr) = server::bind(config.http.listen).unwrap();
        // Bound for the first time, the port was the system's choice. A restart takes it again, so that clients find the
        // service, and is otherwise what it would have been on a port of its own: the issuer has none.
        config.http.listen.set_port(0);
        config.set_bound_address(address);
        bound.push((config, listener, address));
    }
    // To browsers all are one service, known by the first one's name.
    let http = bound[0].0.http.clone();
    let mut starting = Vec::new();
    for (mut config, listener, address) in bound {
        config.http.allowed_origins.clone_from(&http.allowed_origins);
        config.http.public_url.clone_from(&http.public_url);
        starting.push(Starting::begin(config, listener, address));
    }
    let mut running = Vec::new();
    for one in starting {
        running.push(one.started().await);
    }
    running
}

fn api_of(running: &[Running]) -> Api {
    Api::new(running.iter().map(|replica| format!("http://{}", replica.address)).collect())
}

/// A replica whose thread runs and which may not listen yet.
struct Starting {
    config: Config,
    address: SocketAddr,
    started: oneshot::Receiver<(ServerHandle, Arc<dyn HashingFigures>)>,
    thread: JoinHandle<()>,
}

impl Starting {
    fn begin(config: Config, listener: TcpListener, address: SocketAddr) -> Self {
        let (sender, started) = oneshot::channel();
        let copy = config.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let composed = compose(&copy).unwrap();
                composed.services.keys.ensure().await.unwrap();
                let hashing = Arc::clone(&composed.hashing);
                let running = server::start(&copy, listener, composed, None).await.unwrap();
                let _ = sender.send((running.handle(), hashing));
                running.run().await.unwrap();
            });
        });
        Self { config, address, started, thread }
    }

    async fn started(self) -> Running {
        let (handle, hashing) = self.started.await.expect("the service starts");
        Running { address: self.address, config: self.config, handle, hashing, thread: Some(self.thread) }
    }
}

/// A replica that listens, and its thread.
struct Running {
    address: SocketAddr,
    config: Config,
    handle: ServerHandle,
    hashing: Arc<dyn HashingFigures>,
    thread: Option<JoinHandle<()>>,
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
