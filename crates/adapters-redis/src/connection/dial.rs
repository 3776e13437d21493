use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value,
};
use keystead_domain::SecretString;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::config::{Address, OpenError, RedisConfig, Tls, Topology};

/// One TCP connection that any number of callers share. Clones are the same connection; the last one closes it.
#[derive(Clone)]
pub(crate) struct Connection {
    commands: MultiplexedConnection,
    driver: Arc<Driver>,
}

/// The task that moves bytes. Ends when the peer hangs up, so that a dead connection is noticed before it is used.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Whether the peer hung up.
    pub(crate) fn is_closed(&self) -> bool {
        self.driver.0.is_finished()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }

    /// The same connection, waiting longer for answers.
    pub(crate) fn patient(&self, limit: Duration) -> Self {
        let mut patient = self.clone();
        patient.commands.set_response_timeout(limit);
        patient
    }

    /// Sends a command. An error the server answered with is an `Err`.
    pub(crate) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        self.commands.clone().send_packed_command(command).await?.extract_error()
    }

    /// Sends a command to a node that is about to take over its slot (`ASK`).
    pub(crate) async fn send_asking(&self, command: &Cmd) -> RedisResult<Value> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("ASKING").ignore().add_command(command.clone());
        let mut answers: Vec<Value> = pipeline.query_async(&mut self.commands.clone()).await?;
        answers.pop().ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "no answer")))
    }
}

/// Who is called: servers and sentinels have passwords of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A server any command may go to: it must be a master.
    Master,
    /// A node of a cluster: it says itself where a key lives.
    ClusterNode,
    /// A sentinel.
    Sentinel,
}

/// Makes connections, on the runtime of the adapter.
///
/// Not deadpool-redis' own managers: those of Sentinel and Cluster take neither time limits nor authorities. Their
/// place is taken by the client library they re-export.
pub(crate) struct Dialer {
    runtime: Handle,
    tls: Option<TlsConnector>,
    server: RedisConnectionInfo,
    sentinel: RedisConnectionInfo,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
}

impl Dialer {
    pub(crate) fn try_new(config: &RedisConfig, runtime: Handle) -> Result<Self, OpenError> {
        let server = credentials(config.username.as_deref(), config.password.as_ref()).set_db(config.database.into());
        let sentinel = match &config.topology {
            Topology::Sentinel { username, password, .. } => credentials(username.as_deref(), password.as_ref()),
            Topology::Single { .. } | Topology::Cluster { .. } => credentials(None, None),
        };
        let tls = match &config.tls {
            Tls::Off => None,
            Tls::Verified { extra_ca_pem } => Some(connector(extra_ca_pem.as_deref())?),
        };
        let (connect_timeout, response_timeout) = (config.connect_timeout, config.response_timeout);
        Ok(Self { runtime, tls, server, sentinel, connect_timeout, response_timeout })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Connects, within the connect time-out. MUST be called on the adapter's runtime.
    pub(crate) async fn dial(&self, address: &Address, peer: Peer) -> RedisResult<Connection> {
        let dialing = async {
            let connection = self.shake_hands(address, peer).await?;
            match peer {
                Peer::Master => must_be_master(&connection).await?,
                // A frozen server accepts connections too: it must answer.
                Peer::ClusterNode | Peer::Sentinel => drop(connection.send(&redis::cmd("PING")).await?),
            }
            Ok(connection)
        };
        match tokio::time::timeout(self.connect_timeout, dialing).await {
            Ok(result) => result,
            Err(_) => {
                Err(RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, "connecting took too long")))
            }
        }
    }

    async fn shake_hands(&self, (host, port): &Address, peer: Peer) -> RedisResult<Connection> {
        let info = if peer == Peer::Sentinel { &self.sentinel } else { &self.server };
        let tcp = TcpStream::connect((host.as_str(), *port)).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return self.multiplex(info, tcp).await };
        let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
        self.multiplex(info, tls.connect(name, tcp).await?).await
    }

    async fn multiplex<S>(&self, info: &RedisConnectionInfo, stream: S) -> RedisResult<Connection>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.response_timeout));
        let (commands, driver) = MultiplexedConnection::new_with_config(info, stream, config).await?;
        let driver = Arc::new(Driver(self.runtime.spawn(driver).abort_handle()));
        Ok(Connection { commands, driver })
    }
}

/// RESP2 and no `CLIENT SETINFO`: one command less that an ACL must allow.
fn credentials(username: Option<&str>, password: Option<&SecretString>) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(username) = username {
        info = info.set_username(username);
    }
    if let Some(password) = password {
        info = info.set_password(password.expose());
    }
    info
}

async fn must_be_master(connection: &Connection) -> RedisResult<()> {
    let info = info(connection, "replication").await?;
    // A replica would answer reads, with what was true some time ago.
    if field(&info, "role") == Some("master") {
        return Ok(());
    }
    Err(RedisError::from((ErrorKind::Client, "the server is a read-only replica, not the master")))
}

/// A section of `INFO`.
pub(crate) async fn info(connection: &Connection, section: &str) -> RedisResult<String> {
    let answer = connection.send(redis::cmd("INFO").arg(section)).await?;
    Ok(redis::from_redis_value(answer)?)
}

/// A field of a section of `INFO`.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Trusts the machine's authorities and the extra ones. Always verifies.
fn connector(extra_ca_pem: Option<&[u8]>) -> Result<TlsConnector, OpenError> {
    let refuse = |error: rustls::Error| OpenError::Config(format!("TLS: {error}"));
    let mut extra = Vec::new();
    if let Some(pem) = extra_ca_pem {
        extra = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| OpenError::Config(format!("the extra certificate authorities are not PEM: {error}")))?;
        if extra.is_empty() {
            return Err(OpenError::Config("the extra certificate authorities hold no certificate".to_owned()));
        }
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(refuse)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refuse)?
        // "dangerous" is rustls' word for any verifier that is not its own; this one verifies in full.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_info_is_found_by_its_whole_name() {
        let info = "# Replication\r\nrole:master\r\nrole_x:1\r\nconnected_slaves:0\r\n";
        assert_eq!(field(info, "role"), Some("master"));
        assert_eq!(field(info, "connected"), None);
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        for pem in [b"".as_slice(), b"not a certificate"] {
            assert!(matches!(connector(Some(pem)), Err(OpenError::Config(_))));
        }
    }
}
