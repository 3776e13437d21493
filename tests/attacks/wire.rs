//! Bytes to a connection, and what comes back.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::process::api::Answer;
use crate::support::{Call, Reply};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a service, under no library's rules.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub(crate) async fn to(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    /// Sends; a peer that has hung up already is not an error here.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer; `None` when the connection is closed first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer()).await.expect("neither an answer nor the end")
    }

    /// Whether the connection is closed, with nothing more said, within this time.
    pub(crate) async fn ends(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.fill()).await.is_ok_and(|more| !more) && self.unread.is_empty()
    }

    /// Waits, for this long and reading nothing, until the peer cuts the connection.
    pub(crate) async fn is_cut(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.stream.ready(Interest::ERROR)).await.is_ok()
    }

    /// All that still comes, when the connection ends within this time.
    pub(crate) async fn rest(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let read = async { while self.fill().await {} };
        tokio::time::timeout(limit, read).await.ok().map(|()| std::mem::take(&mut self.unread))
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        while self.unread.len() < length && self.fill().await {}
        let body = String::from_utf8(self.unread.drain(..length.min(self.unread.len())).collect()).unwrap();
        Some(Answer { status, headers, body })
    }

    /// Reads what is there, waiting for it. `false` at the end.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.unread).await, Ok(read) if read > 0)
    }
}

/// Sends these bytes on a connection of their own; the first answer.
pub(crate) async fn exchange(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut wire = Wire::to(address).await;
    wire.send(bytes).await;
    wire.answer().await
}

/// Sends a request with its path as it is spelled; what came back.
pub(crate) async fn as_spelled(call: Call) -> Reply {
    let (address, bytes) = call.bytes();
    let Answer { status, headers, body } = exchange(&address, &bytes).await.expect("an answer");
    Reply { status, headers, text: body }
}
