//! Connections: where requests begin and end, by our reader and by actix-http's.

use actix_codec::Decoder as _;
use actix_http::ServiceConfig;
use actix_http::h1::{Codec, Message, MessageType};
use actix_web::HttpMessage as _;
use actix_web::web::BytesMut;
use keystead_api_actix::http::pressure::Shown;

use super::request::wait;

thread_local! {
    /// It has a clock, which needs a runtime.
    static CONFIG: ServiceConfig = wait(async { ServiceConfig::default() });
}

/// Most bytes of a header that actix-http is shown: names of 64 KiB end its thread.
const LONGEST_HEADER: usize = 24 * 1024;
/// Of a head: a request line and headers.
const LONGEST_HEAD: usize = 72 * 1024;

/// `wire`: in how large parts the bytes come; how many times 256 `a` the first `~` in them stands for; the bytes.
pub(super) fn connection(bytes: &[u8]) {
    let [part, many, sent @ ..] = bytes else { return };
    let sent = stretched(sent, usize::from(*many) * 256);
    let shown = Shown::of(&sent, sent.len());
    assert_eq!(Shown::of(&sent, usize::from(*part)), shown, "it matters how the bytes were split");
    for request in &shown.requests {
        assert!(head(request).unwrap_or(0) <= LONGEST_HEAD, "a head of more than 72 KiB");
        let read = Read::of(request);
        // A line of nothing but CR is no request line.
        assert!(head(request).is_some() || read.is_refused, "{read:?} of {:?}", String::from_utf8_lossy(request));
        // What is one request to us is one and whole to actix-http, or none.
        let is_one = read.heads == 1 && read.complete == 1 && read.left == 0;
        assert!(is_one || read.is_refused || read.is_stream, "{read:?} of {:?}", String::from_utf8_lossy(request));
    }
    // What is none to us, is none to actix-http.
    let read = Read::of(&shown.rest);
    assert!(read.complete == 0 || read.is_stream, "{read:?} of {:?}", String::from_utf8_lossy(&shown.rest));
    assert!(head(&shown.rest).unwrap_or(0) <= LONGEST_HEAD, "a head of more than 72 KiB");
}

fn stretched(sent: &[u8], many: usize) -> Vec<u8> {
    let at = sent.iter().position(|byte| *byte == b'~').unwrap_or(sent.len());
    let (before, behind) = sent.split_at_checked(at).unwrap_or_default();
    match behind.split_first() {
        Some((_, behind)) => [before, &vec![b'a'; many], behind].concat(),
        None => before.to_vec(),
    }
}

/// Bytes up to the end of the empty line behind the first line that is not empty; `None` when there is none.
fn head(bytes: &[u8]) -> Option<usize> {
    let first = bytes.iter().position(|byte| !b"\r\n".contains(byte))?;
    let end = bytes.get(first..)?.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(first + end + 4)
}

/// What actix-http makes of bytes.
#[derive(Debug, Default)]
struct Read {
    heads: usize,
    /// Requests that were read to their end.
    complete: usize,
    /// Bytes it did not take.
    left: usize,
    is_refused: bool,
    /// It has no end: CONNECT, or another protocol from here on.
    is_stream: bool,
}

impl Read {
    fn of(bytes: &[u8]) -> Self {
        let mut codec = Codec::new(CONFIG.with(ServiceConfig::clone));
        let (mut buffer, mut read) = (BytesMut::from(bytes), Self::default());
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(Message::Item(request))) => {
                    read.heads += 1;
                    let longest = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).max();
                    assert!(longest.unwrap_or(0) <= LONGEST_HEADER, "a header of more than 24 KiB");
                    match codec.message_type() {
                        MessageType::None => read.complete += 1,
                        MessageType::Payload => {}
                        MessageType::Stream => {
                            read.is_stream = true;
                            return read;
                        }
                    }
                }
                Ok(Some(Message::Chunk(Some(_)))) => {}
                Ok(Some(Message::Chunk(None))) => read.complete += 1,
                Ok(None) => {
                    read.left = buffer.len();
                    return read;
                }
                Err(_) => {
                    read.is_refused = true;
                    return read;
                }
            }
        }
    }
}
