//! `/auth/srp…`: registering and signing in with a password that never leaves the client (RFC 5054).

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::AddSrpError;
use keystead_application::ports::CaptchaAction;
use keystead_application::random;
use keystead_application::service::{IssuedSrpChallenge, NewSecret, SrpResponse};
use keystead_application::session::{SrpChallengeError, SrpLoginCommand, SrpLoginError};
use keystead_domain::SecretString;
use keystead_domain::account::LoginName;
use keystead_domain::srp::{
    SrpCredential, SrpIdentity, SrpKdf, SrpProof, SrpPublicKey, SrpRefusal, SrpSalt, SrpVerifier,
};
use serde::Serialize;

use super::access::{Acting, context, device};
use super::captcha::refused;
use super::failure::account_limited;
use super::register::{register_error, wish};
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Attribute, Check, Code, Document, Json, ShownCredentials, Time, resource};
use crate::services::Services;

/// The parameters of scrypt (RFC 7914), 32 bytes derived.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Kdf {
    /// N: a power of two.
    #[schema(example = 131_072)]
    n: u32,
    /// r: 8.
    #[schema(example = 8)]
    r: u32,
    /// p.
    #[schema(example = 1)]
    p: u32,
}

impl From<SrpKdf> for Kdf {
    fn from(SrpKdf { n, r, p }: SrpKdf) -> Self {
        Self { n, r, p }
    }
}

/// Takes a member out of an object.
fn take<T: Attribute>(members: &mut Vec<(String, Json)>, name: &str) -> Option<T> {
    let index = members.iter().position(|(known, _)| known == name)?;
    T::from_json(members.swap_remove(index).1)
}

impl Attribute for Kdf {
    const EXPECTED: &'static str = "an object of the whole numbers 'n', 'r' and 'p'";

    fn from_json(json: Json) -> Option<Self> {
        let Json::Object(mut members) = json else { return None };
        let kdf = Self { n: take(&mut members, "n")?, r: take(&mut members, "r")?, p: take(&mut members, "p")? };
        members.is_empty().then_some(kdf)
    }
}

/// An SRP credential, made by the client. All values in lower-case hexadecimal.
#[derive(Clone, Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SrpCredentialBody {
    /// I: 32 random characters.
    srp_identity: String,
    /// How the password was stretched.
    kdf: Kdf,
    /// The salt of that: 32 bytes.
    kdf_salt: String,
    /// s: 32 bytes, the first of which is not zero.
    srp_salt: String,
    /// v: at most 512 bytes.
    #[schema(value_type = String, format = Password)]
    verifier: SecretString,
}

impl Attribute for SrpCredentialBody {
    const EXPECTED: &'static str = "an object of 'srpIdentity', 'kdf', 'kdfSalt', 'srpSalt' and 'verifier'";

    fn from_json(json: Json) -> Option<Self> {
        let Json::Object(mut members) = json else { return None };
        let body = Self {
            srp_identity: take(&mut members, "srpIdentity")?,
            kdf: take(&mut members, "kdf")?,
            kdf_salt: take(&mut members, "kdfSalt")?,
            srp_salt: take(&mut members, "srpSalt")?,
            verifier: take(&mut members, "verifier")?,
        };
        members.is_empty().then_some(body)
    }
}

