use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use keystead_domain::account::UserId;
use keystead_domain::factor::{CredentialId, Passkey};
use keystead_domain::token::{KeyId, OneTimeCode};
use keystead_domain::{SecretBytes, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fake_crypto::{FakeSealer, hex, scatter, unhex};
use super::{key_id, lock};
use crate::ports::{
    Assertion, PasskeyCeremony, PasskeyError, PasskeyUser, PasskeyVerifier, RegisteredCredential, SealError,
    Sealer as _, TotpAlgorithm, UnverifiedAnswer, UserVerification, Vault,
};

/// [`FakeSealer`] with keys that can be changed: `<length of kid> <kid> <what the sealer makes in kid and context>`.
#[derive(Debug)]
pub struct FakeVault {
    keys: Mutex<Vec<KeyId>>,
}

impl FakeVault {
    /// One key, `seal-1`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Seals under this key from now on; what was sealed before still opens.
    pub fn rotate(&self, key: &str) {
        lock(&self.keys).push(key_id(key));
    }

    /// Forgets every key but the active one.
    pub fn forget_old_keys(&self) {
        let mut keys = lock(&self.keys);
        let old = keys.len().saturating_sub(1);
        keys.drain(..old);
    }

    fn active(&self) -> KeyId {
        lock(&self.keys).last().cloned().unwrap_or_else(|| panic!("FakeVault always has a key"))
    }
}

impl Default for FakeVault {
    fn default() -> Self {
        Self { keys: Mutex::new(vec![key_id("seal-1")]) }
    }
}

fn key_of(sealed: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = sealed.split_first()?;
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(key).ok()?, rest))
}

fn place(key: &str, context: &[u8]) -> [u8; 32] {
    scatter(b"vault", &[key.as_bytes(), context])
}

impl Vault for FakeVault {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.active();
        let mut sealed = vec![u8::try_from(key.as_str().len()).map_err(|_| SealError)?];
        sealed.extend_from_slice(key.as_str().as_bytes());
        sealed.extend_from_slice(&FakeSealer.seal(&place(key.as_str(), context), plain));
        Ok(sealed)
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        let (key, rest) = key_of(sealed).ok_or(SealError)?;
        if !lock(&self.keys).iter().any(|known| known.as_str() == key) {
            return Err(SealError);
        }
        FakeSealer.open(&place(key, context), rest)
    }

    fn is_outdated(&self, sealed: &[u8]) -> bool {
        key_of(sealed).is_none_or(|(key, _)| key != self.active().as_str())
    }
}

/// Codes that depend on secret and step, and are those of no authenticator.
#[derive(Debug, Default)]
pub struct FakeTotp;

impl FakeTotp {
    /// The code of a step.
    ///
    /// # Panics
    /// Never: a number below the count of codes is one.
    pub fn code(secret: &[u8], step: u64) -> OneTimeCode {
        let [a, b, c, d, ..] = scatter(b"totp", &[secret, &step.to_be_bytes()]);
        let number = u32::from_be_bytes([a, b, c, d]) % OneTimeCode::COUNT;
        OneTimeCode::from_number(number).unwrap_or_else(|| panic!("{number} is below {}", OneTimeCode::COUNT))
    }
}

impl TotpAlgorithm for FakeTotp {
    fn matching_step(&self, secret: &[u8], code: &OneTimeCode, steps: &[u64]) -> Option<u64> {
        steps.iter().copied().find(|step| Self::code(secret, *step).expose() == code.expose())
    }

    fn uri(&self, secret: &[u8], issuer: &str, account: &str) -> SecretString {
        SecretString::new(format!("otpauth://totp/{issuer}:{account}?secret={}", hex(secret)))
    }

    fn text(&self, secret: &[u8]) -> SecretString {
        SecretString::new(hex(secret))
    }

    fn qr_svg(&self, text: &str) -> Option<SecretString> {
        Some(SecretString::new(format!("<svg><!-- {} --></svg>", hex(text.as_bytes()))))
    }
}

/// What an authenticator answers to [`FakePasskeys`]. Change what a test is about with struct update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeAnswer {
    /// The ceremony's challenge.
    pub challenge: String,
    /// Which credential answers.
    pub credential_id: CredentialId,
    /// Whom it says it belongs to.
    pub user_handle: Option<UserId>,
    /// Its signature counter.
    pub counter: u32,
    /// The make of authenticator.
    pub aaguid: Uuid,
    /// UV.
    pub user_verified: bool,
    /// BE and BS.
    pub backed_up: bool,
    /// Whether the signature, the origin and the rest are right.
    pub genuine: bool,
}

