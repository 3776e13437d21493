//! Listening, serving, ending.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use keystead_application::ports::Entropy;
use keystead_domain::limits;
use metrics_exporter_prometheus::PrometheusHandle;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::compose::{Composed, HashingFigures};
use crate::config::{Config, TlsConfig};
use crate::http::pressure::{self, Connections, Lags, Peers};
use crate::http::{AllowedOrigins, BodyLimits, Edge, HttpSettings, Language, TrustedProxies};
use crate::routes::{self, HashingRoom, Readiness, RequestLimits, RouteSettings};
use crate::worker::{self, Workers};

/// How long requests under way may take once the service is told to end.
const DRAIN: Duration = Duration::from_secs(30);

/// A service that listens.
pub struct Running {
    server: Server,
    admin: Option<Server>,
    workers: Workers,
    signals: Signals,
}

/// SIGTERM and SIGINT, caught from the moment this exists: before anybody is told that the service listens.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told_to_end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Binds the address, so that a port of 0 becomes a real one before anything is composed with it.
pub fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = pressure::bind(address)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Everything a worker thread's application is made of.
#[derive(Clone)]
struct Parts {
    services: Data<crate::services::Services>,
    http: Data<HttpSettings>,
    routes: Data<RouteSettings>,
    limits: Data<RequestLimits>,
    readiness: Data<Readiness>,
    dev: Option<routes::dev::DevToolsHandle>,
    body: BodyLimits,
}

impl Parts {
    fn configure(&self, config: &mut ServiceConfig) {
        config
            .app_data(self.services.clone())
            .app_data(self.http.clone())
            .app_data(self.routes.clone())
            .app_data(self.limits.clone())
            .app_data(self.readiness.clone())
            .app_data(self.body);
        if let Some(tools) = &self.dev {
            routes::dev::configure(config, Arc::clone(tools));
        }
        config.configure(routes::configure);
    }
}

/// Starts serving on `listener`. Must run inside an actix system.
pub async fn start(
    config: &Config,
    listener: TcpListener,
    composed: Composed,
    metrics: Option<PrometheusHandle>,
) -> io::Result<Running> {
    let Composed { services, background, dev, hashing } = composed;
    let origins = AllowedOrigins::try_new(config.http.allowed_origins.iter().map(crate::config::Origin::as_str));
    let http = HttpSettings {
        secure: config.http.public_url.is_https(),
        origins: origins.map_err(io::Error::other)?,
        proxies: TrustedProxies::new(config.http.trusted_proxies.clone()),
        forwarded: config.http.forwarded,
        denied: config.limits.deny.clone(),
        // A language that only the operator's mails have is not one of errors.
        language: Language::lookup(config.languages.default.as_str()).unwrap_or_default(),
    };
    let edge = Edge::new(Arc::new(http.clone()), Arc::clone(&services.entropy) as Arc<dyn Entropy>)
        .with_deadline(limits::REQUEST_DEADLINE.max(config.http.body_timeout.saturating_mul(2)));
    let room = Arc::clone(&hashing);
    let has_room: HashingRoom = Arc::new(move || room.queued() < room.room());
    let request_limits = RequestLimits::new(
        services.limiter.clone(),
        services.store.clone(),
        services.guard.clone(),
        services.clock.clone(),
        config.limits.clone(),
        has_room,
    );
    let readiness = Readiness::new(
        services.store.clone(),
        Arc::clone(&background.sessions),
        Arc::clone(&background.view),
        services.clock.clone(),
    );
    let parts = Parts {
        services: Data::from(services),
        http: Data::new(http),
        routes: Data::new(RouteSettings {
            public_url: config.http.public_url.as_str().to_owned(),
            passkeys: config.relying_party().is_some(),
            passwordless: config.login.passwordless,
        }),
        limits: Data::new(request_limits),
        readiness: Data::new(readiness),
        dev,
        body: BodyLimits { bytes: config.http.body_bytes, timeout: config.http.body_timeout },
    };
    let workers = worker::start(background).await;
    let lags = Lags::default();
    let tls = config.http.tls.as_ref().map(tls_config).transpose()?;
    let server = pressure::serve(listener, tls, connections(config), lags.clone(), move || {
        let parts = parts.clone();
        App::new().wrap(edge.clone()).configure(move |config| parts.configure(config))
    })?;
    let admin = match (config.http.admin_listen, metrics) {
        (Some(address), Some(metrics)) => Some(admin_server(address, metrics, hashing, lags)?),
        _ => None,
    };
    Ok(Running { server, admin, workers, signals: Signals::catch()? })
}

