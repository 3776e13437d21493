//! Answers whose parts are made while they are sent.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;
use tokio::time::{Sleep, sleep};

use crate::http::pressure::Exchange;

/// Lets a request last until the end of its answer when that is made in parts: until then nobody waits for the client to
/// ask for anything. Each part has this long.
pub(super) fn hold<B>(
    answer: ServiceResponse<EitherBody<B>>,
    exchange: Exchange,
    limit: Duration,
) -> ServiceResponse<EitherBody<B>>
where
    B: MessageBody + 'static,
{
    if answer.response().body().size() != BodySize::Stream {
        return answer;
    }
    answer.map_body(|_, body| {
        EitherBody::right(BoxBody::new(Streamed { body: body.boxed(), limit, late: None, _exchange: exchange }))
    })
}

struct Streamed {
    body: BoxBody,
    limit: Duration,
    /// Of the part that is waited for.
    late: Option<Pin<Box<Sleep>>>,
    _exchange: Exchange,
}

impl MessageBody for Streamed {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let part = Pin::new(&mut self.body).poll_next(cx);
        if part.is_ready() {
            self.late = None;
            return part;
        }
        let limit = self.limit;
        match self.late.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err("part of an answer took longer than it may".into()))),
            Poll::Pending => Poll::Pending,
        }
    }
}
