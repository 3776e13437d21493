//! Large answers in small parts.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use keystead_domain::limits::ANSWER_STEP;

/// A large answer that many clients share. actix-http copies what a body gives it into the connection's buffer at once; of
/// this one it gets a part after the other as the client takes them, so that slow clients cost no more than quick ones.
#[derive(Clone, Debug)]
pub struct Parts(Bytes);

impl Parts {
    /// All of it.
    pub const fn new(whole: Bytes) -> Self {
        Self(whole)
    }
}

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = self.0.len().min(ANSWER_STEP);
        Poll::Ready((length > 0).then(|| Ok(self.0.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use actix_http::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn the_parts_are_small_and_make_the_whole() {
        for length in [0, 1, ANSWER_STEP, 3 * ANSWER_STEP + 7] {
            let whole: Bytes = (0_u8..=250).cycle().take(length).collect();
            let mut parts = Parts::new(whole.clone());
            assert_eq!(parts.size(), BodySize::Sized(length as u64));
            let mut cx = Context::from_waker(std::task::Waker::noop());
            if let Poll::Ready(Some(first)) = Pin::new(&mut parts).poll_next(&mut cx) {
                assert!(first.unwrap().len() <= ANSWER_STEP);
            }
            assert_eq!(to_bytes(Parts::new(whole.clone())).await.unwrap(), whole);
        }
    }
}