impl Running {
    /// Serves until told to end: by a signal (SIGTERM, SIGINT) or by [`Self::handle`]. Requests under way are finished.
    pub async fn run(self) -> io::Result<()> {
        let handle = self.server.handle();
        let admin = self.admin.map(|server| {
            let handle = server.handle();
            actix_web::rt::spawn(server);
            handle
        });
        let ending = handle.clone();
        let mut signals = self.signals;
        let signals = actix_web::rt::spawn(async move {
            signals.told_to_end().await;
            tracing::info!("ending: requests under way are finished");
            ending.stop(true).await;
        });
        let result = self.server.await;
        signals.abort();
        if let Some(admin) = admin {
            admin.stop(true).await;
        }
        self.workers.stop(DRAIN).await;
        result
    }

    /// Ends the service from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }
}

/// What clients may take their time for.
fn connections(config: &Config) -> Connections {
    Connections {
        workers: config.http.workers,
        most: pressure::room_for(config.http.max_connections),
        peers: peers(config),
        head: config.http.header_timeout,
        idle: limits::CONNECTION_IDLE,
        answer: limits::ANSWER_TIMEOUT,
        drain: DRAIN,
        lag: limits::EVENT_LOOP_LAG,
    }
}

/// Whose connections they may be. A site (IPv6 /48) may have half of them.
fn peers(config: &Config) -> Peers {
    let per_address = config.http.max_connections_per_address;
    Peers {
        per_address,
        per_site: per_address.max(config.http.max_connections / 2),
        trusted: TrustedProxies::new(config.http.trusted_proxies.clone()),
        allowed: config.limits.allow.clone(),
        denied: config.limits.deny.clone(),
    }
}

/// Prometheus figures, on an address of their own that is not for the public.
fn admin_server(
    address: SocketAddr,
    metrics: PrometheusHandle,
    hashing: Arc<dyn HashingFigures>,
    lags: Lags,
) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        let (metrics, hashing, lags) = (metrics.clone(), Arc::clone(&hashing), lags.clone());
        App::new().route(
            "/metrics",
            actix_web::web::get().to(move || {
                #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
                {
                    metrics::gauge!("keystead_hash_running").set(hashing.running() as f64);
                    metrics::gauge!("keystead_hash_queued").set(hashing.queued() as f64);
                }
                metrics::gauge!("keystead_event_loop_lag_seconds").set(lags.take_longest().as_secs_f64());
                metrics::counter!("keystead_hash_total").absolute(hashing.total());
                metrics.run_upkeep();
                let text = metrics.render();
                async move { HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text) }
            }),
        )
    });
    Ok(server.workers(1).disable_signals().bind(address)?.run())
}

/// TLS 1.2 and 1.3 with the ring provider's suites.
fn tls_config(tls: &TlsConfig) -> io::Result<rustls::ServerConfig> {
    let named = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {error}", path.display()))
    };
    let open = |path: &std::path::Path| std::fs::File::open(path).map_err(|error| named(path, &error));
    let certificates = CertificateDer::pem_reader_iter(BufReader::new(open(&tls.certificate_file)?))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| named(&tls.certificate_file, &error))?;
    let key = PrivateKeyDer::from_pem_reader(BufReader::new(open(&tls.key_file)?))
        .map_err(|error| named(&tls.key_file, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| named(&tls.certificate_file, &error))
}

/// Reads certificate and key as serving would; for `keystead doctor`.
pub fn check_tls(tls: &TlsConfig) -> io::Result<()> {
    tls_config(tls).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rcgen::generate_simple_self_signed;

    use super::*;

    /// The inventory of cryptography, which names the suites.
    const INVENTORY: &str = include_str!("../../../docs/crypto.md");

    #[test]
    fn tls_offers_the_suites_of_the_inventory_all_ephemeral_and_authenticated() {
        let folder = tempfile::tempdir().unwrap();
        let made = generate_simple_self_signed(["id.example.com".to_owned()]).unwrap();
        let tls = TlsConfig { certificate_file: folder.path().join("cert"), key_file: folder.path().join("key") };
        std::fs::write(&tls.certificate_file, made.cert.pem()).unwrap();
        std::fs::write(&tls.key_file, made.signing_key.serialize_pem()).unwrap();
        let config = tls_config(&tls).unwrap();
        let names = config.crypto_provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite()));
        let offered: BTreeSet<String> = names.collect();
        let rows = INVENTORY.lines().filter_map(|line| line.strip_prefix("| `TLS"));
        let listed: BTreeSet<String> = rows.map(|row| format!("TLS{}", row.split('`').next().unwrap())).collect();
        assert_eq!(offered, listed);
        assert!(!offered.is_empty());
        for suite in offered {
            let ephemeral = suite.starts_with("TLS13_") || suite.starts_with("TLS_ECDHE_");
            assert!(ephemeral && (suite.contains("_GCM_") || suite.contains("CHACHA20_POLY1305")), "{suite}");
        }
        let groups: Vec<_> =
            config.crypto_provider().kx_groups.iter().map(|group| format!("{:?}", group.name())).collect();
        assert_eq!(groups, ["X25519", "secp256r1", "secp384r1"]);
    }
}
