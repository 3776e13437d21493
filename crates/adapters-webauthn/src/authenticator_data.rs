//! Authenticator data (WebAuthn Level 3 section 6.1).

use keystead_domain::factor::CredentialId;
use uuid::Uuid;

use crate::cbor;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED_CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// SHA-256 of the relying party's identifier.
const RP_ID_HASH_BYTES: usize = 32;

/// Authenticator data that is whole, with a user who was present and backup flags that are possible together.
#[derive(Debug)]
pub(crate) struct AuthenticatorData<'a> {
    pub(crate) user_verified: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) counter: u32,
    pub(crate) attested: Option<AttestedCredential<'a>>,
}

/// Section 6.5.2.
#[derive(Debug)]
pub(crate) struct AttestedCredential<'a> {
    pub(crate) aaguid: Uuid,
    pub(crate) credential_id: CredentialId,
    /// `COSE_Key`, still CBOR.
    pub(crate) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads data that ends where the bytes end. The hash of the relying party is compared by the library.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (_, rest) = bytes.split_at_checked(RP_ID_HASH_BYTES)?;
        let (&flags, rest) = rest.split_first()?;
        let (counter, mut rest) = rest.split_first_chunk::<4>()?;
        let has = |flag: u8| flags & flag != 0;
        let mut attested = None;
        if has(ATTESTED_CREDENTIAL) {
            let (credential, behind) = AttestedCredential::split_off(rest)?;
            (attested, rest) = (Some(credential), behind);
        }
        if has(EXTENSIONS) {
            // None are asked for; some authenticators send some all the same, and none of them says anything here.
            (_, rest) = cbor::split_value(rest)?;
        }
        let possible = has(USER_PRESENT) && (has(BACKUP_ELIGIBLE) || !has(BACKED_UP)) && rest.is_empty();
        possible.then_some(Self {
            user_verified: has(USER_VERIFIED),
            backup_eligible: has(BACKUP_ELIGIBLE),
            backed_up: has(BACKED_UP),
            counter: u32::from_be_bytes(*counter),
            attested,
        })
    }
}

impl<'a> AttestedCredential<'a> {
    fn split_off(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (aaguid, rest) = bytes.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (public_key, rest) = cbor::split_value(rest)?;
        let credential_id = CredentialId::new(id.to_vec())?;
        Some((Self { aaguid: Uuid::from_bytes(*aaguid), credential_id, public_key }, rest))
    }
}
