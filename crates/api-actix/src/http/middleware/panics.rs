//! A panic is one failed request, not the end of the process.

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::{Error, HttpResponse, ResponseError};

use super::request_id::RequestId;
use super::{dress, vary_by_language};
use crate::http::{ApiError, Code, HttpSettings};

/// An answer to a request that did not come back: its handler panicked, or a middleware failed.
pub(super) struct Broken {
    error: Error,
    /// Stands in for an error that is not ours.
    foreign: ApiError,
    id: RequestId,
    origin: Option<HeaderValue>,
    settings: Arc<HttpSettings>,
}

impl Broken {
    pub(super) fn new(error: Error, id: RequestId, origin: Option<HeaderValue>, settings: Arc<HttpSettings>) -> Self {
        let status = error.as_response_error().status_code();
        let foreign = ApiError::new(Code::of_status(status)).cause(&error);
        Self { error, foreign, id, origin, settings }
    }

    pub(super) fn api(&self) -> &ApiError {
        self.error.as_error::<ApiError>().unwrap_or(&self.foreign)
    }

    pub(super) const fn id(&self) -> &RequestId {
        &self.id
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broken({})", self.api())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.api().fmt(f)
    }
}

impl ResponseError for Broken {
    fn status_code(&self) -> StatusCode {
        self.api().code().status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = self.api().to_response(Some(self.id.as_str()), self.settings.language);
        dress(answer.headers_mut(), &self.settings, self.origin.as_ref(), &self.id);
        vary_by_language(answer.headers_mut());
        answer
    }
}

/// Logs where a panic happened and not what it said: its message may hold a secret.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}
