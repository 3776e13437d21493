//! What was begun is finished, whoever hangs up.

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, rt};
use keystead_domain::limits::REQUEST_DEADLINE;

use crate::http::pressure::within;
use crate::http::{ApiError, WorkLimit};

/// The middleware around every route of the API but the hot path, inside the limits: who waits there has not begun.
///
/// A client that is gone is not worked for: actix drops the handler wherever it stands. A guess would be counted and never
/// recorded as one (G16), a session be promised and never opened. So what may change something runs in a task of its own,
/// to its end or its deadline.
pub(super) async fn finish(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if req.method().is_safe() {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    }
    let limit = req.extensions().get().map_or(REQUEST_DEADLINE, |WorkLimit(limit)| *limit);
    let work = async move { next.call(req).await.map(ServiceResponse::map_into_boxed_body) };
    match rt::spawn(within(limit, Duration::default, work)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(ApiError::unavailable("the work on the request took longer than it may").into()),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(ApiError::unavailable(cancelled).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;

    use actix_web::dev::Service;
    use actix_web::http::Method;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, HttpResponse, web};
    use tokio::sync::oneshot;

    use super::*;

    /// Whether the handler of a request came to its end though its client hung up in the middle.
    async fn is_finished(method: Method) -> bool {
        let (go, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let ends = Rc::new(RefCell::new(Some((begun, end))));
        let handler = move || {
            let ends = Rc::clone(&ends);
            async move {
                let (begun, end) = ends.borrow_mut().take().unwrap();
                begun.await.unwrap();
                end.send(()).unwrap();
                HttpResponse::NoContent().finish()
            }
        };
        let app = init_service(App::new().default_service(web::to(handler)).wrap(from_fn(finish))).await;
        {
            let mut call = pin!(app.call(TestRequest::default().method(method).to_request()));
            // Far enough for the handler to wait.
            for _ in 0..3 {
                assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
                tokio::task::yield_now().await;
            }
        }
        go.send(()).is_ok() && ended.await.is_ok()
    }

    #[actix_web::test]
    async fn what_may_change_something_is_finished_for_who_hung_up() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(is_finished(method.clone()).await, "{method}");
        }
        assert!(!is_finished(Method::GET).await);
    }

    #[actix_web::test]
    async fn a_panic_goes_on_where_it_is_caught() {
        let handler = || async { if true { panic!("a handler") } else { HttpResponse::Ok().finish() } };
        let app = init_service(App::new().default_service(web::to(handler)).wrap(from_fn(finish))).await;
        let call = app.call(TestRequest::post().to_request());
        let caught = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(call)).await;
        assert!(caught.is_err());
    }
}
