//! A TCP proxy that breaks connections on purpose.

mod carry;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;

use crate::{Error, Result, ports};

/// How long the proxy waits for an answer it will swallow, or for connections to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of what a client sent before is searched together with what it sends now.
const LONGEST_PATTERN: usize = 1024;

/// A proxy in front of one server: tests connect to [`address`](Self::address) and say what happens to their bytes. What
/// is set holds for all connections, open and new, until something else is set.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when a connection ends or a swallowed answer arrives.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    upstream: SocketAddr,
    accepts: bool,
    connections: HashMap<u64, Arc<Connection>>,
    /// Connections since the start; also the next one's key.
    count: u64,
    cuts: u64,
}

#[derive(Clone, Debug)]
enum Mode {
    Pass,
    Latency(Duration),
    BlackHole,
    CutAfter(usize),
    CutWhen(Vec<u8>),
}

/// Two sockets. Each has one descriptor only, so that dropping the connection closes it, with a reset when `reset` was
/// called.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: OnceLock<TcpStream>,
    flags: Mutex<Flags>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// What the server answers is thrown away, or bytes of either end were: they no longer speak the same protocol.
    swallowed: bool,
    /// The server has sent something since this was last unset.
    answered: bool,
    /// The connection is being closed.
    ended: bool,
}

/// What happens to bytes a client sent.
enum Fate {
    Forward,
    Delay(Duration),
    Swallow,
    /// So many of them are forwarded, then the connection is cut.
    CutAfter(usize),
    /// All are forwarded; the answer is not.
    CutBeforeAnswer,
}

impl Proxy {
    /// A proxy in front of `upstream` that passes everything on.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let state =
            State { mode: Mode::Pass, upstream, accepts: false, connections: HashMap::new(), count: 0, cuts: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let proxy = Self { address, shared, acceptor: Mutex::new(None) };
        proxy.listen()?;
        Ok(proxy)
    }

