//! Subkeys (HKDF, RFC 5869) and keyed hashes (HMAC, RFC 2104).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// HMAC-SHA-256 with its key already absorbed: cloning it is cheaper than keying it again.
pub(crate) type HmacSha256 = Hmac<Sha256>;

/// A 256-bit subkey of `root` for one purpose: HKDF-SHA-256 without salt, which RFC 5869 section 3.1 allows because
/// every root here is uniformly random.
pub(crate) fn subkey(root: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    if Hkdf::<Sha256>::new(None, root).expand(info, out.as_mut_slice()).is_err() {
        // Only outputs beyond 8,160 bytes fail (RFC 5869 section 2.3). A zero key must never leave this function.
        std::process::abort();
    }
    out
}

/// HMAC-SHA-256 keyed with `key`.
pub(crate) fn hmac_sha256(key: &[u8; 32]) -> HmacSha256 {
    let Ok(mac) = HmacSha256::new_from_slice(key) else {
        // HMAC takes keys of any length.
        std::process::abort();
    };
    mac
}

#[cfg(test)]
mod tests {
    use hmac::Mac as _;

    use super::*;
    use crate::encoding::hex;

    #[test]
    fn rfc_5869_test_case_3() {
        let expected = hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
        assert_eq!(subkey(&[0x0b; 22], b"").as_slice(), expected);
    }

    #[test]
    fn rfc_4231_test_cases_1_and_2() {
        for (key, data, expected) in [
            (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            // HMAC pads a shorter key with zeros (RFC 2104 section 2), so 32 bytes carry it.
            let mut padded = [0; 32];
            padded[..key.len()].copy_from_slice(key);
            let mut mac = hmac_sha256(&padded);
            mac.update(data);
            assert_eq!(mac.finalize().into_bytes().as_slice(), hex(expected));
        }
    }
}
