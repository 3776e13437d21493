//! Where requests begin and end on a connection, and what in them actix-http would take though it must not.

use memchr::memchr;

use super::chunks::{Chunks, Progress};

/// Most bytes of headers that actix-http is shown: more than the gate takes, which refuses with a document. Its buffer keeps
/// the size of the largest head for as long as the connection lasts.
const LONGEST_HEAD: usize = 24 * 1024;
/// Longest request line it is shown. The gate takes far less of that too, and ends the connection of who sends more.
const LONGEST_LINE: usize = 48 * 1024;
/// Bytes of a longer head that are read, and kept by nobody, before it is refused: whoever is still sending mostly does not
/// see the answer.
const READ_ON: usize = 128 * 1024;
/// Longest line that says how long a body is. A longer one is not what it looks like.
const LONGEST_FRAMING: usize = 64;

/// The message whose bytes come.
#[derive(Debug)]
enum Part {
    /// None: the last one is complete.
    Between,
    Head,
    /// A body that has so many bytes left.
    Sized(u64),
    Chunked(Chunks),
    /// What came cannot be read on.
    Refused,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a head that goes on.
    Head,
    /// Up to the end of a head.
    LastOfHead,
    /// Of a body.
    Body,
    /// Of a head that is too long; for nobody.
    Excess,
    /// The same, and the last of it that is read.
    TooLong,
    /// Up to where a message is broken; actix-http refuses it too, as these bytes are now.
    Broken,
    /// The same, when a NUL follows.
    BrokenBeforeNul,
}

/// Follows the messages on a connection as their bytes come.
#[derive(Debug)]
pub(super) struct Messages {
    part: Part,
    head: Head,
}

impl Messages {
    pub(super) const fn new() -> Self {
        Self { part: Part::Between, head: Head::new() }
    }

    /// Whether the last message is complete, and none begun.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self.part, Part::Between)
    }

    /// Whether a body is being read.
    pub(super) const fn is_in_body(&self) -> bool {
        matches!(self.part, Part::Sized(_) | Part::Chunked(_))
    }

    /// Whether nothing more can be read.
    pub(super) const fn is_refused(&self) -> bool {
        matches!(self.part, Part::Refused)
    }

    /// What the first of these bytes are, and how many of them. Bytes of refused messages are changed so that actix-http
    /// refuses them too.
    pub(super) fn follow(&mut self, bytes: &mut [u8]) -> (usize, Kind) {
        if self.is_between() && !bytes.is_empty() {
            (self.part, self.head) = (Part::Head, Head::new());
        }
        match &mut self.part {
            Part::Between | Part::Refused => (bytes.len(), Kind::Excess),
            Part::Head => {
                let (taken, kind) = self.head.follow(bytes);
                match kind {
                    Kind::LastOfHead => self.part = self.head.body(),
                    Kind::Broken | Kind::TooLong => self.part = Part::Refused,
                    _ => {}
                }
                (taken, kind)
            }
            Part::Sized(left) => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(*left);
                *left -= here;
                if *left == 0 {
                    self.part = Part::Between;
                }
                (usize::try_from(here).unwrap_or(usize::MAX), Kind::Body)
            }
            Part::Chunked(chunks) => match chunks.follow(bytes) {
                Progress::More => (bytes.len(), Kind::Body),
                Progress::Ended(taken) => {
                    self.part = Part::Between;
                    (taken, Kind::Body)
                }
                Progress::Broken(at, in_trailer) => {
                    self.part = Part::Refused;
                    // In a trailer actix-http takes everything but CR without LF.
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = if in_trailer { b'\r' } else { 0 };
                    }
                    (at + 1, if in_trailer { Kind::BrokenBeforeNul } else { Kind::Broken })
                }
            },
        }
    }
}

