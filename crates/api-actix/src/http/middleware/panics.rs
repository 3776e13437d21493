//! A panic is one failed request, not the end of the process.

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use super::dress;
use super::request_id::RequestId;
use crate::http::{ApiError, HttpSettings};

/// An answer to a request that did not survive.
pub(super) struct Broken {
    pub(super) error: ApiError,
    pub(super) id: RequestId,
    pub(super) settings: Arc<HttpSettings>,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broken({})", self.error)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Broken {
    fn status_code(&self) -> StatusCode {
        self.error.code().status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = self.error.to_response(Some(self.id.as_str()));
        dress(answer.headers_mut(), &self.settings, None, &self.id);
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