    /// A proxy in front of a server on 127.0.0.1.
    pub fn in_front_of(port: u16) -> Result<Self> {
        Self::start((Ipv4Addr::LOCALHOST, port).into())
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port on 127.0.0.1 where clients connect.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A server's address with the proxy's port instead of its own.
    pub fn url(&self, server_url: &str) -> String {
        let upstream = self.shared.state().upstream;
        server_url.replacen(&upstream.to_string(), &self.address.to_string(), 1)
    }

    /// Passes everything on.
    pub fn pass(&self) -> Result {
        self.set(Mode::Pass)
    }

    /// Passes everything on, what clients send after a delay: one request and its answer take this much longer.
    pub fn latency(&self, delay: Duration) -> Result {
        self.set(Mode::Latency(delay))
    }

    /// New connections are refused and the present ones reset, as when the server is gone.
    pub fn refuse(&self) -> Result {
        self.shared.state().accepts = false;
        if let Some(acceptor) = self.acceptor().take() {
            // Wakes the thread; when it is awake already, nobody listens any more.
            let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
            let _ = acceptor.join();
        }
        self.reset();
        Ok(())
    }

    /// Resets every open connection: both ends read "connection reset by peer". New ones are treated as before.
    pub fn reset(&self) {
        self.shared.reset_where(|_| true);
    }

    /// Connections are accepted and stay open; what either end sends disappears. Whatever lost bytes is reset when
    /// something else is set.
    pub fn black_hole(&self) -> Result {
        self.set(Mode::BlackHole)
    }

    /// Cuts, once, the connection whose client sends the `count`-th byte counted over all connections from now: the bytes
    /// up to that one are forwarded, then both ends are cut. After that everything passes again.
    pub fn cut_after_bytes(&self, count: usize) -> Result {
        self.set(Mode::CutAfter(count))
    }

    /// Cuts, once, the connection whose client sends `pattern` (at most 1 KiB): everything up to the end of what arrived
    /// together with it is forwarded, the server answers, and instead of the answer the client reads "connection reset".
    /// After that everything passes again. So a PostgreSQL client whose `COMMIT\0` is cut does not know that the server
    /// did commit.
    pub fn cut_when_client_sends(&self, pattern: &[u8]) -> Result {
        if pattern.is_empty() || pattern.len() > LONGEST_PATTERN {
            return Err(Error::new(format!("a pattern of {} bytes", pattern.len())));
        }
        self.set(Mode::CutWhen(pattern.to_vec()))
    }

    /// How many connections [`cut_after_bytes`](Self::cut_after_bytes) and
    /// [`cut_when_client_sends`](Self::cut_when_client_sends) have cut.
    pub fn cuts(&self) -> u64 {
        self.shared.state().cuts
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> u64 {
        self.shared.state().count
    }

    /// Connects new connections to another server.
    pub fn upstream(&self, upstream: SocketAddr) {
        self.shared.state().upstream = upstream;
    }

    fn set(&self, mode: Mode) -> Result {
        let before = std::mem::replace(&mut self.shared.state().mode, mode);
        if matches!(before, Mode::BlackHole) {
            self.shared.reset_where(|connection| connection.flags().swallowed || connection.server.get().is_none());
        }
        self.listen()
    }

    /// Takes connections, if it does not already.
    fn listen(&self) -> Result {
        let mut acceptor = self.acceptor();
        if acceptor.is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address).map_err(Error::doing(self.address))?;
        self.shared.state().accepts = true;
        let shared = Arc::clone(&self.shared);
        *acceptor = Some(std::thread::spawn(move || carry::accept(&listener, &shared)));
        Ok(())
    }

    fn acceptor(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.refuse();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resets connections and returns when they are closed.
    fn reset_where(&self, condition: impl Fn(&Connection) -> bool) {
        let state = self.state();
        let chosen: Vec<u64> = state.connections.iter().filter(|(_, c)| condition(c)).map(|(key, _)| *key).collect();
        for key in &chosen {
            if let Some(connection) = state.connections.get(key) {
                connection.end();
            }
        }
        let open = |state: &mut State| chosen.iter().any(|key| state.connections.contains_key(key));
        drop(self.changed.wait_timeout_while(state, PATIENCE, open));
    }

    /// What to do with bytes a client sent; `before` is what it sent just before.
    fn fate(&self, connection: &Connection, before: &[u8], bytes: &[u8]) -> Fate {
        let mut state = self.state();
        match &mut state.mode {
            Mode::Pass => Fate::Forward,
            Mode::Latency(delay) => Fate::Delay(*delay),
            Mode::BlackHole => {
                connection.flags().swallowed = true;
                Fate::Swallow
            }
            Mode::CutAfter(left) if *left > bytes.len() => {
                *left -= bytes.len();
                Fate::Forward
            }
            Mode::CutAfter(left) => {
                let left = *left;
                state.mode = Mode::Pass;
                state.cuts += 1;
                Fate::CutAfter(left)
            }
            Mode::CutWhen(pattern) => {
                let overlap = before.len().min(pattern.len() - 1);
                let window: Vec<u8> = before.iter().skip(before.len() - overlap).chain(bytes).copied().collect();
                if !window.windows(pattern.len()).any(|part| part == pattern.as_slice()) {
                    return Fate::Forward;
                }
                *connection.flags() = Flags { swallowed: true, ..Flags::default() };
                state.mode = Mode::Pass;
                state.cuts += 1;
                Fate::CutBeforeAnswer
            }
        }
    }

    /// Whether bytes from the server are for the client.
    fn passes_answer(&self, connection: &Connection) -> bool {
        let state = self.state();
        let mut flags = connection.flags();
        flags.swallowed |= matches!(state.mode, Mode::BlackHole);
        flags.answered = true;
        self.changed.notify_all();
        !flags.swallowed
    }

    /// Waits until the server has answered the last request, as far as it ever does.
    fn wait_for_answer(&self, connection: &Connection) {
        let silent = |_: &mut State| !connection.flags().answered;
        drop(self.changed.wait_timeout_while(self.state(), PATIENCE, silent));
    }
}

impl Connection {
    fn flags(&self) -> MutexGuard<'_, Flags> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it with a reset for the client. Closing does that, when nothing lingers; reading has to end first.
    fn end(&self) {
        self.flags().ended = true;
        for socket in [Some(&self.client), self.server.get()].into_iter().flatten() {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            let _ = socket.shutdown(Shutdown::Read);
        }
    }
}
