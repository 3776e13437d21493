use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::config::{SslNegotiation, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Link;
use super::describe::describe;
use super::driver::{Driven, drive};
use super::socket::Socket;
use super::tls::connector;
use super::watched::Watched;
use crate::PgConfig;
use crate::config::{Address, Server, parse};

/// The oldest major version there are security fixes for, and the tests run on.
const OLDEST_VERSION: u32 = 14;
/// What a server may take longer than its own time-out to say so.
const ANSWER_SLACK: Duration = Duration::from_millis(250);

type Line = Watched<Socket>;

/// Makes connections to the servers of one connection string.
pub(crate) struct Connector {
    config: Config,
    servers: Vec<Server>,
    tls: Option<MakeRustlsConnect>,
    /// How long a request may stay without any answer; `None` for ever.
    answer_limit: Option<Duration>,
    /// How long making a connection may take, over all servers.
    connect_limit: Duration,
    /// The server to begin with: the first one, until it failed.
    first: AtomicUsize,
}

impl Connector {
    /// Reads the configuration. Nothing is connected.
    pub(crate) fn new(config: &PgConfig) -> Result<Self, String> {
        let (parsed, servers) = parse(config)?;
        let tls = connector(&config.tls, parsed.get_ssl_negotiation() == SslNegotiation::Direct)?;
        Ok(Self {
            config: parsed,
            servers,
            tls,
            answer_limit: Some(Self::answer_limit(config)),
            connect_limit: config.acquire_timeout,
            first: AtomicUsize::new(0),
        })
    }

    /// For statements that take what they take: answers are waited for without end, a connection for at least 5 s.
    pub(crate) fn patient(self) -> Self {
        Self { answer_limit: None, connect_limit: self.connect_limit.max(Duration::from_secs(5)), ..self }
    }

    /// How long a request may stay without any answer.
    pub(crate) fn answer_limit(config: &PgConfig) -> Duration {
        config.statement_timeout + ANSWER_SLACK
    }

    /// The servers, for messages.
    pub(crate) fn names(&self) -> String {
        self.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Connects to the first server that takes us in the role we need, and drives the connection on this runtime. The
    /// text of an error names servers, never a password.
    pub(crate) async fn connect(&self) -> Result<Link, String> {
        let count = self.servers.len();
        let begin = self.first.load(Ordering::Relaxed);
        let share = self.connect_limit / u32::try_from(count).unwrap_or(u32::MAX);
        let mut reasons = Vec::new();
        for offset in 0..count {
            let index = (begin + offset) % count;
            let Some(server) = self.servers.get(index) else { continue };
            let reason = match tokio::time::timeout(share, self.connect_to(server)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(reason)) => reason,
                Err(_) => "no answer in time".to_owned(),
            };
            // Others begin behind it, also when the caller does not wait for us to find a server that works.
            self.first.store((index + 1) % count, Ordering::Relaxed);
            reasons.push(format!("{server}: {reason}"));
        }
        Err(reasons.join("; "))
    }

    async fn connect_to(&self, server: &Server) -> Result<Link, String> {
        let line = self.line(server).await.map_err(|error| format!("cannot connect: {error}"))?;
        let (client, driven, version) = match self.tls.clone() {
            None => hand_shake(self.config.clone(), line, NoTls, server.to_string()).await?,
            Some(mut tls) => {
                let Ok(tls) = MakeTlsConnect::<Line>::make_tls_connect(&mut tls, &server.name);
                hand_shake(self.config.clone(), line, tls, server.to_string()).await?
            }
        };
        if version.is_some_and(|version| version < OLDEST_VERSION) {
            return Err(format!("PostgreSQL {OLDEST_VERSION} or later is needed"));
        }
        self.check_role(&client).await?;
        let connection = AsyncPgConnection::try_from(client).await.map_err(|error| error.to_string())?;
        Ok(Link::new(connection, driven))
    }

    /// Whether the server has the role that was asked for with `target_session_attrs`.
    async fn check_role(&self, client: &Client) -> Result<(), String> {
        let wanted = match self.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => "off",
            TargetSessionAttrs::ReadOnly => "on",
            _ => return Ok(()),
        };
        let answer = client.simple_query("SHOW transaction_read_only").await.map_err(|error| describe(&error))?;
        for message in &answer {
            if let SimpleQueryMessage::Row(row) = message
                && row.try_get(0).ok().flatten() == Some(wanted)
            {
                return Ok(());
            }
        }
        Err(if wanted == "off" { "the server takes no writes" } else { "the server takes writes" }.to_owned())
    }

    async fn line(&self, server: &Server) -> io::Result<Line> {
        let socket = match &server.address {
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
            Address::Tcp { host, port } => Socket::Tcp(self.tcp(host, *port).await?),
        };
        Ok(Watched::new(socket, self.answer_limit))
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((host, port)).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    self.keep_alive(&stream)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Lets the system find out that the machine at the other end is gone, also while nothing is asked.
    fn keep_alive(&self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        if self.config.get_keepalives() {
            let probes = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
            #[cfg(target_os = "linux")]
            let probes = probes.with_retries(3);
            socket.set_tcp_keepalive(&probes)?;
        }
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(self.config.get_tcp_user_timeout().copied().or(Some(Duration::from_secs(30))))?;
        Ok(())
    }
}

/// Logs in. Takes everything by value: the compiler cannot see that a generic future over references may be sent to
/// another thread.
async fn hand_shake<T>(
    config: Config,
    line: Line,
    tls: T,
    server: String,
) -> Result<(Client, Driven, Option<u32>), String>
where
    T: TlsConnect<Line>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect_raw(line, tls).await.map_err(|error| describe(&error))?;
    // "15.8 (Debian 15.8-1)"; a pooler in between may hide it.
    let version = connection.parameter("server_version").and_then(|text| {
        let major = text.split(|c: char| !c.is_ascii_digit()).next();
        major.and_then(|major| major.parse().ok())
    });
    Ok((client, drive(connection, server), version))
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("servers", &self.servers).finish_non_exhaustive()
    }
}
