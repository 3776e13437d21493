//! The server: actix's threads and actix-http, on streams of ours.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::Error;
use actix_web::dev::{AppConfig, Server};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::guarded::{Guarded, Transport};
use super::line::Line;
use super::pace::Patience;
use super::peers::{Door, Peers};
use super::thread::{Lags, Thread};
use super::turns::in_turn;

/// From a late head to the end of the connection, for an answer of 408.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What actix-http adds to the end of a connection at most, so that an answer is not lost to bytes nobody reads.
const LINGER: Duration = Duration::from_secs(1);
/// HTTP/1.1 and nothing else: HTTP/2 is the proxy's.
const PROTOCOL: &[u8] = b"http/1.1";

/// What a server grants its clients.
#[derive(Clone, Debug)]
pub struct Connections {
    /// Threads.
    pub workers: usize,
    /// Connections open at once, on all threads together. Others wait until one ends.
    pub most: usize,
    /// Whose they may be.
    pub peers: Peers,
    /// For a TLS handshake, and for the head of a request from its first byte, the first from the connection on.
    pub head: Duration,
    /// Between an answer and the next head.
    pub idle: Duration,
    /// For every [`keystead_domain::limits::ANSWER_STEP`] bytes of an answer.
    pub answer: Duration,
    /// For requests under way once the server is told to end.
    pub drain: Duration,
    /// A thread whose timers come later than this serves the hot path alone.
    pub lag: Duration,
}

impl Connections {
    const fn patience(&self) -> Patience {
        // actix-http ends idle connections itself, in good order; this is for those it believes are not idle.
        let idle = self.idle.saturating_add(LAST_WORDS);
        Patience { first: self.head.saturating_add(LAST_WORDS), head: self.head, idle, answer: self.answer }
    }

    fn per_worker(&self) -> usize {
        self.most.div_ceil(self.workers.max(1)).max(1)
    }
}

/// A server for what `app` makes on each thread, which is wrapped in an [`Edge`](crate::http::Edge): the next request on a
/// connection is looked at once the [`Exchange`](super::Exchange) of the last has ended. Must be called inside an actix
/// system.
pub fn serve<F, I, S, B>(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    rules: Connections,
    lags: Lags,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let acceptor = tls.map(|mut tls| {
        tls.alpn_protocols = vec![PROTOCOL.to_vec()];
        TlsAcceptor::from(Arc::new(tls))
    });
    let address = listener.local_addr()?;
    let door = Door::new(rules.peers.clone());
    let server = Server::build()
        .workers(rules.workers)
        .max_concurrent_connections(rules.per_worker())
        .shutdown_timeout(rules.drain.as_secs())
        .disable_signals();
    let ending = server.graceful_shutdown_signal();
    let server = server.listen(format!("keystead-{address}"), listener, move || {
        // Called on each thread.
        let thread = Thread::watch(rules.patience(), rules.per_worker(), rules.lag, &lags);
        let (acceptor, handshake, ending) = (acceptor.clone(), rules.head, ending.clone());
        let (door, turns) = (door.clone(), Rc::new(Semaphore::new(1)));
        let app =
            map_config(app().into_factory().map_err(|error| error.into().error_response()), |()| AppConfig::default());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .keep_alive(rules.idle)
            .client_request_timeout(rules.head)
            .client_disconnect_timeout(LINGER)
            // Who hangs up is not worked for any longer: an answer that is slowed down gives its place back at once.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .on_connect_ext(|stream: &Guarded, data| {
                data.insert::<Rc<Line>>(Rc::clone(stream.line()));
            })
            .finish(app);
        fn_service(move |stream: TcpStream| {
            let (acceptor, thread) = (acceptor.clone(), Rc::clone(&thread));
            let (door, turns) = (door.clone(), Rc::clone(&turns));
            async move {
                // A peer that is gone already has no address, and nothing is done for nobody.
                let peer = stream.peer_addr()?;
                let admitted = door.admit(peer.ip())?;
                let transport = shake_hands(acceptor, stream, handshake, &turns).await?;
                Ok((Guarded::new(transport, thread.connect(admitted)), Protocol::Http1, Some(peer)))
            }
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

async fn shake_hands(
    acceptor: Option<TlsAcceptor>,
    stream: TcpStream,
    limit: Duration,
    turns: &Semaphore,
) -> Result<Transport, DispatchError> {
    let Some(acceptor) = acceptor else { return Ok(Transport::Clear(stream)) };
    match timeout(limit, in_turn(turns, acceptor.accept(stream))).await {
        Ok(Ok(stream)) => Ok(Transport::Tls(Box::new(stream))),
        Ok(Err(error)) => Err(DispatchError::Io(error)),
        Err(_) => Err(DispatchError::SlowRequestTimeout),
    }
}
