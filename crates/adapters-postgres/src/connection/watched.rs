use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream on which every request must be answered in time.
///
/// A server that is stopped, or gone behind a black hole, answers neither a statement nor `BEGIN`, `COMMIT` or a TLS
/// handshake, and no time-out of its own runs. The clock starts with the first byte written after a read, and stops with
/// the next read. Without a limit it never runs.
pub(crate) struct Watched<S> {
    stream: S,
    limit: Option<Duration>,
    waiting: bool,
    timer: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    /// Watches `stream`; must be called on a runtime.
    pub(crate) fn new(stream: S, limit: Option<Duration>) -> Self {
        Self { stream, limit, waiting: false, timer: Box::pin(sleep(Duration::ZERO)) }
    }

    /// Something is written: an answer is due.
    fn expect_answer(&mut self) {
        if let (false, Some(limit)) = (self.waiting, self.limit) {
            self.timer.as_mut().reset(Instant::now() + limit);
            self.waiting = true;
        }
    }

    /// Fails when the answer is overdue; otherwise sees to it that the task is woken when it will be.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.waiting && self.timer.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server did not answer in time"));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            this.waiting = false;
            return read;
        }
        this.check(context)?;
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.expect_answer();
        // Also when the bytes go out at once: the task has looked for an answer before it wrote.
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_request_without_an_answer_fails_in_time() {
        let (near, mut far) = duplex(64);
        let mut watched = Watched::new(near, Some(LIMIT));
        for _ in 0..2 {
            watched.write_all(b"question").await.unwrap();
            far.write_all(b"a").await.unwrap();
            assert_eq!(watched.read_u8().await.unwrap(), b'a');
        }
        let begun = Instant::now();
        watched.write_all(b"question").await.unwrap();
        let error = watched.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((LIMIT..LIMIT * 5).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn silence_without_a_question_is_fine() {
        let (near, mut far) = duplex(64);
        let mut watched = Watched::new(near, Some(LIMIT));
        watched.write_all(b"question").await.unwrap();
        far.write_all(b"a").await.unwrap();
        assert_eq!(watched.read_u8().await.unwrap(), b'a');
        assert!(tokio::time::timeout(LIMIT * 2, watched.read_u8()).await.is_err(), "it waits on");
        far.write_all(b"!").await.unwrap();
        assert_eq!(watched.read_u8().await.unwrap(), b'!');
    }

    #[tokio::test]
    async fn a_server_that_takes_no_bytes_fails_in_time() {
        let (near, _far) = duplex(4);
        let mut watched = Watched::new(near, Some(LIMIT));
        let begun = Instant::now();
        let error = watched.write_all(b"longer than the buffer").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((LIMIT..LIMIT * 5).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}
