//! Ends connections whose chunked body was not read to its end.
//!
//! actix-http closes a connection within a second when an answer leaves part of a body unread, unless the body comes in
//! chunks and its receiver was dropped: then it goes on reading, with no limit of time or size. So the receiver of such a
//! body is kept until the answer is on its way.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _};

use crate::http::pressure::{Line, body_awaited, is_body_metered};

/// The body of a request, if it comes in chunks or is larger than what is read of it unasked.
pub(super) struct Unread(Option<Rc<Watched>>);

struct Watched {
    payload: RefCell<Payload>,
    ended: Cell<bool>,
    line: Option<Rc<Line>>,
}

impl Unread {
    /// Keeps a hand on the body of a request that goes on to its handler, and tells the connection when it waits for more.
    pub(super) fn watch(mut req: ServiceRequest, line: Option<Rc<Line>>) -> (ServiceRequest, Self) {
        if !is_body_metered(req.request()) {
            return (req, Self(None));
        }
        let watched = Watched { payload: RefCell::new(req.take_payload()), ended: Cell::new(false), line };
        let watched = Rc::new(watched);
        req.set_payload(Payload::Stream { payload: Box::pin(Reading(Rc::clone(&watched))) });
        (req, Self(Some(watched)))
    }

    /// Lets the connection end after this answer when the body was not read to its end.
    pub(super) fn hang_up_after<B>(self, answer: ServiceResponse<EitherBody<B>>) -> ServiceResponse<EitherBody<B>>
    where
        B: MessageBody + 'static,
    {
        match self.0.filter(|watched| !watched.ended.get()) {
            None => answer,
            Some(unread) => answer
                .map_body(|_, body| EitherBody::right(BoxBody::new(Holding { body: body.boxed(), _unread: unread }))),
        }
    }
}

/// The body as the handler reads it.
struct Reading(Rc<Watched>);

impl Stream for Reading {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.0.payload.borrow_mut().poll_next_unpin(cx);
        if next.is_pending()
            && let Some(line) = &self.0.line
            && !body_awaited(line, cx)
        {
            return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
        }
        let next = ready!(next);
        if next.is_none() {
            self.0.ended.set(true);
        }
        Poll::Ready(next)
    }
}

/// The body of an answer, and the unread body of its request.
struct Holding {
    body: BoxBody,
    _unread: Rc<Watched>,
}

impl MessageBody for Holding {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
