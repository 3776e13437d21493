//! Free ports below the range from which the kernel takes the local ports of outgoing connections: a server that is
//! stopped finds its port free again when it restarts.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::{Error, Result, random_number};

/// How far above its port a cluster node listens for the others. Fixed by Redis.
pub(crate) const CLUSTER_BUS: u16 = 10_000;

/// For cluster nodes, whose second port also has to lie below 32768.
const CLUSTER: Range<u16> = 20_000..22_000;
/// For everything else.
const SINGLE: Range<u16> = 22_000..30_000;

/// Where the next search begins, so that servers that start at the same moment do not meet: in this process because
/// it moves, in others because it begins anywhere.
#[expect(clippy::cast_possible_truncation, reason = "any 16 bits will do")]
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(random_number() as u16));

/// A free port for a server that needs one. Somebody else can still take it first; then the server says so.
pub(crate) fn free() -> Result<u16> {
    search(SINGLE, is_free)
}

/// A free port whose cluster bus port is free too.
pub(crate) fn free_for_cluster() -> Result<u16> {
    search(CLUSTER, |port| is_free(port) && is_free(port + CLUSTER_BUS))
}

fn search(range: Range<u16>, is_free: impl Fn(u16) -> bool) -> Result<u16> {
    let size = range.end - range.start;
    (0..size)
        .map(|_| range.start + NEXT.fetch_add(1, Ordering::Relaxed) % size)
        .find(|port| is_free(*port))
        .ok_or_else(|| Error::new(format!("no free port in {range:?}")))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
