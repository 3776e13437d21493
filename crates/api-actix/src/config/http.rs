use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::origin::Origin;
use super::reader::{Noted, Reader, Reading};
use super::values::{choice, network, socket_address};

/// Connections an address may have even where there are few.
const LEAST_SHARE: usize = 100;

/// `[http]`: where the service listens, and under which name the world knows it.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Address of the API.
    pub listen: SocketAddr,
    /// What browsers see. Links in mails come from it, never from a header.
    pub public_url: Origin,
    /// Reverse proxies whose word about client addresses counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The header they say it in.
    pub forwarded: ForwardedHeader,
    /// Every web origin that may call: the public one first.
    pub allowed_origins: Vec<Origin>,
    /// Threads that serve requests.
    pub workers: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections of one address open at once, unless it is a proxy's or an allowed one.
    pub max_connections_per_address: usize,
    /// Native TLS, when the service speaks https itself.
    pub tls: Option<TlsConfig>,
    /// Address of `/metrics`; `None`: no metrics.
    pub admin_listen: Option<SocketAddr>,
    /// Largest request body, in bytes, unless the route says otherwise.
    pub body_bytes: usize,
    /// Time for a request's header to arrive.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive.
    pub body_timeout: Duration,
}

/// The one header in which trusted proxies are believed. A proxy replaces or extends the header it knows; the other would
/// hold what the client wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// `[http.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain, PEM.
    pub certificate_file: PathBuf,
    /// Private key, PEM.
    pub key_file: PathBuf,
}

impl HttpConfig {
    pub(super) fn read(r: &mut Reader, cores: usize) -> Reading<Self> {
        let listen = r.value("http.listen", socket_address);
        let public_url = r.value("http.public_url", Origin::parse);
        let trusted_proxies = r.list("http.trusted_proxies", network);
        let known = [("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)];
        let forwarded = r.value("http.forwarded", |text| choice(text, &known));
        let others = r.list("http.allowed_origins", Origin::parse);
        let workers = r.optional_integer("http.workers", 1..=1024);
        let max_connections = r.integer("http.max_connections", 16..=1_000_000);
        let per_address = r.optional_integer("http.max_connections_per_address", 1..=1_000_000);
        let tls = read_tls(r);
        let admin_listen = r.optional("http.admin_listen", socket_address);
        let body_bytes = r.integer("http.body_bytes", 1024..=16 * 1024 * 1024);
        let header_timeout = r.duration("http.header_timeout", Duration::from_secs(1)..=Duration::from_mins(1));
        let body_timeout = r.duration("http.body_timeout", Duration::from_secs(1)..=Duration::from_mins(5));
        let public_url = public_url?;
        let max_connections = max_connections?;
        let others = others?.into_iter().filter(|origin| *origin != public_url);
        Ok(Self {
            listen: listen?,
            allowed_origins: std::iter::once(public_url.clone()).chain(others).collect(),
            public_url,
            trusted_proxies: trusted_proxies?,
            forwarded: forwarded?,
            workers: workers?.unwrap_or(cores),
            max_connections,
            max_connections_per_address: per_address?.unwrap_or((max_connections / 4).max(LEAST_SHARE)),
            tls: tls?,
            admin_listen: admin_listen?,
            body_bytes: body_bytes?,
            header_timeout: header_timeout?,
            body_timeout: body_timeout?,
        })
    }

    /// Whether a page of this origin (the text of an `Origin` header) may call.
    pub fn is_allowed_origin(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed.as_str() == origin)
    }
}

fn read_tls(r: &mut Reader) -> Reading<Option<TlsConfig>> {
    let (certificate, key) = (r.path("http.tls.certificate_file"), r.path("http.tls.key_file"));
    match (certificate?, key?) {
        (Some(certificate_file), Some(key_file)) => {
            r.note_secret_file("http.tls.key_file", &key_file);
            Ok(Some(TlsConfig { certificate_file, key_file }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            r.fault("http.tls.certificate_file", "is set without its key", "set http.tls.key_file too");
            Err(Noted)
        }
        (None, Some(_)) => {
            r.fault("http.tls.key_file", "is set without its certificate", "set http.tls.certificate_file too");
            Err(Noted)
        }
    }
}
