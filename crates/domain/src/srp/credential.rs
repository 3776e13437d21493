use super::{SrpIdentity, SrpKdf, SrpSalt, SrpVerifier};
use crate::SecretBytes;

/// What the server keeps of a password that it never sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrpCredential {
    /// I.
    pub identity: SrpIdentity,
    /// How the client stretches the password.
    pub kdf: SrpKdf,
    /// The salt of that.
    pub kdf_salt: SrpSalt,
    /// s.
    pub salt: SrpSalt,
    /// v.
    pub verifier: SrpVerifier,
}

impl SrpCredential {
    /// The form that is sealed: I (32 bytes), N, r, p (4 bytes each, big-endian), both salts, v.
    pub fn encode(&self) -> SecretBytes {
        let SrpKdf { n, r, p } = self.kdf;
        SecretBytes::new(
            [
                self.identity.as_str().as_bytes(),
                &n.to_be_bytes(),
                &r.to_be_bytes(),
                &p.to_be_bytes(),
                self.kdf_salt.as_bytes(),
                self.salt.as_bytes(),
                self.verifier.expose(),
            ]
            .concat(),
        )
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (identity, rest) = bytes.split_at_checked(32)?;
        let (n, rest) = rest.split_first_chunk::<4>()?;
        let (r, rest) = rest.split_first_chunk::<4>()?;
        let (p, rest) = rest.split_first_chunk::<4>()?;
        let (kdf_salt, rest) = rest.split_first_chunk::<32>()?;
        let (salt, verifier) = rest.split_first_chunk::<32>()?;
        let [n, r, p] = [n, r, p].map(|number| u32::from_be_bytes(*number));
        Some(Self {
            identity: SrpIdentity::try_new(std::str::from_utf8(identity).ok()?).ok()?,
            kdf: SrpKdf::try_imported(n, r, p).ok()?,
            kdf_salt: SrpSalt::from_bytes(*kdf_salt),
            salt: SrpSalt::from_bytes(*salt),
            verifier: SrpVerifier::try_from_bytes(verifier).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_survives_and_a_part_of_one_does_not() {
        let credential = SrpCredential {
            identity: SrpIdentity::from_bytes([7; 16]),
            kdf: SrpKdf::DEFAULT,
            kdf_salt: SrpSalt::from_bytes([0; 32]),
            salt: SrpSalt::from_bytes([1; 32]),
            verifier: SrpVerifier::try_from_bytes(&[9; 512]).unwrap(),
        };
        let bytes = credential.encode();
        assert_eq!(SrpCredential::decode(bytes.expose()), Some(credential));
        for length in [0, 31, 43, 76, 108] {
            assert_eq!(SrpCredential::decode(&bytes.expose()[..length]), None, "{length}");
        }
    }
}
