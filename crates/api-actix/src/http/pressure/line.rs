//! One connection, as the requests on it and the thread that serves it see it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use tokio::time::Instant;

use super::pace::{Body, Cut, Pace, Patience};
use super::thread::Thread;

/// One connection: kept by its stream, and among the connection data of its requests.
pub struct Line {
    thread: Rc<Thread>,
    pace: RefCell<Pace>,
    task: RefCell<Option<Waker>>,
    /// The task waits for leave to read, not for bytes.
    held: Cell<bool>,
    cut: Cell<Option<Cut>>,
    slowed: Cell<Duration>,
}

impl Line {
    pub(super) fn new(thread: Rc<Thread>) -> Self {
        Self {
            thread,
            pace: RefCell::new(Pace::new()),
            task: RefCell::default(),
            held: Cell::default(),
            cut: Cell::default(),
            slowed: Cell::default(),
        }
    }

    /// The connection a request came over; `None` in tests without sockets.
    pub fn of(req: &HttpRequest) -> Option<&Rc<Self>> {
        req.conn_data()
    }

    /// Notes that the request in hand is made to wait on purpose, which its deadline leaves out.
    pub fn slow_down(&self, wait: Duration) {
        self.slowed.set(self.slowed.get().saturating_add(wait));
    }

    /// An error, when the connection has been ended.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.cut.get().is_some() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Whether its end shall leave nothing behind.
    pub(super) fn is_unread(&self) -> bool {
        self.cut.get() == Some(Cut::Unread)
    }

    /// Whether the task may read now. When not, it is woken once it may.
    pub(super) fn may_read(&self, cx: &Context<'_>) -> bool {
        let mut task = self.task.borrow_mut();
        if task.as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        let may = self.pace.borrow().may_read();
        self.held.set(!may);
        may
    }

    /// Whether what comes next is a head, or what nobody reads any more.
    pub(super) fn expects_head(&self) -> bool {
        self.pace.borrow().expects_head()
    }

    /// Tells the pace what happened; a task that may go on reading because of it is woken.
    pub(super) fn note(&self, event: impl FnOnce(&mut Pace)) {
        let may = {
            let mut pace = self.pace.borrow_mut();
            event(&mut pace);
            pace.may_read()
        };
        if may && self.held.replace(false) {
            self.wake();
        }
    }

    /// Ends the connection if its peer was too slow.
    pub(super) fn judge(&self, now: Instant, patience: &Patience, crowded: bool) {
        let cut = self.pace.borrow_mut().over(now, patience, crowded);
        if cut.is_some() {
            self.cut.set(cut);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(task) = self.task.borrow().as_ref() {
            task.wake_by_ref();
        }
    }
}

/// A request that is being answered. Ends when this is dropped.
pub struct Exchange(Option<Rc<Line>>);

impl Exchange {
    /// Begins with a request's head.
    pub fn begin(req: &HttpRequest) -> Self {
        let line = Line::of(req).cloned();
        if let Some(line) = &line {
            line.slowed.set(Duration::ZERO);
            line.note(|pace| pace.begins(body(req)));
        }
        Self(line)
    }

    /// The connection, to be told when the last chunk came.
    pub fn line(&self) -> Option<Rc<Line>> {
        self.0.clone()
    }

    /// Whether the thread takes nothing but what must always go through.
    pub fn sheds(&self) -> bool {
        self.0.as_ref().is_some_and(|line| line.thread.sheds())
    }

    /// How long the request was made to wait on purpose.
    pub fn slowed(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |line| line.slowed.get())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.note(Pace::answered);
        }
    }
}

/// The last chunk of a body came.
pub fn body_ended(line: &Line) {
    line.note(Pace::body_ended);
}

fn body(req: &HttpRequest) -> Body {
    if req.headers().contains_key(header::TRANSFER_ENCODING) {
        return Body::Chunked;
    }
    let length = req.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    Body::Sized(length.unwrap_or(0))
}
