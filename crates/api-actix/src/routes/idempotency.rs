//! `Idempotency-Key`: a repeated POST that creates or sends is served once and answered alike.

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage, HttpResponse};
use keystead_application::service::{Claim, IdempotentRequest};
use keystead_domain::limits::{IDEMPOTENCY_LIFE, IDEMPOTENCY_TOKEN_LIFE};
use serde::{Deserialize, Serialize};

use super::access::acting;
use crate::authorization::rules_of;
use crate::http::{ApiError, Code, RawBody, ShownCredentials, client_address};
use crate::services::Services;

const KEY: &str = "idempotency-key";
/// Longest key, in bytes.
const MAX_KEY: usize = 128;

/// Routes that create or send, and how long their answers are replayed.
const ROUTES: &[(&str, Duration)] = &[
    ("/api/v1/auth/register", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/auth/srp/register", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/auth/login/otp", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/auth/passwordless", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/auth/otp", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/totp", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/recovery-codes", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/passkeys", IDEMPOTENCY_TOKEN_LIFE),
    ("/api/v1/contacts", IDEMPOTENCY_LIFE),
    ("/api/v1/admin/users", IDEMPOTENCY_LIFE),
    ("/api/v1/auth/password/forgot", IDEMPOTENCY_LIFE),
    ("/api/v1/attendance/in", IDEMPOTENCY_LIFE),
    ("/api/v1/attendance/out", IDEMPOTENCY_LIFE),
];

/// Headers of an answer that belong to it and not to its request.
const KEPT: [HeaderName; 2] = [header::CONTENT_TYPE, header::SET_COOKIE];

/// The middleware around every route of the API but the hot path.
pub(super) async fn once(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let route = ROUTES.iter().find(|(path, _)| *path == req.path() && req.method() == "POST");
    let (Some((path, life)), Some(key)) = (route, req.headers().get(KEY).cloned()) else {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    };
    let prepared = async {
        let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len())).map(str::to_owned);
        let key = key.ok_or_else(|| ApiError::new(Code::INVALID_HEADER).in_header("Idempotency-Key"))?;
        let principal = principal(&req)?;
        let body = req.extract::<RawBody>().await?.0;
        let services = req.app_data::<Data<Services>>().cloned();
        let services = services.ok_or_else(|| ApiError::internal("services are not composed"))?;
        Ok::<_, ApiError>((key, principal, body, services))
    };
    let (key, principal, body, services) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => return Ok(req.error_response(error)),
    };
    // A request with other parameters is another request.
    let route = match req.query_string() {
        "" => (*path).to_owned(),
        query => format!("{path}?{query}"),
    };
    let request = IdempotentRequest { route: &route, principal: &principal, key: &key, body: &body };
    let claimed = services.idempotency.claim(&request).await.map_err(ApiError::from);
    let refusal = match claimed {
        Ok(Claim::Serve(attempt)) => {
            req.set_payload(Payload::from(Bytes::copy_from_slice(&body)));
            req.extensions_mut().insert(attempt);
            let answer = next.call(req).await?;
            return keep(&services, &request, answer, *life).await;
        }
        Ok(Claim::Answered(answer)) => match (still_counts(&req).await, replay(answer.expose())) {
            (Ok(()), Some(answer)) => return Ok(req.into_response(answer)),
            (Ok(()), None) => ApiError::internal("a kept answer cannot be read"),
            (Err(refusal), _) => refusal,
        },
        Ok(Claim::UnderWay) => ApiError::new(Code::IDEMPOTENCY_IN_PROGRESS),
        Ok(Claim::OtherBody) => ApiError::new(Code::IDEMPOTENCY_KEY_REUSED),
        Err(error) => error,
    };
    Ok(req.error_response(refusal))
}

/// Answers for the signed-in are repeated only to who may use the route now. The registration of a passkey ends the
/// token it came with, so that its answer could never be repeated.
async fn still_counts(req: &ServiceRequest) -> Result<(), ApiError> {
    const SIGNED_IN: [&str; 7] = [
        "/api/v1/auth/otp",
        "/api/v1/totp",
        "/api/v1/recovery-codes",
        "/api/v1/contacts",
        "/api/v1/admin/users",
        "/api/v1/attendance/in",
        "/api/v1/attendance/out",
    ];
    let rule = rules_of(req.path()).into_iter().find(|rule| rule.method == "POST");
    if let Some(rule) = rule.filter(|_| SIGNED_IN.contains(&req.path())) {
        acting(req.request(), rule).await?;
    }
    Ok(())
}

/// Whom the key belongs to: the holder of a token at their client, else the client's address and kind. An answer holds
/// the client id, so a token alone, without the client id it belongs to, must not be enough to have it repeated.
fn principal(req: &ServiceRequest) -> Result<String, ApiError> {
    let shown = ShownCredentials::read(req.request())?;
    let kind = shown.kind.as_str();
    Ok(match shown.bearer {
        Some(token) => format!("{kind} token {token} {}", shown.client_id.unwrap_or_default()),
        None => format!("{kind} {}", client_address(req.request()).limit_key()),
    })
}

#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

async fn keep(
    services: &Services,
    request: &IdempotentRequest<'_>,
    answer: ServiceResponse<impl MessageBody + 'static>,
    life: Duration,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !answer.status().is_success() {
        // What was refused changed nothing, so a repeat is a new request. What failed may have been carried out.
        let noted = if answer.status().is_server_error() {
            services.idempotency.release(request).await
        } else {
            services.idempotency.forget(request).await
        };
        if let Err(error) = noted {
            tracing::debug!(%error, "an idempotency record waits for its end");
        }
        return Ok(answer.map_into_boxed_body());
    }
    let (req, answer) = answer.into_parts();
    let (head, body) = answer.into_parts();
    let body = to_bytes(body).await.map_err(|_| ApiError::internal("an answer has no body"))?;
    let headers = head
        .headers()
        .iter()
        .filter(|(name, _)| KEPT.contains(name))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let text = String::from_utf8_lossy(&body).into_owned();
    let kept = KeptAnswer { status: head.status().as_u16(), headers, body: text };
    // The request was served; that its answer cannot be kept must not turn it into a failure.
    let result = services.idempotency.keep(request, &serde_json::to_vec(&kept).unwrap_or_default(), life).await;
    if let Err(error) = result {
        tracing::warn!(%error, "an answer was not kept for a repeat");
    }
    Ok(ServiceResponse::new(req, head.set_body(BoxBody::new(body))))
}

fn replay(kept: &[u8]) -> Option<HttpResponse> {
    let KeptAnswer { status, headers, body } = serde_json::from_slice(kept).ok()?;
    let mut answer = HttpResponse::build(StatusCode::from_u16(status).ok()?);
    for (name, value) in headers {
        answer.append_header((HeaderName::try_from(name).ok()?, HeaderValue::from_str(&value).ok()?));
    }
    Some(answer.body(body))
}
