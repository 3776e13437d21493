//! The authentication ceremony (WebAuthn Level 3 section 7.2).

use keystead_application::ports::{Assertion, PasskeyCeremony, PasskeyError, UserVerification};
use keystead_domain::factor::Passkey;
use serde::{Deserialize, Serialize};
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AllowCredentials, AttestationFormat, AuthenticationExtensionsClientOutputs, AuthenticationState,
    AuthenticatorAssertionResponseRaw, Credential, ParsedAttestation, PublicKeyCredential, RegisteredExtensions,
    UserVerificationPolicy,
};

use crate::answer::{Answer, AssertionResponse, Base64Url, user_of};
use crate::authenticator_data::AuthenticatorData;
use crate::client_data::{Ceremony, ClientData};
use crate::public_key;
use crate::relying_party::RelyingParty;
use crate::webauthn::policy;

/// What the server keeps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    assertion: AuthenticationState,
    challenge: String,
    /// Credentials that may answer; any discoverable one when there are none.
    allowed: Vec<Base64Url>,
}

pub(crate) fn begin(
    core: &WebauthnCore,
    passkeys: &[Passkey],
    verification: UserVerification,
) -> Option<PasskeyCeremony> {
    // The library would keep whole credentials, which `finish` is given anyway, and a decoy has no key to give.
    let builder = core.new_challenge_authenticate_builder(Vec::new(), Some(policy(verification))).ok()?;
    let (mut response, assertion) = core.generate_challenge_authenticate(builder).ok()?;
    let options = &mut response.public_key;
    let allowed: Vec<_> = passkeys.iter().map(|passkey| passkey.credential_id.as_bytes().to_vec()).collect();
    // Without transports, for everybody alike: what they are would tell a decoy from a passkey.
    options.allow_credentials = allowed.iter().cloned().map(allow).collect();
    let challenge = String::from(Base64Url(options.challenge.clone()));
    let allowed = allowed.into_iter().map(Base64Url).collect();
    Some(PasskeyCeremony {
        options: serde_json::to_string(options).ok()?,
        state: serde_json::to_vec(&State { assertion, challenge: challenge.clone(), allowed }).ok()?,
        challenge,
    })
}

fn allow(id: Vec<u8>) -> AllowCredentials {
    AllowCredentials { type_: "public-key".to_owned(), id, transports: None }
}

pub(crate) fn finish(
    core: &WebauthnCore,
    relying_party: &RelyingParty,
    answer: &str,
    state: &[u8],
    passkey: &Passkey,
) -> Result<Assertion, PasskeyError> {
    let Plausible { answer, assertion, credential, backed_up } =
        plausible(relying_party, answer, state, passkey).ok_or(PasskeyError::Invalid)?;
    // The library looks at the counter last, after the signature.
    let checked = core.authenticate_single_credential(&library_answer(answer), &assertion, &credential);
    let checked = checked.map_err(|error| match error {
        WebauthnError::CredentialPossibleCompromise => PasskeyError::CounterWentBack,
        _ => PasskeyError::Invalid,
    })?;
    Ok(Assertion {
        credential_id: passkey.credential_id.clone(),
        credential: passkey.credential.clone(),
        counter: checked.counter(),
        backed_up,
        user_verified: checked.user_verified(),
    })
}

/// An answer that passed all checks but the library's: relying party, UV, signature and counter.
struct Plausible {
    answer: Answer<AssertionResponse>,
    assertion: AuthenticationState,
    credential: Credential,
    backed_up: bool,
}

fn plausible(relying_party: &RelyingParty, answer: &str, state: &[u8], passkey: &Passkey) -> Option<Plausible> {
    let answer = Answer::<AssertionResponse>::parse(answer)?;
    let State { assertion, challenge, allowed } = serde_json::from_slice(state).ok()?;
    let client_data = ClientData::parse(&answer.response.client_data)?;
    let data = AuthenticatorData::parse(&answer.response.authenticator_data.0)?;
    let plausible = is_by(passkey, &answer, &allowed)
        && client_data.answers(Ceremony::Assertion, &challenge, relying_party)
        && data.attested.is_none()
        && data.backup_eligible == passkey.backup_eligible;
    let backed_up = data.backed_up;
    plausible.then_some(Plausible { answer, assertion, credential: stored(passkey)?, backed_up })
}

/// Steps 5 and 6: it is this passkey, it was permitted, and it belongs to whom the authenticator thinks. A credential that
/// was not named must say whose it is.
fn is_by(passkey: &Passkey, answer: &Answer<AssertionResponse>, allowed: &[Base64Url]) -> bool {
    let id = passkey.credential_id.as_bytes();
    let named = allowed.iter().any(|allowed| allowed.0 == id);
    let owner = match user_of(answer.response.user_handle.as_ref()) {
        Ok(Some(user)) => user == passkey.user_id,
        Ok(None) => named,
        Err(_) => false,
    };
    answer.credential_id == passkey.credential_id && (named || allowed.is_empty()) && owner
}

/// The passkey as the library wants it. What was demanded at registration is none of this ceremony's business: its own
/// demand is in the state.
fn stored(passkey: &Passkey) -> Option<Credential> {
    Some(Credential {
        cred_id: passkey.credential_id.as_bytes().to_vec(),
        cred: public_key::parse(&passkey.credential)?,
        counter: passkey.counter,
        transports: None,
        user_verified: passkey.user_verified,
        backup_eligible: passkey.backup_eligible,
        backup_state: passkey.backed_up,
        registration_policy: UserVerificationPolicy::Discouraged_DO_NOT_USE,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    })
}

fn library_answer(answer: Answer<AssertionResponse>) -> PublicKeyCredential {
    let Answer { credential_id, response } = answer;
    PublicKeyCredential {
        id: Base64Url(credential_id.as_bytes().to_vec()).into(),
        raw_id: credential_id.as_bytes().to_vec(),
        response: AuthenticatorAssertionResponseRaw {
            authenticator_data: response.authenticator_data.0,
            client_data_json: response.client_data.0,
            signature: response.signature.0,
            user_handle: response.user_handle.map(|handle| handle.0),
        },
        extensions: AuthenticationExtensionsClientOutputs::default(),
        type_: "public-key".to_owned(),
    }
}
