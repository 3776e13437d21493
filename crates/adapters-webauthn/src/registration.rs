//! The registration ceremony (WebAuthn Level 3 section 7.1).

use keystead_application::ports::{PasskeyCeremony, PasskeyUser, RegisteredCredential, UserVerification};
use keystead_domain::factor::CredentialId;
use serde::{Deserialize, Serialize};
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{
    AuthenticatorAttestationResponseRaw, RegisterPublicKeyCredential, RegistrationExtensionsClientOutputs,
    RegistrationState, ResidentKeyRequirement,
};

use crate::answer::{Answer, AttestationResponse, Base64Url};
use crate::authenticator_data::{AttestedCredential, AuthenticatorData};
use crate::cbor::AttestationObject;
use crate::client_data::{Ceremony, ClientData};
use crate::public_key;
use crate::relying_party::RelyingParty;
use crate::webauthn::policy;

/// An empty map in CBOR: the statement of the format `none` (WebAuthn Level 3 section 8.7).
const EMPTY_MAP: &[u8] = &[0xa0];

/// What the server keeps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    registration: RegistrationState,
    challenge: String,
}

pub(crate) fn begin(
    core: &WebauthnCore,
    user: &PasskeyUser,
    existing: &[CredentialId],
    verification: UserVerification,
) -> Option<PasskeyCeremony> {
    // The library wants a name to show; the account's is one.
    let shown = if user.display_name.is_empty() { &user.name } else { &user.display_name };
    let builder = core
        .new_challenge_register_builder(user.id.as_uuid().as_bytes(), &user.name, shown)
        .ok()?
        .user_verification_policy(policy(verification))
        .credential_algorithms(public_key::ALGORITHMS.to_vec())
        .exclude_credentials(Some(existing.iter().map(|id| id.as_bytes().to_vec()).collect()));
    let (mut response, registration) = core.generate_challenge_register(builder).ok()?;
    let options = &mut response.public_key;
    // The library knows `required` and `discouraged` only. Preferred: login without a name where the authenticator can,
    // and older security keys still register.
    options.authenticator_selection.as_mut()?.resident_key = Some(ResidentKeyRequirement::Preferred);
    let challenge = String::from(Base64Url(options.challenge.clone()));
    Some(PasskeyCeremony {
        options: serde_json::to_string(options).ok()?,
        state: serde_json::to_vec(&State { registration, challenge: challenge.clone() }).ok()?,
        challenge,
    })
}

pub(crate) fn finish(
    core: &WebauthnCore,
    relying_party: &RelyingParty,
    answer: &str,
    state: &[u8],
) -> Option<RegisteredCredential> {
    let Answer { credential_id, response } = Answer::<AttestationResponse>::parse(answer)?;
    let State { registration, challenge } = serde_json::from_slice(state).ok()?;
    if !ClientData::parse(&response.client_data)?.answers(Ceremony::Registration, &challenge, relying_party) {
        return None;
    }
    let object = AttestationObject::parse(&response.attestation_object.0).filter(is_accepted)?;
    let data = AuthenticatorData::parse(object.authenticator_data)?;
    let AttestedCredential { aaguid, credential_id: attested_id, public_key: key } = data.attested?;
    if attested_id != credential_id || public_key::parse(key).is_none() {
        return None;
    }
    let registered = RegisteredCredential {
        credential: key.to_vec(),
        counter: data.counter,
        aaguid,
        backup_eligible: data.backup_eligible,
        backed_up: data.backed_up,
        user_verified: data.user_verified,
        credential_id,
    };
    let answer = RegisterPublicKeyCredential {
        id: Base64Url(registered.credential_id.as_bytes().to_vec()).into(),
        raw_id: registered.credential_id.as_bytes().to_vec(),
        response: AuthenticatorAttestationResponseRaw {
            attestation_object: response.attestation_object.0,
            client_data_json: response.client_data.0,
            transports: None,
        },
        type_: "public-key".to_owned(),
        extensions: RegistrationExtensionsClientOutputs::default(),
    };
    let checked = core.register_credential(&answer, &registration, None).ok()?;
    (checked.cred_id == registered.credential_id.as_bytes()).then_some(registered)
}

/// See the crate's documentation for why these formats.
fn is_accepted(object: &AttestationObject<'_>) -> bool {
    match object.format {
        "none" => object.statement == EMPTY_MAP,
        "packed" | "fido-u2f" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_platforms_do_not_reach_the_library() {
        let accepted =
            |format, statement| is_accepted(&AttestationObject { format, statement, authenticator_data: &[] });
        assert!(accepted("none", EMPTY_MAP) && accepted("packed", &[0xa1]) && accepted("fido-u2f", &[0xa1]));
        assert!(!accepted("none", &[0xa1]));
        for format in ["tpm", "android-key", "android-safetynet", "apple", "compound", "NONE", ""] {
            assert!(!accepted(format, EMPTY_MAP), "{format}");
        }
    }
}
