//! One connection, as the requests on it and the thread that serves it see it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use tokio::time::Instant;

use super::pace::{BODY_STEP, Cut, Pace, Patience};
use super::peers::Admitted;
use super::thread::Thread;

/// One connection: kept by its stream, and among the connection data of its requests.
pub struct Line {
    thread: Rc<Thread>,
    peer: Admitted,
    pace: RefCell<Pace>,
    task: RefCell<Option<Waker>>,
    /// The task waits for leave to read, not for bytes.
    held: Cell<bool>,
    /// The task has bytes of the next request, and waits for the end of this one.
    queued: Cell<bool>,
    /// The body of the request in hand cannot be read on.
    broken: Cell<bool>,
    /// Who waits for more of the body.
    reader: RefCell<Option<Waker>>,
    cut: Cell<Option<Cut>>,
    slowed: Cell<Duration>,
}

impl Line {
    pub(super) fn new(thread: Rc<Thread>, peer: Admitted) -> Self {
        Self {
            thread,
            peer,
            pace: RefCell::new(Pace::new()),
            task: RefCell::default(),
            held: Cell::default(),
            queued: Cell::default(),
            broken: Cell::default(),
            reader: RefCell::default(),
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

    /// Whether a request is to be answered before the next is looked at.
    pub(super) fn is_asked(&self) -> bool {
        self.pace.borrow().is_asked()
    }

    /// Tells whoever reads the body that there will be no more of it.
    pub(super) fn break_body(&self) {
        self.broken.set(true);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// The task is to be woken once no request is asked.
    pub(super) fn wait_for_answer(&self) {
        self.queued.set(true);
    }

    /// Tells the pace what happened; a task that may go on reading because of it is woken.
    pub(super) fn note(&self, event: impl FnOnce(&mut Pace)) {
        let (may, free) = {
            let mut pace = self.pace.borrow_mut();
            event(&mut pace);
            (pace.may_read(), !pace.is_asked())
        };
        let (held, queued) = (may && self.held.replace(false), free && self.queued.replace(false));
        if held || queued {
            self.wake();
        }
    }

    /// Ends the connection if its peer was too slow.
    pub(super) fn judge(&self, now: Instant, patience: &Patience, crowded: bool) {
        // A proxy that asks on a connection while that ends has no answer for its client, and has few of them.
        let cut = self.pace.borrow_mut().over(now, patience, crowded && !self.peer.trusted);
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
            line.note(Pace::begins);
        }
        Self(line)
    }

    /// The connection, to be told when more of a body is waited for.
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

/// The handler waits for more of a body. `false` when there is none, as what came is no body.
pub fn body_awaited(line: &Line, cx: &Context<'_>) -> bool {
    if line.broken.get() {
        return false;
    }
    *line.reader.borrow_mut() = Some(cx.waker().clone());
    line.note(Pace::awaits_body);
    true
}

/// Whether more of a request's body comes only as its handler waits for it, which [`body_awaited`] must be told of.
pub fn is_body_metered(req: &HttpRequest) -> bool {
    let length = || req.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok();
    req.headers().contains_key(header::TRANSFER_ENCODING) || length().is_some_and(|length| length > BODY_STEP)
}
