//! Who asks: extractors of signed-in and half-way clients.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use keystead_application::context::RequestContext;
use keystead_application::revocation::Authenticated;
use keystead_application::service::{Attempt, Caller};
use keystead_domain::token::{AccessClaims, ClientKind, PreAuthorizedClaims};
use keystead_domain::{SecretString, limits};

use super::RequestLimits;
use crate::authorization::{Admits, Rule, StepUp};
use crate::http::{ApiError, Code, Declared, ShownCredentials, accept_language, device_info, step_up_proof};
use crate::services::Services;

/// The request as a use-case is told about it.
pub(super) fn context(req: &HttpRequest, shown: &ShownCredentials<'_>) -> RequestContext {
    let client_id = match shown.kind {
        ClientKind::Browser => shown.client_id.map(|id| SecretString::new(id.to_owned())),
        ClientKind::Native => None,
    };
    let attempt = req.extensions().get::<Attempt>().cloned();
    let languages = accept_language(req.headers());
    RequestContext { client: shown.kind, device: device_info(req), client_id, impersonator: None, attempt, languages }
}

/// The same, for somebody signed in.
pub(super) fn context_of(req: &HttpRequest, shown: &ShownCredentials<'_>, claims: &AccessClaims) -> RequestContext {
    let impersonator = claims.actor.as_ref().map(|actor| actor.subject);
    RequestContext { impersonator, ..context(req, shown) }
}

/// What is declared about the route of a request. Nothing declared: nobody may use it.
fn rule_of(req: &HttpRequest) -> Result<&'static Rule, ApiError> {
    let rule = req.app_data::<Declared>().and_then(|declared| declared.of(req.method().as_str()));
    rule.ok_or_else(|| Code::FORBIDDEN.into())
}

/// Decides whether somebody signed in may use the route, as far as their token tells. Who may not, stands in the audit log.
async fn authorize(
    req: &HttpRequest,
    rule: &Rule,
    claims: &AccessClaims,
    proved: bool,
    context: &RequestContext,
) -> Result<(), ApiError> {
    let refusal = match rule.admits {
        Admits::SignedIn | Admits::SessionHolder | Admits::Role(_) if claims.actor.is_some() && !rule.impersonated => {
            Some(Code::IMPERSONATION_FORBIDDEN)
        }
        Admits::SignedIn | Admits::SessionHolder => None,
        Admits::Role(least) => (claims.role < least).then_some(Code::FORBIDDEN),
        // A route for somebody else took the extractor of those who are signed in.
        _ => Some(Code::FORBIDDEN),
    };
    let counted = claims.actor.as_ref().map_or(claims.subject, |actor| actor.subject);
    if refusal.is_some() || matches!(rule.admits, Admits::Role(_)) {
        let budgets = req.app_data::<Data<RequestLimits>>();
        let budgets = budgets.ok_or_else(|| ApiError::internal("limits are not composed"))?;
        budgets.count_for(counted, &limits::ADMIN).await?;
    }
    if let Some(code) = refusal {
        let what = format!("{} {}", rule.method, rule.path);
        services(req)?.refusals.note(claims, what, context).await?;
        return Err(code.into());
    }
    if rule.step_up == StepUp::Always && !proved { Err(Code::MFA_REQUIRED.into()) } else { Ok(()) }
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
            let context = context_of(&req, &shown, who.claims());
            authorize(&req, rule_of(&req)?, who.claims(), false, &context).await?;
            Ok(Self { who, context })
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
        Box::pin(async move { acting(&req, rule_of(&req)?).await })
    }
}

/// Somebody signed in who may use the route of this rule.
pub(super) async fn acting(req: &HttpRequest, rule: &Rule) -> Result<Acting, ApiError> {
    let shown = ShownCredentials::read(req)?;
    let who = authenticate(req, &shown).await?;
    let proof = step_up_proof(req)?;
    let gate = &services(req)?.step_up_gate;
    let proof = proof.and_then(|proof| gate.read(proof.expose(), who.claims()));
    let context = context_of(req, &shown, who.claims());
    authorize(req, rule, who.claims(), proof.is_some(), &context).await?;
    let caller = Caller { claims: who.claims().clone(), proof, device: device(&shown) };
    Ok(Acting { caller, context })
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

/// Checks the pre-authorized token of a request: of one of the flows the route is for.
pub(super) fn pre_authorized(req: &HttpRequest) -> Result<(PreAuthorizedClaims, RequestContext), ApiError> {
    let (Admits::HalfWay(purposes) | Admits::HalfWayOrNobody(purposes)) = rule_of(req)?.admits else {
        return Err(Code::FORBIDDEN.into());
    };
    let shown = ShownCredentials::read(req)?;
    let token = shown.bearer.ok_or(Code::TOKEN_MISSING)?;
    let claims = services(req)?.gate.pre_authorized(token, shown.client_id, purposes)?;
    Ok((claims, context(req, &shown)))
}

/// The composed use-cases.
pub(super) fn services(req: &HttpRequest) -> Result<&Data<Services>, ApiError> {
    req.app_data::<Data<Services>>().ok_or_else(|| ApiError::internal("services are not composed"))
}
