//! Sockets that do not outlive their peers, and how many there may be.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use keystead_domain::limits::ANSWER_TIMEOUT;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Connections the system holds until a thread takes them.
const BACKLOG: i32 = 1024;
/// What the system holds of answers that a client does not read: all of any answer but exports and the OpenAPI document.
const SEND_BUFFER: usize = 128 * 1024;
/// A connection on which nothing is said is asked for a sign of life after this long, and so often.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Files that are no connections: the database, its log, Redis, mail, the runtime's own. Where there are few, half.
const OTHER_FILES: u64 = 256;

/// Listens. Accepted connections inherit the options: Linux ends those whose peer does not acknowledge, or takes nothing,
/// for [`ANSWER_TIMEOUT`], and those whose peer is gone without a word.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    socket.set_tcp_user_timeout(Some(ANSWER_TIMEOUT))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How many of `wished` connections the system lets this process have. Raises the process's own limit of open files, which
/// is low for the sake of programs that cannot count far, as much as is needed and allowed.
pub fn room_for(wished: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::try_from(wished).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= needed {
        return wished;
    }
    let raised = needed.min(limit.maximum.unwrap_or(u64::MAX));
    let current = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    };
    let room = current - OTHER_FILES.min(current / 2);
    let room = usize::try_from(room).unwrap_or(usize::MAX).clamp(1, wished.max(1));
    if room < wished {
        tracing::warn!(wished, room, "open files are limited: fewer connections than http.max_connections");
    }
    room
}