impl FakeAnswer {
    /// A right answer by an authenticator that verified its user and has no counter.
    pub fn new(challenge: &str, credential_id: &CredentialId) -> Self {
        Self {
            challenge: challenge.to_owned(),
            credential_id: credential_id.clone(),
            user_handle: None,
            counter: 0,
            aaguid: Uuid::nil(),
            user_verified: true,
            backed_up: false,
            genuine: true,
        }
    }

    /// The answer as the client posts it.
    pub fn json(&self) -> String {
        json!({
            "challenge": self.challenge,
            "rawId": hex(self.credential_id.as_bytes()),
            "userHandle": self.user_handle.map(|id| id.to_string()),
            "counter": self.counter,
            "aaguid": self.aaguid.to_string(),
            "userVerified": self.user_verified,
            "backedUp": self.backed_up,
            "genuine": self.genuine,
        })
        .to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let flag = |name: &str| json.get(name)?.as_bool();
        Some(Self {
            challenge: json.get("challenge")?.as_str()?.to_owned(),
            credential_id: CredentialId::new(unhex(json.get("rawId")?.as_str()?)?)?,
            user_handle: json.get("userHandle")?.as_str().and_then(UserId::parse),
            counter: json.get("counter")?.as_u64()?.try_into().ok()?,
            aaguid: Uuid::parse_str(json.get("aaguid")?.as_str()?).ok()?,
            user_verified: flag("userVerified")?,
            backed_up: flag("backedUp")?,
            genuine: flag("genuine")?,
        })
    }
}

/// A relying party that believes what a [`FakeAnswer`] says of itself, and checks what use-cases depend on: that state and
/// answer are of one ceremony and of its kind, who may answer, the counter, and user verification where it is required.
#[derive(Debug, Default)]
pub struct FakePasskeys(AtomicU64);

const REGISTRATION: &str = "registration";
const ASSERTION: &str = "assertion";

impl FakePasskeys {
    /// The make that has a name: `vendor` calls it "Fake Authenticator".
    pub const VENDOR: Uuid = Uuid::from_u128(0xfa4e);

    /// A relying party.
    pub fn new() -> Self {
        Self::default()
    }

    fn begin(
        &self,
        kind: &str,
        user: Option<&PasskeyUser>,
        credentials: &[&CredentialId],
        verification: UserVerification,
    ) -> PasskeyCeremony {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let challenge = hex(&scatter(b"challenge", &[&number.to_be_bytes()]));
        let credentials: Vec<_> = credentials.iter().map(|id| hex(id.as_bytes())).collect();
        let options = json!({
            "kind": kind,
            "challenge": challenge,
            "user": user.map(|user| json!({ "id": user.id.to_string(), "name": user.name })),
            "credentials": credentials,
            "userVerification": format!("{verification:?}"),
        })
        .to_string();
        PasskeyCeremony { state: options.clone().into_bytes(), options, challenge }
    }
}

/// What an answer says, when it fits the state.
fn check(kind: &str, answer: &str, state: &[u8]) -> Option<FakeAnswer> {
    let state: Value = serde_json::from_slice(state).ok()?;
    let says = |name: &str, value: &str| state.get(name).and_then(Value::as_str) == Some(value);
    let credentials = state.get("credentials")?.as_array()?;
    FakeAnswer::parse(answer).filter(|answer| {
        let named = credentials.iter().any(|id| id.as_str() == Some(&hex(answer.credential_id.as_bytes())));
        let permitted = if kind == REGISTRATION { !named } else { named || credentials.is_empty() };
        let verified = answer.user_verified || !says("userVerification", "Required");
        answer.genuine && says("kind", kind) && says("challenge", &answer.challenge) && permitted && verified
    })
}

impl PasskeyVerifier for FakePasskeys {
    fn begin_registration(
        &self,
        user: &PasskeyUser,
        existing: &[CredentialId],
        verification: UserVerification,
    ) -> Result<PasskeyCeremony, PasskeyError> {
        Ok(self.begin(REGISTRATION, Some(user), &existing.iter().collect::<Vec<_>>(), verification))
    }

