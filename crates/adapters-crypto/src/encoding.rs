//! base64url as JOSE uses it (RFC 7515 section 2): no padding, one spelling per value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the canonical spelling only: `None` for padding, white space, another alphabet, or trailing bits that are
/// not zero. Two texts never mean the same bytes.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// [`from_base64url`] for a value of known length.
pub(crate) fn array_from_base64url<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_base64url(text)?.try_into().ok()
}

/// Bytes of a hexadecimal text, for test vectors.
#[cfg(test)]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_spelling() {
        assert_eq!(from_base64url("_-8").unwrap(), [0xff, 0xef]);
        for text in ["_-9", "_-8=", "/+8", " _-8", "_-8\n", "_-", "_", "_-8A="] {
            assert_ne!(from_base64url(text), Some(vec![0xff, 0xef]), "{text:?}");
        }
        assert_eq!(array_from_base64url::<3>("_-8"), None);
    }
}
