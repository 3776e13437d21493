use std::fmt;

use thiserror::Error;

use super::MODULUS;
use crate::SecretBytes;

/// Why a value is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SrpRefusal {
    /// Not lower-case hexadecimal of a whole number of bytes.
    #[error("the value is not lower-case hexadecimal with an even number of digits")]
    NotHex,
    /// Another length than the value has.
    #[error("the value has another length")]
    WrongLength,
    /// A salt that begins with a zero byte: common libraries drop leading zeros. Draw another.
    #[error("the salt begins with a zero byte; draw another")]
    LeadingZero,
    /// Outside what the group allows.
    #[error("the value is out of the group's range")]
    OutOfRange,
}

/// The bytes of lower-case hexadecimal text.
fn bytes_of(hex: &str) -> Result<Vec<u8>, SrpRefusal> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(SrpRefusal::NotHex),
    };
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Ok(digit(high)? << 4 | digit(low)?),
            _ => Err(SrpRefusal::NotHex),
        })
        .collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The value at the group's width, which it must fit.
fn padded(bytes: &[u8]) -> Result<[u8; 512], SrpRefusal> {
    let mut padded = [0; 512];
    let place = 512_usize.checked_sub(bytes.len()).ok_or(SrpRefusal::WrongLength)?;
    padded.iter_mut().skip(place).zip(bytes).for_each(|(to, from)| *to = *from);
    Ok(padded)
}

/// I: 32 random hexadecimal characters that the client chooses. Never an address, which may change while the verifier,
/// which depends on I, may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrpIdentity(String);

impl SrpIdentity {
    /// Checks the form.
    pub fn try_new(text: &str) -> Result<Self, SrpRefusal> {
        if bytes_of(text)?.len() != 16 {
            return Err(SrpRefusal::WrongLength);
        }
        Ok(Self(text.to_owned()))
    }

    /// The identity of 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hex_of(&bytes))
    }

    /// The text, as it is hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A salt of 32 bytes: s, or that of the key derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrpSalt([u8; 32]);

impl SrpSalt {
    /// Reads s, whose first byte is not zero.
    pub fn try_new(hex: &str) -> Result<Self, SrpRefusal> {
        let salt = Self::try_kdf(hex)?;
        if salt.0[0] == 0 { Err(SrpRefusal::LeadingZero) } else { Ok(salt) }
    }

    /// Reads the salt of the key derivation, which may have any bytes.
    pub fn try_kdf(hex: &str) -> Result<Self, SrpRefusal> {
        bytes_of(hex)?.try_into().map(Self).map_err(|_| SrpRefusal::WrongLength)
    }

    /// The salt of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The salt on the wire.
    pub fn hex(&self) -> String {
        hex_of(&self.0)
    }
}

/// v = g^x mod N, at the group's width. Who has it can pretend to be the server and can test guesses, each at the cost of
/// scrypt; so it is kept sealed, and printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SrpVerifier(SecretBytes);

impl SrpVerifier {
    /// Reads a verifier: 1 < v < N - 1. The three values left out are those of which anybody knows the logarithm.
    pub fn try_new(hex: &str) -> Result<Self, SrpRefusal> {
        if hex.len() > 1024 {
            return Err(SrpRefusal::WrongLength);
        }
        Self::try_from_bytes(&bytes_of(hex)?)
    }

    /// A verifier of big-endian bytes.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, SrpRefusal> {
        let value = padded(bytes)?;
        let (mut one, mut top) = ([0; 512], MODULUS);
        one[511] = 1;
        // N is odd.
        top[511] -= 1;
        if value <= one || value >= top {
            return Err(SrpRefusal::OutOfRange);
        }
        Ok(Self(SecretBytes::new(value.to_vec())))
    }

    /// 512 bytes, big-endian.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for SrpVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrpVerifier(…)")
    }
}

/// A or B, at the group's width. Not zero modulo N (RFC 5054 section 2.5.4: whoever sends zero knows the session key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrpPublicKey(Box<[u8; 512]>);

