//! Carrying bytes between two sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use socket2::SockRef;

use super::{Connection, Fate, Flags, LONGEST_PATTERN, Mode, PATIENCE, Shared};

/// Takes connections until the proxy refuses them; each one is served by threads of its own.
pub(super) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let mut state = shared.state();
        if !state.accepts {
            return;
        }
        // A client that was gone before it was taken.
        let Ok(client) = client else { continue };
        let key = state.count;
        state.count += 1;
        let connection = Arc::new(Connection { client, server: OnceLock::new(), flags: Mutex::default() });
        state.connections.insert(key, Arc::clone(&connection));
        let upstream = (!matches!(state.mode, Mode::BlackHole)).then_some(state.upstream);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            serve(&connection, upstream, &shared);
            drop(connection);
            shared.state().connections.remove(&key);
            shared.changed.notify_all();
        });
    }
}

/// Carries bytes both ways until both ends have closed or the connection is ended.
fn serve(connection: &Arc<Connection>, upstream: Option<SocketAddr>, shared: &Arc<Shared>) {
    let _ = connection.client.set_nodelay(true);
    let Some(upstream) = upstream else {
        connection.flags().swallowed = true;
        let _ = io::copy(&mut &connection.client, &mut io::sink());
        return;
    };
    let Ok(server) = TcpStream::connect_timeout(&upstream, PATIENCE) else { return connection.end() };
    let _ = server.set_nodelay(true);
    let server = connection.server.get_or_init(|| server);
    std::thread::scope(|scope| {
        scope.spawn(|| answers(connection, server, shared));
        if requests(connection, server, shared).is_err() {
            connection.end();
        }
    });
}

/// From the client to the server.
fn requests(connection: &Connection, mut server: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut before = Vec::new();
    loop {
        let length = (&connection.client).read(&mut buffer)?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            return if connection.flags().ended { Ok(()) } else { server.shutdown(Shutdown::Write) };
        }
        match shared.fate(connection, &before, bytes) {
            Fate::Forward => server.write_all(bytes)?,
            Fate::Delay(delay) => {
                std::thread::sleep(delay);
                server.write_all(bytes)?;
            }
            Fate::Swallow => {}
            Fate::CutAfter(count) => {
                server.write_all(bytes.get(..count).unwrap_or(bytes))?;
                return cut(connection, server);
            }
            Fate::CutBeforeAnswer => {
                server.write_all(bytes)?;
                shared.wait_for_answer(connection);
                return cut(connection, server);
            }
        }
        before.extend_from_slice(bytes);
        before.drain(..before.len().saturating_sub(LONGEST_PATTERN));
    }
}

/// Cuts a connection: the client reads a reset, the server an end, so that it still reads all it was sent.
fn cut(connection: &Connection, server: &TcpStream) -> io::Result<()> {
    *connection.flags() = Flags { swallowed: true, ended: true, ..Flags::default() };
    server.shutdown(Shutdown::Write)?;
    SockRef::from(&connection.client).set_linger(Some(Duration::ZERO))?;
    server.shutdown(Shutdown::Read)
}

/// From the server to the client.
fn answers(connection: &Connection, mut server: &TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = server.read(&mut buffer).unwrap_or(0);
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        if shared.passes_answer(connection) && (&connection.client).write_all(bytes).is_err() {
            connection.end();
            return;
        }
    }
    if !connection.flags().ended {
        let _ = connection.client.shutdown(Shutdown::Write);
    }
}
