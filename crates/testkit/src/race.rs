//! Many tasks at one thing, and futures that are dropped half-way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::task::yield_now;

/// Runs `racers` tasks that begin together; the results in order of their numbers.
///
/// # Panics
/// When a racer panics.
pub async fn race<T, F>(racers: usize, racer: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let ready = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..racers)
        .map(|number| {
            let (ready, run) = (Arc::clone(&ready), racer(number));
            tokio::spawn(async move {
                // Not a barrier: that wakes one racer after the other, and the first may be through before the last.
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < racers {
                    yield_now().await;
                }
                run.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(racers);
    for task in tasks {
        match task.await {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results
}

/// Polls `future` at most `polls` times, then drops it where it stands. `None` when it was dropped.
pub async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    CancelledAfter { future: Some(Box::pin(future)), left: polls }.await
}

struct CancelledAfter<F> {
    future: Option<Pin<Box<F>>>,
    left: usize,
}

impl<F: Future> Future for CancelledAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left > 0 {
            self.left -= 1;
            match self.future.as_mut().map(|future| future.as_mut().poll(context)) {
                Some(Poll::Ready(output)) => return Poll::Ready(Some(output)),
                Some(Poll::Pending) if self.left > 0 => return Poll::Pending,
                Some(Poll::Pending) | None => {}
            }
        }
        self.future = None;
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn three_steps() -> u8 {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        7
    }

    #[tokio::test]
    async fn a_future_is_dropped_after_exactly_so_many_polls() {
        assert_eq!(cancelled_after(0, three_steps()).await, None);
        assert_eq!(cancelled_after(2, three_steps()).await, None);
        assert_eq!(cancelled_after(3, three_steps()).await, Some(7));
    }
}
