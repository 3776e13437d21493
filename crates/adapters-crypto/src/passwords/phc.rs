//! Encoded hashes: the PHC string format, as far as Argon2 uses it.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use keystead_application::ports::HashRefusal;
use zeroize::Zeroizing;

use super::foreign::MIN_TAG;
use super::memory::Memory;

pub(super) const SALT_BYTES: usize = 16;
pub(super) const TAG_BYTES: usize = 32;

/// Parameters beyond these are refused rather than computed: one planted or imported hash must not stop the service.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 20;
/// Memory written in all passes together, in KiB: some 27 times what a new hash costs as configured from the start.
const MAX_WORK_KIB: u64 = 1024 * 1024;
const MAX_LANES: u32 = 16;

/// The hash function could not run: out of memory, or parameters it refuses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed;

/// A stored hash, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredHash {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: Params,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl StoredHash {
    /// Reads a PHC string. Parameters that depend on more than the password (`keyid`, `data`) are not read.
    pub(super) fn read(text: &str) -> Result<Self, HashRefusal> {
        let phc = argon2::PasswordHash::new(text).map_err(|_| HashRefusal::Malformed)?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| HashRefusal::Unknown)?;
        // Hashes without `v=` are older than the field (PHC string format, Argon2).
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| HashRefusal::Malformed)?;
        for (name, max) in [("m", MAX_MEMORY_KIB), ("t", MAX_PASSES), ("p", MAX_LANES)] {
            if phc.params.get_decimal(name).ok_or(HashRefusal::Malformed)? > max {
                return Err(HashRefusal::TooCostly);
            }
        }
        let times = |name: &str| phc.params.get_decimal(name).map_or(u64::MAX, u64::from);
        if times("m").saturating_mul(times("t")) > MAX_WORK_KIB {
            return Err(HashRefusal::TooCostly);
        }
        let params = Params::try_from(&phc).ok().filter(|_| phc.params.iter().count() == 3);
        let params = params.ok_or(HashRefusal::Malformed)?;
        let salt = phc.salt.as_ref().ok_or(HashRefusal::Unsalted)?.as_ref().to_vec();
        let tag = phc.hash.as_ref().ok_or(HashRefusal::Malformed)?.as_bytes().to_vec();
        if tag.len() < MIN_TAG {
            return Err(HashRefusal::Malformed);
        }
        Ok(Self { algorithm, version, params, salt, tag })
    }

    /// The one PHC string of this hash.
    pub(super) fn text(&self) -> String {
        let (name, version) = (self.algorithm.as_str(), u32::from(self.version));
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.tag));
        format!("${name}$v={version}$m={m},t={t},p={p}${salt}${tag}")
    }

    /// Whether `password` gives this hash. Compares in constant time.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, Failed> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut tag = Zeroizing::new(vec![0; self.tag.len()]);
        compute(&argon2, password, &self.salt, &mut tag, memory)?;
        Ok(subtle::ConstantTimeEq::ct_eq(tag.as_slice(), self.tag.as_slice()).into())
    }

    /// Whether a new hash with `params` would look the same but for salt and tag.
    pub(super) fn is_current(&self, params: &Params) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params == *params
            && self.salt.len() == SALT_BYTES
    }
}

/// Runs Argon2 in memory that outlives it.
pub(super) fn compute(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    tag: &mut [u8],
    memory: &mut Memory,
) -> Result<(), Failed> {
    let run = |blocks: &mut [_]| argon2.hash_password_into_with_memory(password, salt, tag, blocks);
    memory.with(argon2.params().block_count(), run).map_err(|_| Failed)?.map_err(|_| Failed)
}

/// The PHC string of an Argon2id version 19 hash.
pub(super) fn encode(params: &Params, salt: &[u8; SALT_BYTES], tag: &[u8; TAG_BYTES]) -> String {
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
    format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${tag}")
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;
    use crate::encoding::hex;

    #[test]
    fn rfc_9106_section_5_3_argon2id_vector() {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).unwrap()).output_len(32);
        let params = builder.build().unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut memory = Memory::new(64);
        for _ in 0..2 {
            // The second run starts from the blocks the first one left behind.
            let mut tag = [0; 32];
            compute(&argon2, &[1; 32], &[2; 16], &mut tag, &mut memory).unwrap();
            assert_eq!(tag.as_slice(), hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
        }
    }

    #[test]
    fn hashes_of_the_reference_implementation_verify() {
        // From test.c of the reference implementation: other memory, an eight-byte salt.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let stored = StoredHash::read(text).unwrap();
        let mut memory = Memory::new(64);
        assert_eq!(stored.matches(b"password", &mut memory), Ok(true));
        assert_eq!(stored.matches(b"Password", &mut memory), Ok(false));
        assert!(memory.is_released(), "a foreign hash's memory ends with it");
    }

    #[test]
    fn malformed_and_absurd_hashes_are_refused() {
        let rest = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let with = |front: &str| StoredHash::read(&format!("{front}{rest}"));
        for front in ["m=262144,t=4,p=16", "m=52428,t=20,p=16", "m=209715,t=5,p=1"] {
            assert!(with(&format!("$argon2id$v=19${front}")).is_ok(), "{front}");
        }
        for front in ["m=262145,t=1,p=1", "m=64,t=21,p=1", "m=1024,t=2,p=17", "m=52429,t=20,p=1", "m=209716,t=5,p=1"] {
            assert_eq!(with(&format!("$argon2id$v=19${front}")), Err(HashRefusal::TooCostly), "{front}");
        }
        for front in [
            "$argon2id$v=19$m=4294967295,t=4294967295,p=16777215",
            "$argon2id$v=19$m=65536,t=2",
            "$argon2id$v=19$t=2,p=1",
            "$argon2id$v=19",
            "$argon2id$v=18$m=65536,t=2,p=1",
            "$argon2id$v=19$m=65536,t=0,p=1",
            "$argon2id$v=19$m=7,t=1,p=1",
            "$argon2id$v=19$m=65536,t=2,p=1,x=1",
            "$scrypt$v=19$m=65536,t=2,p=1",
            "argon2id$v=19$m=65536,t=2,p=1",
            "",
        ] {
            assert!(with(front).is_err(), "{front}");
        }
        assert!(StoredHash::read("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ").is_err());
        assert!(StoredHash::read("").is_err());
    }
}
