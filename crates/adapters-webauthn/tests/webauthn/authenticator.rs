//! Ada, her authenticator and the relying party they are at.

use keystead_adapters_webauthn::WebAuthn;
use keystead_application::ports::{
    Assertion, PasskeyError, PasskeyUser, PasskeyVerifier, RegisteredCredential, UserVerification,
};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::factor::{CredentialId, Passkey, PasskeyId, PasskeyName};
use uuid::Uuid;

pub use crate::software::{
    AT, BE, BS, ED, Key, Login, Registration, UP, UV, assertion_answer, base64url, cbor_bytes, registration_answer,
};

pub const RP_ID: &str = "example.com";
pub const ORIGIN: &str = "https://example.com";

pub fn relying_party() -> WebAuthn {
    WebAuthn::try_new(RP_ID, "Example", &[ORIGIN.parse().unwrap()]).unwrap()
}

pub fn ada() -> PasskeyUser {
    let id = UserId::from_random([7; 16]);
    PasskeyUser { id, name: "ada@example.com".to_owned(), display_name: "Ada Lovelace".to_owned() }
}

/// What an authenticator that keeps to the rules makes of the options of a registration.
pub fn registration_of(options: &str) -> Registration {
    Registration::of(options, ORIGIN)
}

/// The same of an assertion.
pub fn login_of(options: &str, passkey: &Passkey) -> Login {
    Login::of(options, ORIGIN, passkey.credential_id.as_bytes(), passkey.user_id.as_uuid().as_bytes())
}

/// A registration by an authenticator that was told to lie a little, or not at all.
pub fn register(
    verification: UserVerification,
    lie: impl FnOnce(&mut Registration),
) -> (Result<RegisteredCredential, PasskeyError>, Key) {
    let rp = relying_party();
    let ceremony = rp.begin_registration(&ada(), &[], verification).unwrap();
    let mut registration = registration_of(&ceremony.options);
    lie(&mut registration);
    (rp.finish_registration(&registration.answer().to_string(), &ceremony.state), registration.key)
}

/// The row a use-case would keep.
pub fn passkey_of(registered: RegisteredCredential) -> Passkey {
    Passkey {
        id: PasskeyId::from_random([1; 16]),
        user_id: ada().id,
        credential_id: registered.credential_id,
        name: PasskeyName::try_new("Ada's phone").unwrap(),
        credential: registered.credential,
        counter: registered.counter,
        aaguid: registered.aaguid,
        backup_eligible: registered.backup_eligible,
        backed_up: registered.backed_up,
        user_verified: registered.user_verified,
        created_at: Timestamp::from_micros(0),
        last_used_at: None,
    }
}

/// A passkey and its key.
pub fn registered_with(lie: impl FnOnce(&mut Registration)) -> (Passkey, Key) {
    let (registered, key) = register(UserVerification::Preferred, lie);
    (passkey_of(registered.unwrap()), key)
}

pub fn registered() -> (Passkey, Key) {
    registered_with(|_| ())
}

/// An assertion by an authenticator that was told to lie a little, or not at all, in a ceremony for this passkey.
pub fn sign_in(
    (passkey, key): &(Passkey, Key),
    verification: UserVerification,
    lie: impl FnOnce(&mut Login),
) -> Result<Assertion, PasskeyError> {
    let rp = relying_party();
    let ceremony = rp.begin_assertion(std::slice::from_ref(passkey), verification).unwrap();
    let mut login = login_of(&ceremony.options, passkey);
    lie(&mut login);
    rp.finish_assertion(&login.answer(key).to_string(), &ceremony.state, passkey)
}

pub fn credential_id(bytes: &[u8]) -> CredentialId {
    CredentialId::new(bytes.to_vec()).unwrap()
}

pub fn aaguid(bytes: [u8; 16]) -> Uuid {
    Uuid::from_bytes(bytes)
}
