use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::SecretBytes;
use zeroize::Zeroizing;

use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};

/// Length of the master key, in bytes.
pub const MASTER_KEY_BYTES: usize = 32;

const FIX: &str =
    "write 32 random bytes in base64url: `keystead init` makes them, and so does `openssl rand -base64 32`";

/// Keys that stand in books and tutorials: SHA-256 of "", "test", "admin", "secret", "password", "changeme",
/// "12345678", "keystead"; the Ed25519 key of RFC 8032 section 7.1 and RFC 8037.
const KNOWN_EXAMPLES: &[&str] = &[
    "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    "jGl25bVBBBW96Qi9Te4V37Fnqchz_Eu4qB9vKrRIqRg",
    "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols",
    "XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg",
    "BXugPWxEEEhj3HNh_kV4ll0YhzYPkKCJWILlimJI_IY",
    "73l8gRjwLftklgfdXT-MdiMEjJwGPVMsyVxe16iYpk8",
    "DEobReQm9hNmdtD67w-oC6YfnjRJJDtUJNxOnYvpYCE",
    "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
];

/// `[secrets]`: what protects the data at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsConfig {
    /// Seals keys and secrets in the database; 32 bytes.
    pub master_key: SecretBytes,
}

impl SecretsConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let Some(text) = r.secret("secrets.master_key")? else {
            r.fault("secrets.master_key", "must be set", FIX);
            return Err(Noted);
        };
        match decode(text.expose()) {
            Ok(master_key) => Ok(Self { master_key }),
            Err(invalid) => {
                let key = r.secret_key("secrets.master_key");
                r.fault(&key, invalid.what, invalid.fix);
                Err(Noted)
            }
        }
    }
}

/// The master key as it is written in a file.
pub fn encode_master_key(key: &SecretBytes) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(key.expose()))
}

/// Reads base64 of either alphabet, padded or not: what `openssl rand -base64 32` prints is fine.
fn decode(text: &str) -> Result<SecretBytes, Invalid> {
    let url_safe: Zeroizing<String> =
        Zeroizing::new(text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_"));
    let bytes = URL_SAFE_NO_PAD.decode(url_safe.as_bytes());
    let key = SecretBytes::new(bytes.map_err(|_| Invalid::new("is not base64url", FIX))?);
    match key.expose().len() {
        MASTER_KEY_BYTES => Ok(key),
        length => Err(Invalid::new(format!("holds {length} bytes, not {MASTER_KEY_BYTES}"), FIX)),
    }
}

/// Why a key of the right length was certainly not drawn at random. Random bytes fail any of these with a probability
/// below 2^-40.
pub(super) fn weakness(key: &SecretBytes) -> Option<&'static str> {
    let bytes = key.expose();
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut steps: Vec<u8> = bytes.iter().zip(bytes.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a)).collect();
    steps.dedup();
    if distinct.len() == 1 {
        Some("is one byte repeated")
    } else if KNOWN_EXAMPLES.contains(&encode_master_key(key).as_str()) {
        Some("is a published example")
    } else if steps.len() == 1 {
        Some("is a plain sequence")
    } else if bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        Some("is text, not random bytes")
    } else if distinct.len() <= MASTER_KEY_BYTES / 2 {
        Some("repeats itself")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_and_padding_are_read() {
        let key = SecretBytes::new([0xfb_u8; 31].into_iter().chain([0x3f]).collect());
        let url_safe = encode_master_key(&key);
        let standard = base64::engine::general_purpose::STANDARD.encode(key.expose());
        assert!(standard.contains('+') && standard.ends_with('=') && url_safe.contains('-'));
        assert_eq!(decode(&url_safe).unwrap(), key);
        assert_eq!(decode(&standard).unwrap(), key);
    }

    #[test]
    fn other_lengths_and_other_texts_are_refused_without_repeating_them() {
        for (text, what) in [("c2hvcnQ", "holds 5 bytes"), ("not base64!", "not base64url"), ("", "holds 0 bytes")] {
            let refused = decode(text).unwrap_err();
            assert!(refused.what.contains(what), "{}", refused.what);
            assert!(text.is_empty() || !format!("{refused:?}").contains(text));
        }
    }

    #[test]
    fn keys_nobody_drew_are_found() {
        let of = |bytes: Vec<u8>| weakness(&SecretBytes::new(bytes));
        assert_eq!(of(vec![0; 32]), Some("is one byte repeated"));
        assert_eq!(of((0..32).collect()), Some("is a plain sequence"));
        assert_eq!(of((0..32).map(|n| 250_u8.wrapping_sub(n * 3)).collect()), Some("is a plain sequence"));
        assert_eq!(of(b"correct horse battery staple 123".to_vec()), Some("is text, not random bytes"));
        assert_eq!(of([0x00_u8, 0xff, 0x13, 0x37].repeat(8)), Some("repeats itself"));
        assert_eq!(of((0_u8..16).chain(0..16).map(|n| n.wrapping_mul(37)).collect()), Some("repeats itself"));
        for example in KNOWN_EXAMPLES {
            assert_eq!(weakness(&decode(example).unwrap()), Some("is a published example"));
        }
        // 32 bytes of a random generator.
        let drawn = decode("0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco").unwrap();
        assert_eq!(weakness(&drawn), None);
    }
}