    fn finish_registration(&self, answer: &str, state: &[u8]) -> Result<RegisteredCredential, PasskeyError> {
        let answer = check(REGISTRATION, answer, state).ok_or(PasskeyError::Invalid)?;
        Ok(RegisteredCredential {
            credential: answer.credential_id.as_bytes().to_vec(),
            credential_id: answer.credential_id,
            counter: answer.counter,
            aaguid: answer.aaguid,
            backup_eligible: answer.backed_up,
            backed_up: answer.backed_up,
            user_verified: answer.user_verified,
        })
    }

    fn begin_assertion(
        &self,
        passkeys: &[Passkey],
        verification: UserVerification,
    ) -> Result<PasskeyCeremony, PasskeyError> {
        let credentials: Vec<_> = passkeys.iter().map(|passkey| &passkey.credential_id).collect();
        Ok(self.begin(ASSERTION, None, &credentials, verification))
    }

    fn finish_assertion(&self, answer: &str, state: &[u8], passkey: &Passkey) -> Result<Assertion, PasskeyError> {
        let answer = check(ASSERTION, answer, state)
            .filter(|answer| answer.credential_id == passkey.credential_id)
            .ok_or(PasskeyError::Invalid)?;
        if (answer.counter, passkey.counter) != (0, 0) && answer.counter <= passkey.counter {
            return Err(PasskeyError::CounterWentBack);
        }
        Ok(Assertion {
            credential_id: answer.credential_id,
            credential: passkey.credential.clone(),
            counter: answer.counter,
            backed_up: answer.backed_up,
            user_verified: answer.user_verified,
        })
    }

    fn read(&self, answer: &str) -> Option<UnverifiedAnswer> {
        let FakeAnswer { challenge, credential_id, user_handle, .. } = FakeAnswer::parse(answer)?;
        Some(UnverifiedAnswer { challenge, credential_id, user_handle })
    }

    fn vendor(&self, aaguid: Uuid) -> Option<&'static str> {
        (aaguid == Self::VENDOR).then_some("Fake Authenticator")
    }

    fn decoy_credential(&self, seed: &[u8; 32]) -> CredentialId {
        CredentialId::new(seed.to_vec()).unwrap_or_else(|| panic!("32 bytes are a credential id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vault_opens_under_every_key_it_knows_in_the_same_place() {
        let vault = FakeVault::new();
        let sealed = vault.seal(b"place", b"plain").unwrap();
        assert!(!vault.is_outdated(&sealed));
        vault.rotate("seal-2");
        assert_eq!(vault.open(b"place", &sealed).unwrap().expose(), b"plain");
        assert!(vault.is_outdated(&sealed) && vault.open(b"other", &sealed).is_err());
        vault.forget_old_keys();
        assert!(vault.open(b"place", &sealed).is_err());
    }

    #[test]
    fn a_code_belongs_to_its_secret_and_step() {
        let code = FakeTotp::code(b"secret", 7);
        assert_eq!(FakeTotp.matching_step(b"secret", &code, &[8, 7, 6]), Some(7));
        assert_eq!(FakeTotp.matching_step(b"secret", &code, &[8, 6]), None);
        assert_eq!(FakeTotp.matching_step(b"other", &code, &[8, 7, 6]), None);
    }

    #[test]
    fn an_answer_fits_its_own_ceremony_only() {
        let (rp, id) = (FakePasskeys::new(), CredentialId::new(vec![7; 16]).unwrap());
        let user = PasskeyUser { id: UserId::from_random([1; 16]), name: "ada".into(), display_name: "Ada".into() };
        let first = rp.begin_registration(&user, &[], UserVerification::Required).unwrap();
        let second = rp.begin_registration(&user, &[], UserVerification::Required).unwrap();
        let answer = FakeAnswer::new(&first.challenge, &id);
        assert_eq!(rp.finish_registration(&answer.json(), &first.state).unwrap().credential_id, id);
        assert_eq!(rp.finish_registration(&answer.json(), &second.state), Err(PasskeyError::Invalid));
        for wrong in [FakeAnswer { genuine: false, ..answer.clone() }, FakeAnswer { user_verified: false, ..answer }] {
            assert_eq!(rp.finish_registration(&wrong.json(), &first.state), Err(PasskeyError::Invalid));
        }
    }
}
