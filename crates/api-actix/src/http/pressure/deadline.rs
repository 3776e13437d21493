//! A limit of time for the work on a request.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Does the work within `limit`, beside what `extra` says by then; `None` when it took longer, and the work is dropped.
pub async fn within<T>(limit: Duration, extra: impl Fn() -> Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    // Most requests never wait for anything, and need no timer.
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return Some(done);
    }
    let began = Instant::now();
    let mut granted = limit.saturating_add(extra());
    loop {
        if let Ok(done) = timeout_at(began + granted, work.as_mut()).await {
            return Some(done);
        }
        let now_granted = limit.saturating_add(extra());
        if now_granted <= granted {
            return None;
        }
        granted = now_granted;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[actix_web::test]
    async fn work_that_takes_too_long_is_dropped() {
        let (held, mut ended) = oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            pending::<()>().await;
        };
        assert_eq!(within(SHORT, || Duration::ZERO, work).await, None);
        assert!(ended.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        assert_eq!(within(Duration::ZERO, || Duration::ZERO, ready(7)).await, Some(7));
    }

    #[actix_web::test]
    async fn waiting_on_purpose_does_not_count() {
        let slowed = Cell::new(Duration::ZERO);
        let work = async {
            slowed.set(Duration::from_secs(600));
            sleep(SHORT * 2).await;
            7
        };
        assert_eq!(within(SHORT, || slowed.get(), work).await, Some(7));
    }
}