impl SrpCredentialBody {
    /// The credential. Problems point below `prefix`, which is empty or ends with a slash.
    pub(super) fn check(&self, check: &mut Check, prefix: &str) -> Option<SrpCredential> {
        let mut value = |name: &str, refusal: Option<SrpRefusal>| {
            if let Some(refusal) = refusal {
                check.refuse(&format!("{prefix}{name}"), Code::INVALID_SRP_VALUE, refusal.to_string());
            }
        };
        let identity = SrpIdentity::try_new(&self.srp_identity);
        value("srpIdentity", identity.as_ref().err().copied());
        let kdf_salt = SrpSalt::try_kdf(&self.kdf_salt);
        value("kdfSalt", kdf_salt.err());
        let salt = SrpSalt::try_new(&self.srp_salt);
        value("srpSalt", salt.err());
        let verifier = SrpVerifier::try_new(self.verifier.expose());
        value("verifier", verifier.as_ref().err().copied());
        let kdf = SrpKdf::try_new(self.kdf.n, self.kdf.r, self.kdf.p);
        if let Err(refusal) = kdf {
            check.refuse(&format!("{prefix}kdf"), Code::INVALID_KDF, refusal.to_string());
        }
        Some(SrpCredential {
            identity: identity.ok()?,
            kdf: kdf.ok()?,
            kdf_salt: kdf_salt.ok()?,
            salt: salt.ok()?,
            verifier: verifier.ok()?,
        })
    }
}

/// The password under `name`, or the credential under `srp`: exactly one of them.
pub(super) fn new_secret(
    check: &mut Check,
    name: &str,
    password: Option<SecretString>,
    srp: Option<&SrpCredentialBody>,
) -> Option<NewSecret> {
    match (password, srp) {
        (Some(password), None) => Some(NewSecret::Password(password)),
        (None, Some(srp)) => srp.check(check, "srp/").map(|credential| NewSecret::Srp(Box::new(credential))),
        (None, None) => {
            check.refuse(name, Code::MISSING_ATTRIBUTE, format!("either '{name}' or 'srp' is needed"));
            None
        }
        (Some(_), Some(_)) => {
            check.refuse("srp", Code::VALIDATION_FAILED, format!("only one of '{name}' and 'srp' is taken"));
            None
        }
    }
}

/// An answer to an SRP challenge. Keys and proof in lower-case hexadecimal.
#[derive(Clone, Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SrpResponseBody {
    /// A, without leading zeros.
    client_public_key: String,
    /// M1: 32 bytes.
    client_proof: String,
    /// As the challenge had it.
    #[schema(value_type = String)]
    sealed: SecretString,
}

impl Attribute for SrpResponseBody {
    const EXPECTED: &'static str = "an object of 'clientPublicKey', 'clientProof' and 'sealed'";

    fn from_json(json: Json) -> Option<Self> {
        let Json::Object(mut members) = json else { return None };
        let body = Self {
            client_public_key: take(&mut members, "clientPublicKey")?,
            client_proof: take(&mut members, "clientProof")?,
            sealed: take(&mut members, "sealed")?,
        };
        members.is_empty().then_some(body)
    }
}

impl SrpResponseBody {
    /// The answer. Problems point below `prefix`.
    pub(super) fn check(self, check: &mut Check, prefix: &str) -> Option<SrpResponse> {
        let key = SrpPublicKey::try_new(&self.client_public_key);
        let key = check.field(&format!("{prefix}clientPublicKey"), key, Code::INVALID_SRP_VALUE);
        let proof = SrpProof::try_new(&self.client_proof);
        let proof = check.field(&format!("{prefix}clientProof"), proof, Code::INVALID_SRP_VALUE);
        Some(SrpResponse { client_key: key?, proof: proof?, sealed: self.sealed })
    }
}

dto! {
    /// A wish for an account whose password never leaves the client. Values in lower-case hexadecimal.
    pub struct SrpRegisterBody: "registrations" {
        /// Where the code is sent. Either this or `phone`.
        #[schema(example = "ada@example.com")]
        email: Option<String>,
        /// Where the code is sent: with `+` and country code.
        phone: Option<String>,
        /// A public name: 3 to 25 letters, digits, `.`, `_`, `-`.
        username: Option<String>,
        /// What to be called.
        full_name: Option<String>,
        /// I: 32 random characters.
        srp_identity: String,
        /// How the password was stretched.
        #[schema(inline)]
        kdf: Kdf,
        /// The salt of that: 32 bytes.
        kdf_salt: String,
        /// s: 32 bytes, the first of which is not zero.
        srp_salt: String,
        /// v: at most 512 bytes.
        #[schema(value_type = String, format = Password)]
        verifier: SecretString,
        /// A solved captcha, where one is asked for.
        #[schema(value_type = Option<String>)]
        captcha: Option<SecretString>,
    }
}

