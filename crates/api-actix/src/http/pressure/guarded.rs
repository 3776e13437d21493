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

/// Longest name of a header that actix-http is shown. It panics at one of 64 KiB, which is more than a `HeaderName` holds, and
/// what is longer than 16 KiB is refused anyway. Part of a name can come unseen, behind a request that is being answered; it
/// is no more than the difference.
const LONGEST_NAME: usize = 32 * 1024;

/// Follows the lines of a head as its bytes come.
#[derive(Debug, Default)]
struct Lines {
    /// Bytes of the line so far, while they can be a name.
    name: usize,
    /// The line has a colon or, being that of the request, a space: what follows is no name.
    named: bool,
}

impl Lines {
    /// Whether a name grew too long with these bytes.
    fn is_too_long_with(&mut self, bytes: &[u8]) -> bool {
        let mut too_long = false;
        for byte in bytes {
            match byte {
                b'\n' => *self = Self::default(),
                b':' | b' ' => self.named = true,
                _ if self.named => {}
                _ => {
                    self.name += 1;
                    too_long |= self.name > LONGEST_NAME;
                }
            }
        }
        too_long
    }
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

/// The stream of a connection whose peer was slow ends with an error of kind `TimedOut`.
pub(super) struct Guarded {
    transport: Transport,
    line: Rc<Line>,
    read: usize,
    lines: Lines,
}

impl Guarded {
    pub(super) fn new(transport: Transport, line: Rc<Line>) -> Self {
        Self { transport, line, read: 0, lines: Lines::default() }
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
        if this.line.expects_head()
            && this.lines.is_too_long_with(buffer.filled().get(before..).unwrap_or_default())
            && let Some(last) = buffer.filled_mut().last_mut()
        {
            // No head has this byte anywhere: actix-http refuses it and ends the connection. What was sent after a request
            // was refused is read by nobody, and may have it.
            *last = 0;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_are_seen_however_they_come() {
        let name = vec![b'a'; LONGEST_NAME];
        let mut lines = Lines::default();
        assert!(!lines.is_too_long_with(b"GET /") && !lines.is_too_long_with(&name));
        assert!(
            !lines.is_too_long_with(b" HTTP/1.1\r\nX:") && !lines.is_too_long_with(&name),
            "a path and a value are none"
        );
        assert!(!lines.is_too_long_with(b"b\r\n") && !lines.is_too_long_with(&name));
        assert!(lines.is_too_long_with(b"a"), "one more");
        assert!(lines.is_too_long_with(b"\r\n") && !lines.is_too_long_with(&name), "until the line ends");
        let whole = [&b"GET / HTTP/1.1\r\n"[..], &name, b"a: b\r\n\r\n"].concat();
        assert!(Lines::default().is_too_long_with(&whole), "at once");
    }
}
