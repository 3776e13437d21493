//! A small blocking HTTP/1.1 client (RFC 9112) for measurements: one connection, bytes sent as given, nothing between the
//! socket and the clock. It speaks to a service this program started, so it needs no TLS, no redirects and no names.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;

/// How long to wait for a peer that says nothing.
const PATIENCE: Duration = Duration::from_mins(1);

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// Field names in lower case, in the order sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The content, with any transfer coding undone.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The first field of this (lower-case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Outcome<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// One attribute of the JSON:API resource in the body, as text.
    pub(crate) fn attribute(&self, name: &str) -> Outcome<String> {
        let value = self.json()?;
        let found = value.pointer(&format!("/data/attributes/{name}")).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| format!("no attribute {name} in a {} answer", self.status).into())
    }

    /// This answer, when it has the status wished for.
    pub(crate) fn expect(self, status: u16, what: &str) -> Outcome<Self> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body).into_owned();
        Err(format!("{what}: {} instead of {status}: {body}", self.status).into())
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if let Some(body) = body {
        head.extend(["Content-Type: application/json\r\nContent-Length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    head.push_str(body.unwrap_or_default());
    head.into_bytes()
}

/// A connection that opens again when the peer closed it.
pub(crate) struct Connection {
    peer: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// Names a peer; connects at the first request.
    pub(crate) const fn to(peer: SocketAddr) -> Self {
        Self { peer, stream: None }
    }

    /// Connects now, so that a later request does not have to.
    pub(crate) fn open(peer: SocketAddr) -> Outcome<Self> {
        let mut connection = Self::to(peer);
        connection.stream()?;
        Ok(connection)
    }

    /// Sends one request and reads its answer. After an error the next request uses a new connection.
    pub(crate) fn send(&mut self, request: &[u8]) -> Outcome<Reply> {
        let stream = self.stream()?;
        let outcome = stream.get_mut().write_all(request).map_err(Into::into).and_then(|()| read_reply(stream));
        let closes =
            |reply: &Reply| reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if outcome.as_ref().map_or(true, closes) {
            self.stream = None;
        }
        outcome
    }

    fn stream(&mut self) -> Outcome<&mut BufReader<TcpStream>> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.peer)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.stream = Some(BufReader::new(stream));
        }
        self.stream.as_mut().ok_or_else(|| "not connected".into())
    }
}

fn read_reply(stream: &mut impl BufRead) -> Outcome<Reply> {
    let status_line = read_line(stream)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("not an HTTP answer")?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    if reply.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        reply.body = read_chunks(stream)?;
    } else if let Some(length) = reply.header("content-length") {
        let mut body = vec![0; length.parse()?];
        stream.read_exact(&mut body)?;
        reply.body = body;
    }
    Ok(reply)
}

fn read_chunks(stream: &mut impl BufRead) -> Outcome<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
        let read = stream.by_ref().take(size).read_to_end(&mut body)?;
        if (read as u64) < size {
            return Err("the answer ended in the middle of a chunk".into());
        }
        // The end of the chunk, or (for the last one) of the trailers.
        while !read_line(stream)?.is_empty() {}
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> Outcome<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err("the connection was closed before an answer".into());
    }
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_answers_one_after_the_other() {
        let wire = b"HTTP/1.1 201 Created\r\nContent-Length: 40\r\nSet-Cookie: a=b\r\n\r\n\
            {\"data\":{\"attributes\":{\"state\":\"fine\"}}}HTTP/1.1 204 No Content\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n";
        let mut stream = BufReader::new(&wire[..]);
        let first = read_reply(&mut stream).unwrap();
        assert_eq!((first.status, first.header("set-cookie")), (201, Some("a=b")));
        assert_eq!(first.attribute("state").unwrap(), "fine");
        assert_eq!(first.attribute("other").unwrap_err().to_string(), "no attribute other in a 201 answer");
        assert_eq!(
            first.expect(200, "login").unwrap_err().to_string().split(": {").next(),
            Some("login: 201 instead of 200")
        );
        assert_eq!(read_reply(&mut stream).unwrap().status, 204);
        assert_eq!(read_reply(&mut stream).unwrap().body, b"abc0123456789");
        assert!(read_reply(&mut stream).is_err());
    }

    #[test]
    fn a_short_answer_is_an_error() {
        for wire in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            b"",
        ] {
            assert!(read_reply(&mut BufReader::new(wire)).is_err());
        }
    }

    #[test]
    fn requests_have_their_length() {
        let bytes = request("POST", "/x", &[("A", "b")], Some("{}"));
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        );
        assert_eq!(request("GET", "/", &[], None), b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    }
}
