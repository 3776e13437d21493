//! The mathematics against RFC 5054's own numbers and against another library's; then the port.

mod oracle;
mod port;
mod rfc5054;

use super::group::Group;
use super::protocol::{Exchange, Protocol, hash, minimal};
use super::*;
use crate::encoding::hex;

fn protocol() -> Protocol<Sha256> {
    Protocol::new(Group::new(&MODULUS, GENERATOR).unwrap())
}
