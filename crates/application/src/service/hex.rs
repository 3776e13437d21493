//! Bytes as text, for keys and macs.

use std::fmt::Write as _;

/// Two lower-case digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first 128 bits of a hash, enough to keep keys apart.
pub(super) fn short_hex(hash: &[u8; 32]) -> String {
    hash.first_chunk::<16>().map_or_else(String::new, |half| hex(half))
}
