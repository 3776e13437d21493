//! Who asks: extractors of signed-in and half-way clients.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use keystead_application::context::RequestContext;
use keystead_application::revocation::Authenticated;
use keystead_application::service::{Attempt, Caller};
use keystead_domain::SecretString;
use keystead_domain::token::{AccessClaims, ClientKind, PreAuthorizedClaims, PreAuthorizedPurpose};

use crate::http::{ApiError, Code, ShownCredentials, device_info, step_up_proof};
use crate::services::Services;

/// The request as a use-case is told about it.
pub(super) fn context(req: &HttpRequest, shown: &ShownCredentials<'_>) -> RequestContext {
    let client_id = match shown.kind {
        ClientKind::Browser => shown.client_id.map(|id| SecretString::new(id.to_owned())),
        ClientKind::Native => None,
    };
    let attempt = req.extensions().get::<Attempt>().cloned();
    RequestContext { client: shown.kind, device: device_info(req), client_id, attempt }
}

/// Somebody signed in, and their request.
pub(super) struct Access {
    who: Authenticated,
    pub context: RequestContext,
}

impl Access {
    /// What the token says.
    pub fn claims(&self) -> &AccessClaims {
        self.who.claims()
    }
}

impl FromRequest for Access {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let shown = ShownCredentials::read(&req)?;
            let who = authenticate(&req, &shown).await?;
            Ok(Self { who, context: context(&req, &shown) })
        })
    }
}

/// Somebody signed in, what they proved besides, and their request.
pub(super) struct Acting {
    pub caller: Caller,
    pub context: RequestContext,
}

impl FromRequest for Acting {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let shown = ShownCredentials::read(&req)?;
            let who = authenticate(&req, &shown).await?;
            let proof = step_up_proof(&req)?;
            let gate = &services(&req)?.step_up_gate;
            let proof = proof.and_then(|proof| gate.read(proof.expose(), who.claims()));
            let caller = Caller { claims: who.claims().clone(), proof, device: device(&shown) };
            Ok(Self { caller, context: context(&req, &shown) })
        })
    }
}

/// The known-device token of a browser's cookie.
pub(super) fn device(shown: &ShownCredentials<'_>) -> Option<SecretString> {
    shown.device.map(|token| SecretString::new(token.to_owned()))
}

/// Checks the access token of a request.
pub(super) async fn authenticate(req: &HttpRequest, shown: &ShownCredentials<'_>) -> Result<Authenticated, ApiError> {
    let token = shown.bearer.ok_or(Code::TOKEN_MISSING)?;
    Ok(services(req)?.gate.authenticate(token, shown.client_id).await?)
}

/// Checks the pre-authorized token of a request.
pub(super) fn pre_authorized(
    req: &HttpRequest,
    purposes: &[PreAuthorizedPurpose],
) -> Result<(PreAuthorizedClaims, RequestContext), ApiError> {
    let shown = ShownCredentials::read(req)?;
    let token = shown.bearer.ok_or(Code::TOKEN_MISSING)?;
    let claims = services(req)?.gate.pre_authorized(token, shown.client_id, purposes)?;
    Ok((claims, context(req, &shown)))
}

/// The composed use-cases.
pub(super) fn services(req: &HttpRequest) -> Result<&Data<Services>, ApiError> {
    req.app_data::<Data<Services>>().ok_or_else(|| ApiError::internal("services are not composed"))
}
