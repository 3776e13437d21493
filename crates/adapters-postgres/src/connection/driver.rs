use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_postgres::Connection;

use super::describe::describe;

/// How long a connection that nobody holds any more may take to say goodbye.
const FAREWELL: Duration = Duration::from_millis(250);

/// One connection: what statements go to, and what became of the task that drives it.
pub(crate) struct Link {
    /// Statements go here.
    pub(crate) connection: AsyncPgConnection,
    end: Arc<OnceLock<String>>,
    held: Held,
}

/// Tells the driver, when dropped, that nobody holds the connection any more.
pub(crate) struct Held(#[expect(dead_code, reason = "the driver waits for its end")] oneshot::Sender<()>);

impl Link {
    /// A link over a connection that [`drive`] drives.
    pub(crate) fn new(connection: AsyncPgConnection, driven: Driven) -> Self {
        Self { connection, end: driven.end, held: Held(driven.held) }
    }

    /// The connection, and what must be kept as long as it is used.
    pub(crate) fn into_parts(self) -> (AsyncPgConnection, Held) {
        (self.connection, self.held)
    }

    /// Why the connection ended, if it did.
    pub(crate) fn end(&self) -> Option<&str> {
        self.end.get().map(String::as_str)
    }
}

/// What a driver shares with the link.
pub(crate) struct Driven {
    end: Arc<OnceLock<String>>,
    held: oneshot::Sender<()>,
}

/// Drives the connection on the current runtime until it ends, or until the link is dropped: then it may still say
/// goodbye, and is cut when the server does not let it. `server` is for messages.
pub(crate) fn drive<S, T>(connection: Connection<S, T>, server: String) -> Driven
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let end = Arc::new(OnceLock::new());
    let (held, released) = oneshot::channel();
    let noted = Arc::clone(&end);
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        tokio::select! {
            result = &mut connection => {
                let reason = result.map_or_else(|error| describe(&error), |()| "it was closed".to_owned());
                // Noted before the connection is dropped, and with it whatever waits for an answer.
                drop(noted.set(format!("the connection to {server} ended: {reason}")));
            }
            _ = released => drop(tokio::time::timeout(FAREWELL, &mut connection).await),
        }
    });
    Driven { end, held }
}
