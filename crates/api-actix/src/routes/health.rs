//! `/health/live`, `/health/ready` and their aliases.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use futures_util::future::join;
use keystead_application::ports::{Clock, SessionStore, Store};
use keystead_application::revocation::RevocationView;
use serde::Serialize;

use crate::http::ApiError;

/// What readiness looks at.
pub struct Readiness {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    view: Arc<RevocationView>,
    clock: Arc<dyn Clock>,
}

impl Readiness {
    /// The checks.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        view: Arc<RevocationView>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, sessions, view, clock }
    }
}

/// A health report.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `ok` or `failing`.
    status: &'static str,
    /// Each check.
    checks: Checks,
}

/// The checks of a report.
#[derive(Serialize, utoipa::ToSchema)]
struct Checks {
    /// The database answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'static str>,
    /// The store of sessions and limits answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<&'static str>,
    /// Revocations are read in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<&'static str>,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "operations",
    responses((status = 200, description = "It runs", body = inline(Health), content_type = "application/json")))]
pub(super) async fn live() -> HttpResponse {
    report(true, Checks { store: None, sessions: None, revocations: None })
}

/// The service can do its work.
#[utoipa::path(get, path = "/health/ready", tag = "operations",
    responses((status = 200, description = "It can", body = inline(Health), content_type = "application/json"),
        (status = 503, description = "It cannot", body = inline(Health), content_type = "application/json")))]
pub(super) async fn ready(readiness: Data<Readiness>) -> Result<HttpResponse, ApiError> {
    let (store, sessions) = join(readiness.store.ping(), readiness.sessions.ping()).await;
    let (store, sessions) = (store.is_ok(), sessions.is_ok());
    let revocations = readiness.view.is_confirmed(readiness.clock.now());
    let word = |good: bool| Some(if good { "ok" } else { "failing" });
    let checks = Checks { store: word(store), sessions: word(sessions), revocations: word(revocations) };
    Ok(report(store && sessions && revocations, checks))
}

fn report(good: bool, checks: Checks) -> HttpResponse {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = Health { status: if good { "ok" } else { "failing" }, checks };
    let body = serde_json::to_vec(&health).unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body)
}
