//! A server that reads one HTTP/1.1 request per connection, remembers it, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What a server answers a request.
type Answering = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

use keystead_application::ports::DeliveryError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What the server does after it read a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status and reason, header lines, body.
    Answer(&'static str, &'static str, String),
    /// Nothing, and the connection stays open.
    Silence,
    /// The head of an answer and half of its body, then the end.
    Torn,
    /// A body that never ends.
    Endless,
}

impl Reply {
    pub(crate) fn json(status: &'static str, body: &str) -> Self {
        Self::Answer(status, "Content-Type: application/json\r\n", body.to_owned())
    }
}

/// A server that listens.
pub(crate) struct Bound {
    pub(crate) url: String,
    listener: TcpListener,
}

impl Bound {
    /// Answers as this says.
    pub(crate) fn answer(self, answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        let Self { url, listener } = self;
        let (seen, answering) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(answering) as Answering);
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answering), Arc::clone(&log)));
            }
        });
        Server { url, seen }
    }
}

/// A running server; it ends with the runtime of its test.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Gives these answers in turn, the last one for ever.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        let next = move |_: &Seen| {
            let mut replies = replies.lock().unwrap();
            let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
            reply.unwrap()
        };
        Self::bind().await.answer(next)
    }

    /// Listens, and answers nothing yet.
    pub(crate) async fn bind() -> Bound {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Bound { url: format!("http://{}", listener.local_addr().unwrap()), listener }
    }

    /// What was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answering: Answering, log: Arc<Mutex<Vec<Seen>>>) {
    let Some(request) = read(&mut stream).await else { return };
    let reply = answering(&request);
    log.lock().unwrap().push(request);
    match reply {
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Reply::Silence => std::future::pending().await,
        Reply::Torn => {
            let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"sid\":").await;
        }
        Reply::Endless => {
            let head = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
            let mut open = stream.write_all(head).await.is_ok();
            while open {
                open = stream.write_all(chunk.as_bytes()).await.is_ok();
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let line = lines.next()?;
    let headers: Vec<_> =
        lines.map(|line| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap()).collect();
    let mut seen = Seen { line, headers, body: String::new() };
    let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    seen.body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    Some(seen)
}

/// The address of a port nobody listens at.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The text of a failure that is tried again; it holds none of `secrets`.
#[track_caller]
pub(crate) fn transient(result: Result<(), DeliveryError>, secrets: &[&str]) -> String {
    let Err(DeliveryError::Transient(text)) = result else { panic!("a transient failure, not {result:?}") };
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    text
}

/// The text of a failure that is final; it holds none of `secrets`.
#[track_caller]
pub(crate) fn permanent(result: Result<(), DeliveryError>, secrets: &[&str]) -> String {
    let Err(DeliveryError::Permanent(text)) = result else { panic!("a permanent failure, not {result:?}") };
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    text
}
