//! Work that takes a thread's time, a little at a time.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// Does the work step by step: between two steps of all work with these turns the thread's sockets and timers have theirs. A
/// turn is kept for a step, never while a peer is waited for, so slow ones keep nobody from theirs.
pub(super) async fn in_turn<T>(turns: &Semaphore, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        // Nobody closes it.
        let turn = turns.acquire().await;
        yield_now().await;
        let step = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
        drop(turn);
        if let Poll::Ready(done) = step {
            return done;
        }
        // What woke the work since that step wakes this.
        let mut waited = false;
        poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::rc::Rc;
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[actix_web::test]
    async fn others_have_their_turn_between_two_steps() {
        let turns = Rc::new(Semaphore::new(1));
        let (steps, seen) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let work = (0..100).map(|_| {
            let steps = Rc::clone(&steps);
            let turns = Rc::clone(&turns);
            actix_web::rt::spawn(async move { in_turn(&turns, async { steps.set(steps.get() + 1) }).await })
        });
        let work: Vec<_> = work.collect();
        let (known, most) = (Rc::clone(&steps), Rc::clone(&seen));
        let other = actix_web::rt::spawn(async move {
            loop {
                let before = known.get();
                yield_now().await;
                most.set(most.get().max(known.get() - before));
            }
        });
        join_all(work).await;
        other.abort();
        assert_eq!(steps.get(), 100);
        assert!(seen.get() <= 2, "{} steps at once", seen.get());
    }

    #[actix_web::test]
    async fn who_waits_for_its_peer_keeps_nobody_waiting() {
        let turns = Semaphore::new(1);
        let (say, heard) = oneshot::channel();
        let work = async {
            let stuck = in_turn(&turns, pending::<()>());
            let waiting = in_turn(&turns, heard);
            let quick = in_turn(&turns, async { say.send(7) });
            tokio::select! {
                () = stuck => None,
                (waiting, _) = async { tokio::join!(waiting, quick) } => waiting.ok(),
            }
        };
        assert_eq!(timeout(Duration::from_secs(20), work).await, Ok(Some(7)));
    }
}