/// A head: line by line, of which only those matter that say how long the body is.
#[derive(Debug)]
struct Head {
    /// Bytes of it so far.
    size: usize,
    /// The line whose end did not come yet: how long it is, and how it begins.
    line: usize,
    start: [u8; LONGEST_FRAMING],
    /// Its last byte.
    last: u8,
    /// The request line came.
    has_line: bool,
    /// Bytes there may be; there were more.
    most: usize,
    excess: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Head {
    const fn new() -> Self {
        Self {
            size: 0,
            line: 0,
            start: [0; LONGEST_FRAMING],
            last: 0,
            has_line: false,
            most: LONGEST_LINE,
            excess: false,
            length: None,
            chunked: false,
        }
    }

    fn body(&self) -> Part {
        match self.length {
            _ if self.chunked => Part::Chunked(Chunks::new()),
            None | Some(0) => Part::Between,
            Some(length) => Part::Sized(length),
        }
    }

    fn follow(&mut self, bytes: &mut [u8]) -> (usize, Kind) {
        self.excess |= self.size >= self.most;
        // So much at once, as the headers may begin in it.
        let most = if self.excess { READ_ON } else { self.most.min(self.size + LONGEST_HEAD) };
        let room = bytes.len().min(most.saturating_sub(self.size));
        let (here, _) = bytes.split_at_mut_checked(room).unwrap_or_default();
        let (taken, kind) = self.lines(here);
        self.size += taken;
        match kind {
            _ if !self.excess => (taken, kind),
            Kind::Head if self.size < READ_ON => (taken, Kind::Excess),
            _ => (taken, Kind::TooLong),
        }
    }

    fn lines(&mut self, bytes: &mut [u8]) -> (usize, Kind) {
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'\n', rest)) {
            let (from, end) = (at, at + found);
            at = end + 1;
            let had_line = self.has_line;
            let line = self.end_line(bytes.get(from..end).unwrap_or_default());
            if self.has_line && !had_line {
                self.most = self.size + at + LONGEST_HEAD;
            }
            match line {
                Line::Last => return (at, Kind::LastOfHead),
                Line::Another => {}
                Line::Broken => {
                    // No head has this byte anywhere.
                    if let Some(byte) = bytes.get_mut(end) {
                        *byte = 0;
                    }
                    return (at, Kind::Broken);
                }
            }
        }
        self.keep(bytes.get(at..).unwrap_or_default());
        (bytes.len(), Kind::Head)
    }

    /// Part of a line.
    fn keep(&mut self, part: &[u8]) {
        for (kept, byte) in self.start.iter_mut().skip(self.line).zip(part) {
            *kept = *byte;
        }
        self.line += part.len();
        self.last = part.last().copied().unwrap_or(self.last);
    }

    /// A line with this end, without its LF.
    fn end_line(&mut self, end: &[u8]) -> Line {
        let line = if self.line == 0 {
            // It came at once, as nearly all do.
            let Some((b'\r', line)) = end.split_last() else { return Line::Broken };
            if line.is_empty() {
                // Before a request line empty ones are skipped (RFC 9112 section 2.2).
                return if self.has_line { Line::Last } else { Line::Another };
            }
            let known = if self.has_line { framing(line) } else { Framing::None };
            self.note(known)
        } else {
            self.keep(end);
            let (length, start) = (self.line - 1, self.start);
            if self.last != b'\r' {
                return Line::Broken;
            }
            self.line = 0;
            if length == 0 {
                return if self.has_line { Line::Last } else { Line::Another };
            }
            let start = start.get(..length.min(LONGEST_FRAMING)).unwrap_or_default();
            let known = match framing(start) {
                _ if !self.has_line => Framing::None,
                Framing::None => Framing::None,
                _ if length > LONGEST_FRAMING => Framing::Broken,
                known => known,
            };
            self.note(known)
        };
        self.has_line = true;
        line
    }

    fn note(&mut self, framing: Framing) -> Line {
        let unknown = self.length.is_none() && !self.chunked;
        match framing {
            Framing::None => return Line::Another,
            Framing::Length(length) if unknown => self.length = Some(length),
            Framing::Chunked if unknown => self.chunked = true,
            _ => return Line::Broken,
        }
        Line::Another
    }
}

/// What a line of a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Another,
    /// The empty one.
    Last,
    /// Not what two readers would read alike.
    Broken,
}

/// What a header says about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    Broken,
}

