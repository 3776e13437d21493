/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of lower-case hexadecimal of a whole number of bytes.
pub(super) fn octets(hex: &str) -> Option<Vec<u8>> {
    if !hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) || hex.len() % 2 != 0 {
        return None;
    }
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
