//! A real SMTP server on 127.0.0.1 whose behaviour a test scripts: it accepts, refuses, hangs, drops the line after the
//! final dot, and keeps every message it took.
//!
//! Nothing in it waits by sleeping: [`SmtpPeer::wait_for`] and its siblings return at the event they wait for.

mod received;
mod session;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use self::received::ReceivedMail;
use self::tls::PeerTls;

/// What the peer does from the next command on; set with [`SmtpPeer::set_behaviour`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes every message.
    #[default]
    Accept,
    /// Greets with this code (for example 421 or 554) and closes the connection.
    RejectGreeting(u16),
    /// Never greets.
    HangAtGreeting,
    /// Never answers `MAIL FROM`.
    HangAfterMail,
    /// Takes the whole message and never answers the final dot. The message is not recorded.
    HangAfterData,
    /// Answers `MAIL FROM` with this code.
    RejectMail(u16),
    /// Answers `RCPT TO` with this code, quoting the address as real servers do.
    RejectRecipient(u16),
    /// Answers the final dot with this code. The message is not recorded.
    RejectData(u16),
    /// Closes the connection at the final dot without taking the message.
    DropBeforeAccepting,
    /// Takes the message, then closes the connection without saying so: the client must send it again.
    DropAfterAccepting,
    /// Takes the message, sends `25` of `250` and closes the connection.
    CutReply,
    /// Accepts, and sends every reply byte by byte.
    FragmentReplies,
    /// Does not offer STARTTLS although it could: what an attacker on the line does.
    HideStartTls,
}

/// How the peer encrypts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerSecurity {
    /// Clear text only.
    #[default]
    Plain,
    /// Offers STARTTLS (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 section 3.3).
    ImplicitTls,
}

/// How a peer is started.
#[derive(Clone, Debug, Default)]
pub struct PeerOptions {
    /// How it encrypts. The authority behind its certificate is new for every peer; see [`SmtpPeer::ca_pem`].
    pub security: PeerSecurity,
    /// The names and addresses its certificate is valid for. Empty: `localhost` and `127.0.0.1`.
    pub certificate_names: Vec<&'static str>,
    /// User and password to demand before `MAIL FROM`. `None`: anyone may send.
    pub credentials: Option<(String, String)>,
    /// The mechanisms to offer, as in the EHLO answer: `PLAIN`, `LOGIN`. Empty: both.
    pub mechanisms: Vec<&'static str>,
    /// What it does at first.
    pub behaviour: Behaviour,
}

/// The time given to a wait is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitTimeout {
    /// How many messages were there by then.
    pub messages: usize,
    /// How many connections had been made by then.
    pub connections: usize,
    /// The commands seen by then, without secrets.
    pub commands: Vec<String>,
}

/// What the peer saw since its start.
#[derive(Clone, Default)]
struct Record {
    messages: Vec<ReceivedMail>,
    commands: Vec<String>,
    connections: usize,
    open: usize,
}

/// What the connections of one peer share.
struct Shared {
    record: watch::Sender<Record>,
    behaviour: Mutex<Behaviour>,
    options: PeerOptions,
    tls: Option<PeerTls>,
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running peer. It ends when dropped.
pub struct SmtpPeer {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

impl SmtpPeer {
    /// A peer in clear text that accepts everything.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(PeerOptions::default()).await
    }

    /// A peer with options, on a free port of 127.0.0.1.
    pub async fn start_with(options: PeerOptions) -> io::Result<Self> {
        let tls = match options.security {
            PeerSecurity::Plain => None,
            PeerSecurity::StartTls | PeerSecurity::ImplicitTls => Some(PeerTls::generate(&options.certificate_names)?),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            record: watch::Sender::new(Record::default()),
            behaviour: Mutex::new(options.behaviour),
            options,
            tls,
        });
        let acceptor = Some(tokio::spawn(accept(listener, Arc::clone(&shared))));
        Ok(Self { shared, address, acceptor })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate of the authority that signed its certificate, as PEM. `None` for a peer without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|tls| tls.ca_pem.as_str())
    }

    /// Changes what it does from the next command on, also on connections that are open. A connection that hangs
    /// already stays so.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// Closes the port and every connection; returns when that is done. New connections are refused.
    pub async fn stop(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.abort();
            // An aborted task ends with an error; there is nothing else to learn from it.
            let _ = acceptor.await;
        }
        // The sender lives in `shared`, so this wait cannot fail.
        let _ = self.shared.record.subscribe().wait_for(|record| record.open == 0).await;
    }

    /// Opens the same port again after [`Self::stop`].
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        self.acceptor = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    /// The messages it took, oldest first.
    pub fn messages(&self) -> Vec<ReceivedMail> {
        self.shared.record.borrow().messages.clone()
    }

    /// The command lines it read, oldest first; `AUTH` without what followed.
    pub fn commands(&self) -> Vec<String> {
        self.shared.record.borrow().commands.clone()
    }

    /// How many connections were made since the start.
    pub fn connections(&self) -> usize {
        self.shared.record.borrow().connections
    }

    /// Waits until it took at least `count` messages, and returns all it took.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Result<Vec<ReceivedMail>, WaitTimeout> {
        self.wait_until(deadline, |record| record.messages.len() >= count).await
    }

    /// Waits until at least `count` connections were made.
    pub async fn wait_for_connections(&self, count: usize, deadline: Duration) -> Result<(), WaitTimeout> {
        self.wait_until(deadline, |record| record.connections >= count).await.map(drop)
    }

    /// Waits until at least `count` command lines start with `prefix`, whatever its case.
    pub async fn wait_for_commands(&self, prefix: &str, count: usize, deadline: Duration) -> Result<(), WaitTimeout> {
        let prefix = prefix.to_ascii_uppercase();
        let seen = |line: &&String| line.to_ascii_uppercase().starts_with(&prefix);
        self.wait_until(deadline, |record| record.commands.iter().filter(seen).count() >= count).await.map(drop)
    }

    /// Waits until no connection is open.
    pub async fn wait_for_idle(&self, deadline: Duration) -> Result<(), WaitTimeout> {
        self.wait_until(deadline, |record| record.open == 0).await.map(drop)
    }

    async fn wait_until(
        &self,
        deadline: Duration,
        reached: impl FnMut(&Record) -> bool,
    ) -> Result<Vec<ReceivedMail>, WaitTimeout> {
        let mut changes = self.shared.record.subscribe();
        if let Ok(Ok(record)) = tokio::time::timeout(deadline, changes.wait_for(reached)).await {
            return Ok(record.messages.clone());
        }
        let record = self.shared.record.borrow();
        Err(WaitTimeout {
            messages: record.messages.len(),
            connections: record.connections,
            commands: record.commands.clone(),
        })
    }
}

impl Drop for SmtpPeer {
    fn drop(&mut self) {
        if let Some(acceptor) = &self.acceptor {
            acceptor.abort();
        }
    }
}

/// Takes connections until aborted; the conversations end with it, because the set that owns them is dropped.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                let open = OpenConnection::new(Arc::clone(&shared));
                conversations.spawn(async move {
                    // The client went away: what it achieved is in the record.
                    let _ = session::serve(stream, &open.0).await;
                });
            }
            Some(_) = conversations.join_next() => {}
        }
    }
}

/// Counts a connection for as long as it is open.
struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    fn new(shared: Arc<Shared>) -> Self {
        shared.record.send_modify(|record| {
            record.connections += 1;
            record.open += 1;
        });
        Self(shared)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.record.send_modify(|record| record.open -= 1);
    }
}
