//! What actix-http is shown of a connection, without a connection: the fuzz target `wire` compares its parser with ours.

use super::guarded::too_long;
use super::messages::{Kind, Messages};

/// What the bytes of a connection were read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Each complete request.
    pub requests: Vec<Vec<u8>>,
    /// Of what follows them, which is not complete or is refused, as much as actix-http sees.
    pub rest: Vec<u8>,
}

impl Shown {
    /// Follows bytes that come in parts of this size, as [`serve`](super::serve) does.
    pub fn of(bytes: &[u8], part: usize) -> Self {
        let (mut messages, mut requests, mut rest) = (Messages::new(), Vec::new(), Vec::new());
        for part in bytes.chunks(part.max(1)) {
            let mut part = part.to_vec();
            let mut left = part.as_mut_slice();
            while !left.is_empty() && !messages.is_refused() {
                let (taken, kind) = messages.follow(left);
                let (here, behind) = left.split_at_mut_checked(taken).unwrap_or_default();
                left = behind;
                match kind {
                    Kind::Excess => {}
                    Kind::TooLong => rest.extend_from_slice(&too_long()),
                    _ => rest.extend_from_slice(here),
                }
                if messages.is_between() {
                    requests.push(std::mem::take(&mut rest));
                }
            }
        }
        Self { requests, rest }
    }
}
