//! The one middleware around everything: request ids, refusals before routing, security headers, CORS, error bodies,
//! panics, log lines and figures. One future per request, so that the hot path pays once.

mod gate;
mod headers;
mod outage;
mod panics;
mod request_id;
mod streamed;
mod telemetry;
#[cfg(test)]
mod tests;
mod unread;
#[cfg(test)]
mod wire_tests;

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{Error, HttpMessage as _, HttpResponse};
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Ready, ready};
use keystead_application::ports::Entropy;
use keystead_domain::limits::REQUEST_DEADLINE;

use super::document::JSON_API;
use super::origin::share;
use super::pressure::{Exchange, always_served, within};
use super::{ApiError, Code, HttpSettings, Language};
use outage::Outage;
use panics::Broken;
pub use panics::log_panics;
pub use request_id::RequestId;
use request_id::RequestIds;
use telemetry::Telemetry;
pub use telemetry::log_text;
use unread::Unread;

/// Wraps an application: `App::new().wrap(edge.clone())`, outside every other middleware.
#[derive(Clone)]
pub struct Edge {
    settings: Arc<HttpSettings>,
    entropy: Arc<dyn Entropy>,
    deadline: Duration,
}

impl Edge {
    /// The edge of a deployment.
    pub fn new(settings: Arc<HttpSettings>, entropy: Arc<dyn Entropy>) -> Self {
        Self { settings, entropy, deadline: REQUEST_DEADLINE }
    }

    /// Grants another time than [`REQUEST_DEADLINE`] for each request.
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let worker = Worker {
            settings: Arc::clone(&self.settings),
            ids: RequestIds::new(self.entropy.as_ref()),
            telemetry: Telemetry::default(),
            deadline: self.deadline,
        };
        ready(Ok(EdgeService { service: Rc::new(service), worker: Rc::new(worker) }))
    }
}

/// What one thread keeps between requests.
struct Worker {
    settings: Arc<HttpSettings>,
    ids: RequestIds,
    telemetry: Telemetry,
    deadline: Duration,
}

/// The wrapped application on one thread.
pub struct EdgeService<S> {
    service: Rc<S>,
    worker: Rc<Worker>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let (service, worker) = (Rc::clone(&self.service), Rc::clone(&self.worker));
        Box::pin(async move {
            #[expect(clippy::disallowed_methods, reason = "how long an answer took; decides nothing")]
            let started = Instant::now();
            let origin = req.headers().get(header::ORIGIN).cloned();
            let seen = Seen { id: worker.ids.of(req.headers()), origin, started };
            let exchange = Exchange::begin(req.request());
            let (req, unread) = Unread::watch(req, exchange.line());
            if let Some(refusal) = worker.stop(&req, &exchange, &seen.id) {
                let answer = worker.finish(req.into_response(refusal).map_into_right_body(), &seen);
                return Ok(unread.hang_up_after(answer));
            }
            req.extensions_mut().insert(seen.id.clone());
            req.extensions_mut().insert(WorkLimit(worker.deadline));
            // The call itself may panic too, so it happens inside.
            let call = async move { service.call(req).await };
            let call = AssertUnwindSafe(call).catch_unwind();
            match within(worker.deadline, || exchange.slowed(), call).await {
                Some(Ok(Ok(response))) => {
                    let answer = worker.finish(with_error_body(response, &worker.settings, &seen.id), &seen);
                    Ok(streamed::hold(unread.hang_up_after(answer), exchange, worker.deadline))
                }
                Some(Ok(Err(error))) => Err(worker.broken(error, seen)),
                Some(Err(_)) => Err(worker.broken(ApiError::internal("a handler panicked").into(), seen)),
                None => Err(worker.broken(late().into(), seen)),
            }
        })
    }
}

/// How long the work on a request may take, beside slowing down; in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct WorkLimit(pub Duration);

/// What is kept of a request while its handler has it.
struct Seen {
    id: RequestId,
    origin: Option<HeaderValue>,
    started: Instant,
}

/// When a request that took too long, or came to a thread that cannot keep up, makes sense again.
const RELIEF: Duration = Duration::from_secs(1);

