//! The stream of a connection, held to its pace.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::web::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::line::Line;
use super::messages::{Kind, Messages};
use super::pace::Pace;

/// Bytes read before others have their turn. What is parsed at once is this and what was left: a few hundred requests at
/// most, however many a client sends in one go.
const STEP: usize = 8 * 1024;

/// Bytes looked at beyond the request that is being answered, to learn that a peer hung up; they are kept until its turn.
const AHEAD: usize = 16 * 1024;
/// Taken from the socket at once while there is no buffer of actix-http's for it.
const GLANCE: usize = 2 * 1024;

/// Ends a head that is too long. In a value it makes more headers than actix-http takes (96), which it answers with 431;
/// anywhere else it is nonsense. There is no empty line in it, so the part that was read never becomes a request.
pub(super) fn too_long() -> BytesMut {
    let mut bytes = BytesMut::from(&b" "[..]);
    bytes.extend_from_slice(&b"a:\r\n".repeat(100));
    bytes
}

/// Clear text or TLS.
pub(super) enum Transport {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

macro_rules! forward {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport {
            Transport::Clear($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Transport::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

/// The stream of a connection. That of a peer who was slow ends with an error of kind `TimedOut`.
///
/// actix-http is shown one request at a time: it parses whatever it is given, however much that is, while it answers another
/// one, and polls without pause once its buffer is full. What came too early waits here.
pub(super) struct Guarded {
    transport: Transport,
    line: Rc<Line>,
    /// Bytes read since others had their turn.
    read: usize,
    messages: Messages,
    early: BytesMut,
    /// The peer says nothing more.
    ended: bool,
}

impl Guarded {
    pub(super) fn new(transport: Transport, line: Rc<Line>) -> Self {
        Self { transport, line, read: 0, messages: Messages::new(), early: BytesMut::new(), ended: false }
    }

    pub(super) const fn line(&self) -> &Rc<Line> {
        &self.line
    }

    fn check(&self) -> io::Result<()> {
        if self.line.is_unread() {
            // What the peer did not take is not kept for it by the system either. If that fails, it goes by time-out.
            let _ = SockRef::from(self.transport.tcp()).set_linger(Some(Duration::ZERO));
        }
        self.line.check()
    }

    fn read_on(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if self.read >= STEP {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.messages.is_refused() && self.early.is_empty() {
                // The answer to it is the last; actix-http reads no further.
                return Poll::Pending;
            }
            if self.messages.is_between() && self.line.is_asked() {
                return self.look_ahead(cx);
            }
            if self.early.is_empty() {
                if self.ended {
                    return Poll::Ready(Ok(()));
                }
                ready!(forward!(&mut self.transport, stream => stream.poll_read(cx, buffer)))?;
                let fresh = buffer.filled_mut().get_mut(before..).unwrap_or_default();
                if fresh.is_empty() {
                    self.ended = true;
                    return Poll::Ready(Ok(()));
                }
                self.read += fresh.len();
                let (taken, shown) = self.follow(fresh);
                self.early.extend_from_slice(buffer.filled().get(before + taken..).unwrap_or_default());
                buffer.set_filled(before + shown);
            } else {
                let count = self.early.len().min(buffer.remaining());
                let mut early = self.early.split_to(count);
                let (taken, shown) = self.follow(&mut early);
                buffer.put_slice(early.get(..shown).unwrap_or_default());
                let rest = early.split_off(taken);
                if !rest.is_empty() {
                    let later = std::mem::replace(&mut self.early, rest);
                    self.early.unsplit(later);
                }
            }
            if self.early.is_empty() {
                // Its memory is for what waits.
                self.early = BytesMut::new();
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Follows the messages through these bytes, up to the end of a request that is to be answered before the next. How
    /// many bytes that are, and how many of them, from the first on, are for actix-http.
    fn follow(&mut self, bytes: &mut [u8]) -> (usize, usize) {
        if self.messages.is_refused() {
            return (bytes.len(), bytes.len());
        }
        let (mut taken, mut shown) = (0, 0);
        while taken < bytes.len() && !(self.messages.is_between() && self.line.is_asked()) {
            let in_body = self.messages.is_in_body();
            let (count, kind) = self.messages.follow(bytes.get_mut(taken..).unwrap_or_default());
            taken += count;
            if !matches!(kind, Kind::Excess | Kind::TooLong) {
                shown += count;
            }
            match kind {
                Kind::Head | Kind::Excess => {}
                Kind::LastOfHead => self.line.note(Pace::is_asked_now),
                Kind::Body => self.line.note(|pace| pace.has_body(count)),
                Kind::Broken | Kind::BrokenBeforeNul | Kind::TooLong => {
                    // Nothing that follows is read as anything.
                    taken = bytes.len();
                    self.early = if kind == Kind::TooLong { too_long() } else { BytesMut::new() };
                    if in_body {
                        // actix-http would hang up on its handler, unanswered, so it does not see what is wrong.
                        shown -= 1;
                        self.line.break_body();
                    }
                }
            }
        }
        (taken, shown)
    }

    /// While a request is answered: whether its peer hung up.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.early.len() < AHEAD {
            let mut bytes = [MaybeUninit::uninit(); GLANCE];
            let mut glance = ReadBuf::uninit(&mut bytes);
            if forward!(&mut self.transport, stream => stream.poll_read(cx, &mut glance))?.is_pending() {
                break;
            }
            self.ended = glance.filled().is_empty();
            self.early.extend_from_slice(glance.filled());
        }
        if self.early.is_empty() {
            return if self.ended { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        self.line.wait_for_answer();
        Poll::Pending
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        if !this.line.may_read(cx) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = this.read_on(cx, buffer);
        if read.is_pending() {
            this.read = 0;
        }
        let count = buffer.filled().len().saturating_sub(before);
        this.line.note(|pace| pace.has_read(count));
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        match forward!(&mut this.transport, stream => stream.poll_write(cx, bytes)) {
            Poll::Ready(written) => {
                let count = written?;
                this.line.note(|pace| pace.wrote(count));
                Poll::Ready(Ok(count))
            }
            Poll::Pending => {
                this.line.note(Pace::blocked);
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let flushed = forward!(&mut this.transport, stream => stream.poll_flush(cx));
        this.line.note(if flushed.is_pending() { Pace::blocked } else { Pace::flushed });
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let shut = forward!(&mut this.transport, stream => stream.poll_shutdown(cx));
        if shut.is_pending() {
            this.line.note(Pace::blocked);
        }
        shut
    }
}