/// Begins an account whose password never leaves the client. Answers the same whether the address is taken or not.
#[utoipa::path(post, path = "/api/v1/auth/srp/register", tag = "srp", request_body = SrpRegisterBody,
    responses((status = 201, description = "A token for /auth/register/verify; a code was sent", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn register(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<SrpRegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let mut check = body.check();
    let wish = wish(&mut check, [&body.email, &body.phone, &body.username, &body.full_name]);
    let SrpRegisterBody { srp_identity, kdf, kdf_salt, srp_salt, verifier, captcha, .. } = body.into_inner();
    let credential = SrpCredentialBody { srp_identity, kdf, kdf_salt, srp_salt, verifier }.check(&mut check, "");
    let (wish, credential) = check.finish((wish, credential))?;
    let context = context(&req, &shown);
    let solved = services.captcha.require(CaptchaAction::Register, captcha.as_ref(), false, &context).await;
    solved.map_err(|refusal| refused(refusal, at))?;
    let command = wish.with(Some(NewSecret::Srp(Box::new(credential))));
    let tokens = services.register.run(command, &context).await.map_err(|error| register_error(error, at))?;
    Ok(tokens::pre_authorized(&req, shown.kind, StatusCode::CREATED, &tokens, services.clock.now()))
}

dto! {
    /// Who wants to sign in.
    pub struct SrpChallengeBody: "srpChallenges" {
        /// E-mail address, phone number or username.
        identity: String,
        /// A solved captcha, where one is asked for.
        #[schema(value_type = Option<String>)]
        captcha: Option<SecretString>,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Attributes of a `srpChallenges` resource. Values in lower-case hexadecimal.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SrpChallengeAttributes {
    /// I.
    srp_identity: String,
    /// How to stretch the password.
    #[schema(inline)]
    kdf: Kdf,
    /// The salt of that.
    kdf_salt: String,
    /// s.
    srp_salt: String,
    /// B.
    server_public_key: String,
    /// To be sent back with the answer.
    sealed: String,
    /// When the challenge lapses.
    expires_at: Time,
}

/// Begins an SRP login. Answers alike for names that nobody has.
#[utoipa::path(post, path = "/api/v1/auth/srp/challenge", tag = "srp", request_body = SrpChallengeBody,
    responses((status = 200, description = "A challenge", body = inline(super::openapi::SrpChallengeDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn challenge(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<SrpChallengeBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let SrpChallengeBody { identity, captcha, device_token } = body.into_inner();
    let device = device(&shown).or(device_token);
    let context = context(&req, &shown);
    let action = CaptchaAction::SrpChallenge;
    let known = services.captcha.knows(action, &LoginName::parse(&identity), device.as_ref()).await?;
    let solved = services.captcha.require(action, captcha.as_ref(), known, &context).await;
    solved.map_err(|refusal| refused(refusal, at))?;
    let issued = services.srp_challenge.run(&identity).await;
    let issued = issued.map_err(|SrpChallengeError::Failure(failure)| ApiError::from(failure))?;
    let IssuedSrpChallenge { identity, kdf, kdf_salt, salt, server_key, sealed, expires_at } = issued;
    let attributes = SrpChallengeAttributes {
        srp_identity: identity.as_str().to_owned(),
        kdf: kdf.into(),
        kdf_salt: kdf_salt.hex(),
        srp_salt: salt.hex(),
        server_public_key: server_key.hex(),
        sealed: sealed.expose().to_owned(),
        expires_at: expires_at.into(),
    };
    Ok(Document::single(resource("srpChallenges", &random::outbox_id(&*services.entropy).0, attributes)).ok())
}

dto! {
    /// An answer to a challenge. Keys and proof in lower-case hexadecimal.
    pub struct SrpLoginBody: "logins" {
        /// E-mail address, phone number or username, as at the challenge.
        identity: String,
        /// A, without leading zeros.
        client_public_key: String,
        /// M1: 32 bytes.
        client_proof: String,
        /// As the challenge had it.
        #[schema(value_type = String)]
        sealed: SecretString,
        /// A solved captcha; asked for after too many failed logins.
        #[schema(value_type = Option<String>)]
        captcha: Option<SecretString>,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Ends an SRP login. The client checks `serverProof` before it uses the tokens.
#[utoipa::path(post, path = "/api/v1/auth/srp/login", tag = "srp", request_body = SrpLoginBody,
    responses((status = 200, description = "Signed in, or asked for a second factor (`state`); `serverProof` is M2", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn login(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<SrpLoginBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let mut check = body.check();
    let SrpLoginBody { identity, client_public_key, client_proof, sealed, captcha, device_token } = body.into_inner();
    let response = SrpResponseBody { client_public_key, client_proof, sealed }.check(&mut check, "");
    let response = check.finish(response)?;
    let device = device(&shown).or(device_token);
    let command = SrpLoginCommand { identity, response, device, captcha };
    let result = services.srp_login.run(command, &context(&req, &shown)).await;
    let now = services.clock.now();
    let admitted = result.map_err(|error| match error {
        SrpLoginError::Invalid => ApiError::new(Code::SRP_INVALID),
        SrpLoginError::AccountInactive => ApiError::new(Code::ACCOUNT_INACTIVE),
        SrpLoginError::Limited { again_at } => account_limited(again_at, now),
        SrpLoginError::Captcha(refusal) => refused(refusal, at),
        SrpLoginError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::admitted_by_srp(&req, shown.kind, &admitted, now))
}

dto! {
    /// An SRP credential for an account that has none. Values in lower-case hexadecimal.
    pub struct SrpVerifierBody: "srpVerifiers" {
        /// I: 32 random characters.
        srp_identity: String,
        /// How the password was stretched.
        #[schema(inline)]
        kdf: Kdf,
        /// The salt of that: 32 bytes.
        kdf_salt: String,
        /// s: 32 bytes, the first of which is not zero.
        srp_salt: String,
        /// v: at most 512 bytes.
        #[schema(value_type = String, format = Password)]
        verifier: SecretString,
    }
}

/// Adds an SRP credential to an account that has none; a password stays beside it.
#[utoipa::path(post, path = "/api/v1/auth/srp/verifier", tag = "srp", request_body = SrpVerifierBody,
    security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 200, description = "A fresh access token for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn add(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<SrpVerifierBody>,
) -> Result<HttpResponse, ApiError> {
    let mut check = body.check();
    let SrpVerifierBody { srp_identity, kdf, kdf_salt, srp_salt, verifier } = body.into_inner();
    let credential = SrpCredentialBody { srp_identity, kdf, kdf_salt, srp_salt, verifier }.check(&mut check, "");
    let credential = check.finish(credential)?;
    let result = services.add_srp.run(&acting.caller, &credential, &acting.context).await;
    let now = services.clock.now();
    let tokens = result.map_err(|error| match error {
        AddSrpError::MfaRequired => ApiError::new(Code::MFA_REQUIRED),
        AddSrpError::ReauthRequired => ApiError::new(Code::REAUTH_REQUIRED),
        AddSrpError::Exists => ApiError::new(Code::SRP_EXISTS),
        AddSrpError::Limited { again_at } => account_limited(again_at, now),
        AddSrpError::SessionOver => ApiError::new(Code::SESSION_ENDED),
        AddSrpError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::authorized(&req, acting.context.client, &tokens, now))
}