/// Reads a header as actix-http does, or less of it: digits, or the one coding there is (RFC 9112 section 6).
fn framing(line: &[u8]) -> Framing {
    let value_of = |name: &[u8]| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    };
    match line.first() {
        Some(b'c' | b'C') => match value_of(b"content-length:") {
            None => Framing::None,
            Some(_) if line.len() > LONGEST_FRAMING => Framing::Broken,
            Some(value) if !value.iter().all(u8::is_ascii_digit) => Framing::Broken,
            Some(value) => {
                str::from_utf8(value).ok().and_then(|text| text.parse().ok()).map_or(Framing::Broken, Framing::Length)
            }
        },
        Some(b't' | b'T') => match value_of(b"transfer-encoding:") {
            None => Framing::None,
            Some(value) if value.eq_ignore_ascii_case(b"chunked") && line.len() <= LONGEST_FRAMING => Framing::Chunked,
            Some(_) => Framing::Broken,
        },
        _ => Framing::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bytes are, read in these parts: where each message ends, and the kind of the last piece.
    fn read(parts: &[&[u8]]) -> (Vec<usize>, Option<Kind>) {
        let (mut messages, mut at, mut ends, mut last) = (Messages::new(), 0, Vec::new(), None);
        for part in parts {
            let mut bytes = part.to_vec();
            let mut taken = 0;
            while taken < bytes.len() && !messages.is_refused() {
                let (count, kind) = messages.follow(&mut bytes[taken..]);
                assert!(count > 0, "{parts:?}");
                taken += count;
                if messages.is_between() {
                    ends.push(at + taken);
                }
                last = Some(kind);
            }
            at += part.len();
        }
        (ends, last)
    }

    /// Requests that are all right, each of which the next may follow at once.
    const FINE: [&str; 8] = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\nX: y\r\n\r\n{\n\n}\r\n\r\nGET \n",
        "POST /a HTTP/1.1\r\ncontent-LENGTH:\t 0003 \r\nHost: a\r\n\r\n\n\n\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\na\nb\r\n\r\n0\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\nContent-Lengths: 5\r\n\r\n0;x\r\nX: y\r\n\r\n",
        "GET /content-length:5 HTTP/1.1\r\nHost: a\r\nX: \r\nX-Content-Length: 9\r\nTransfer: chunked\r\n\r\n",
    ];

    #[test]
    fn requests_end_where_they_end_wherever_they_are_split() {
        for first in FINE {
            for second in FINE {
                let sent = [first, second, FINE[0]].concat().into_bytes();
                let ends = vec![first.len(), first.len() + second.len(), sent.len()];
                assert_eq!(read(&[&sent]).0, ends, "{first:?} {second:?}");
                for split in 0..sent.len() {
                    let (a, b) = sent.split_at(split);
                    assert_eq!(read(&[a, b]).0, ends, "{first:?} {second:?} {split}");
                }
                let bytes: Vec<&[u8]> = sent.chunks(1).collect();
                assert_eq!(read(&bytes).0, ends, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn h05_what_two_readers_could_read_differently_is_refused_wherever_it_is_split() {
        for (broken, before) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", 15),
            ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
            ("\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 3),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", 24),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", 26),
            ("GET / HTTP/1.1\r\nX: a\nX-Forwarded-For: 6.6.6.6\r\n\r\n", 21),
            ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 54),
            ("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 63),
            ("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 36),
            ("GET / HTTP/1.1\r\nContent-Length: \r\n\r\n", 34),
            ("GET / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", 54),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 50),
            ("GET / HTTP/1.1\r\nTransfer-Encoding:                                               chunked\r\n\r\n", 90),
        ] {
            let sent = [FINE[0], broken].concat();
            let mut bytes = sent.clone().into_bytes();
            let mut messages = Messages::new();
            let (first, _) = messages.follow(&mut bytes);
            assert_eq!(messages.follow(&mut bytes[first..]), (before, Kind::Broken), "{broken:?}");
            assert_eq!(bytes[first + before - 1], 0, "{broken:?}");
            for split in 0..sent.len() {
                let (a, b) = sent.as_bytes().split_at(split);
                assert_eq!(read(&[a, b]), (vec![first], Some(Kind::Broken)), "{broken:?} {split}");
            }
        }
        let trailer = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\nY: b\r\n\r\n";
        for split in 0..trailer.len() {
            let (a, b) = trailer.split_at(split);
            assert_eq!(read(&[a, b]), (vec![], Some(Kind::BrokenBeforeNul)), "{split}");
        }
    }

    #[test]
    fn h08_of_a_head_that_is_too_long_nothing_more_is_shown() {
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(125_000)).into_bytes();
        for step in [1, 1000, 8192, long.len()] {
            let (mut messages, mut shown, mut last) = (Messages::new(), 0, Kind::Head);
            for part in long.chunks(step) {
                let (mut bytes, mut taken) = (part.to_vec(), 0);
                while taken < bytes.len() && !messages.is_refused() {
                    let (count, kind) = messages.follow(&mut bytes[taken..]);
                    taken += count;
                    if kind == Kind::Head {
                        shown += count;
                    }
                    last = kind;
                }
            }
            assert_eq!((shown, last), (16 + LONGEST_HEAD, Kind::TooLong), "{step}");
        }
        // One that does not end is not read for ever.
        let endless = vec![b'a'; 2 * READ_ON];
        assert_eq!(read(&[&endless]).1, Some(Kind::TooLong));
        // The longest there may be.
        let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(LONGEST_HEAD - 7));
        assert_eq!(read(&[head.as_bytes()]), (vec![16 + LONGEST_HEAD], Some(Kind::LastOfHead)));
        let line = format!("GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(40_000));
        assert_eq!(read(&[line.as_bytes()]), (vec![line.len()], Some(Kind::LastOfHead)));
        let line = format!("GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(LONGEST_LINE));
        assert_eq!(read(&[line.as_bytes()]).1, Some(Kind::TooLong));
    }
}