impl SrpPublicKey {
    /// Reads a public key: 0 < A < N. A value of N or more is never what an honest client computed.
    pub fn try_new(hex: &str) -> Result<Self, SrpRefusal> {
        if hex.is_empty() || hex.len() > 1024 {
            return Err(SrpRefusal::WrongLength);
        }
        Self::try_from_bytes(&bytes_of(hex)?)
    }

    /// A public key of big-endian bytes.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, SrpRefusal> {
        let value = padded(bytes)?;
        if value == [0; 512] || value >= MODULUS {
            return Err(SrpRefusal::OutOfRange);
        }
        Ok(Self(Box::new(value)))
    }

    /// PAD(A): 512 bytes, big-endian.
    pub const fn as_bytes(&self) -> &[u8; 512] {
        &self.0
    }

    /// Without leading zero bytes.
    pub fn minimal(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }

    /// On the wire: without leading zero bytes.
    pub fn hex(&self) -> String {
        hex_of(self.minimal())
    }
}

/// M1 or M2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SrpProof([u8; 32]);

impl SrpProof {
    /// Reads a proof.
    pub fn try_new(hex: &str) -> Result<Self, SrpRefusal> {
        bytes_of(hex)?.try_into().map(Self).map_err(|_| SrpRefusal::WrongLength)
    }

    /// The proof of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The proof on the wire.
    pub fn hex(&self) -> String {
        hex_of(&self.0)
    }
}

impl fmt::Debug for SrpProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrpProof(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(value: &[u8]) -> String {
        hex_of(value)
    }

    #[test]
    fn values_outside_the_group_are_refused() {
        let less = |by: u8| {
            let mut value = MODULUS;
            value[511] -= by;
            hex(&value)
        };
        let more = "1".to_owned() + &"0".repeat(1024);
        for outside in ["00", "01", &less(0), &less(1), &"f".repeat(1024), &more, "", "0"] {
            assert!(SrpVerifier::try_new(outside).is_err(), "{outside}");
        }
        assert!(SrpVerifier::try_new("02").is_ok() && SrpVerifier::try_new(&less(2)).is_ok());
        let twice = "01".to_owned() + &less(1);
        for outside in
            ["", "0", "00", &"00".repeat(512), &less(0), &"f".repeat(1024), &twice, &"01".repeat(5000), "-1", "0A"]
        {
            assert!(SrpPublicKey::try_new(outside).is_err(), "{outside}");
        }
        assert_eq!(SrpPublicKey::try_new("000102").unwrap().hex(), "0102");
        assert!(SrpPublicKey::try_new(&less(1)).is_ok());
    }

    #[test]
    fn salts_are_32_bytes_and_do_not_begin_with_zero() {
        let salt = |first: &str| format!("{first}{}", "ab".repeat(31));
        assert_eq!(SrpSalt::try_new(&salt("01")).unwrap().hex(), salt("01"));
        assert_eq!(SrpSalt::try_new(&salt("00")), Err(SrpRefusal::LeadingZero));
        assert!(SrpSalt::try_kdf(&salt("00")).is_ok());
        for wrong in ["", "01", &"ab".repeat(33), &salt("0"), &salt("AB"), &salt("é")] {
            assert!(SrpSalt::try_new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn identities_are_32_characters_and_secrets_are_not_printed() {
        assert_eq!(SrpIdentity::try_new(&"0f".repeat(16)), Ok(SrpIdentity::from_bytes([15; 16])));
        for wrong in ["", &"0f".repeat(15), &"0f".repeat(17), &"0F".repeat(16), "ada@example.com"] {
            assert!(SrpIdentity::try_new(wrong).is_err(), "{wrong}");
        }
        let shown = format!("{:?} {:?}", SrpVerifier::try_new("abcd").unwrap(), SrpProof::from_bytes([171; 32]));
        assert_eq!(shown, "SrpVerifier(…) SrpProof(…)");
    }
}