/// The answer to a request whose work took longer than it may: mostly a store that hangs.
fn late() -> ApiError {
    ApiError::unavailable("the work on the request took longer than it may").retry_after(RELIEF)
}

impl Worker {
    /// The early answer to a request that goes no further: a thread that cannot keep up says so before it looks.
    fn stop(&self, req: &ServiceRequest, exchange: &Exchange, id: &RequestId) -> Option<HttpResponse> {
        if exchange.sheds() && !always_served(req.path()) {
            let language = Language::of_request(req.headers(), self.settings.language);
            return Some(ApiError::new(Code::OVERLOADED).retry_after(RELIEF).to_response(Some(id.as_str()), language));
        }
        gate::stop(req, &self.settings, id)
    }

    fn finish<B>(&self, mut answer: ServiceResponse<EitherBody<B>>, seen: &Seen) -> ServiceResponse<EitherBody<B>> {
        dress(answer.headers_mut(), &self.settings, seen.origin.as_ref(), &seen.id);
        if is_error(answer.status()) && answer.headers().contains_key(header::CONTENT_LANGUAGE) {
            vary_by_language(answer.headers_mut());
        }
        self.telemetry.record(answer.request(), answer.status(), seen.started.elapsed(), &seen.id);
        answer
    }

    /// The request is gone with the panic, so the error carries the whole answer to the dispatcher.
    fn broken(&self, error: Error, seen: Seen) -> Error {
        let broken = Broken::new(error, seen.id, seen.origin, Arc::clone(&self.settings));
        self.telemetry.count("broken", "OTHER", broken.api().code().status(), seen.started.elapsed());
        report(broken.api(), broken.id());
        broken.into()
    }
}

/// Every header of an answer that is not its handler's business.
fn dress(answer: &mut HeaderMap, settings: &HttpSettings, origin: Option<&HeaderValue>, id: &RequestId) {
    headers::protect(answer, settings.secure, id);
    share(origin, &settings.origins, answer);
}

/// Tells caches that another `Accept-Language` gets another text.
fn vary_by_language(answer: &mut HeaderMap) {
    answer.append(header::VARY, HeaderValue::from_static("Accept-Language"));
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Gives an error its JSON:API body with the request's id, whoever made the error. An error with a body of its own
/// format (a health report) keeps it.
fn with_error_body<B>(
    answer: ServiceResponse<B>,
    settings: &HttpSettings,
    id: &RequestId,
) -> ServiceResponse<EitherBody<B>>
where
    B: MessageBody + 'static,
{
    let status = answer.status();
    if !is_error(status) {
        return answer.map_into_left_body();
    }
    let (req, response) = answer.into_parts();
    let language = Language::of_request(req.headers(), settings.language);
    let known = response.error().and_then(Error::as_error::<ApiError>);
    let body = match known {
        Some(error) => {
            report(error, id);
            error.body(Some(id.as_str()), language)
        }
        None if has_own_body(&response) => {
            return ServiceResponse::new(req, response.map_into_left_body());
        }
        None => ApiError::new(Code::of_status(status)).body(Some(id.as_str()), language),
    };
    let mut response = response.set_body(BoxBody::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON_API);
    response.headers_mut().insert(header::CONTENT_LANGUAGE, language.header());
    ServiceResponse::new(req, response.map_into_right_body())
}

fn has_own_body<B>(response: &HttpResponse<B>) -> bool {
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.is_some_and(|media| !media.starts_with("text/plain"))
}

/// The cause of a failure belongs into the log, where the id in the answer finds it.
fn report(error: &ApiError, id: &RequestId) {
    let Some(cause) = error.log_cause().map(log_text) else { return };
    let (request_id, code) = (id.as_str(), error.code().as_str());
    if error.code() == Code::DEPENDENCY_UNAVAILABLE {
        tracing::debug!(request_id, code, cause, "request failed");
        if let Some(requests) = Outage::of_process().count() {
            tracing::error!(requests, cause, "requests fail: a store is away");
        }
    } else if error.code().status().is_server_error() {
        tracing::error!(request_id, code, cause, "request failed");
    } else {
        tracing::debug!(request_id, code, cause, "request refused");
    }
}
