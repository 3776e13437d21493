//! The stream of a connection, held to its pace.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::line::Line;
use super::pace::Pace;

/// Bytes read before others have their turn. What is parsed at once is this and what was left: a few hundred requests at
/// most, however many a client sends in one go.
const STEP: usize = 8 * 1024;

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

/// The stream of a connection whose peer was slow ends with an error of kind `TimedOut`.
pub(super) struct Guarded {
    transport: Transport,
    line: Rc<Line>,
    read: usize,
}

impl Guarded {
    pub(super) const fn new(transport: Transport, line: Rc<Line>) -> Self {
        Self { transport, line, read: 0 }
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
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        if !this.line.may_read(cx) {
            return Poll::Pending;
        }
        if this.read >= STEP {
            this.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let Poll::Ready(result) = forward!(&mut this.transport, stream => stream.poll_read(cx, buffer)) else {
            this.read = 0;
            return Poll::Pending;
        };
        result?;
        let count = buffer.filled().len().saturating_sub(before);
        this.read += count;
        this.line.note(|pace| pace.has_read(count));
        Poll::Ready(Ok(()))
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
