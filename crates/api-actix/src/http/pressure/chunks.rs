//! Where a body in chunks ends (RFC 9112 section 7.1).

/// Most bytes of a trailer section; nobody reads them.
const LONGEST_TRAILERS: usize = 4 * 1024;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeFirst,
    Size,
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A line of trailers, or the empty one that ends the body.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
}

/// How far a body in chunks came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All bytes belong to it, and there are more.
    More,
    /// It ended after so many bytes.
    Ended(usize),
    /// The byte at this place cannot be there; whether actix-http would take it for part of a trailer.
    Broken(usize, bool),
}

/// Follows a body in chunks as its bytes come: by actix-http's grammar, but for trailers. There actix-http takes a line end
/// without CR for part of a line, as other readers do not, and any length.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    left: u64,
    trailers: usize,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { state: State::SizeFirst, left: 0, trailers: 0 }
    }

    pub(super) fn follow(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.state == State::Data {
                let here = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX).min(self.left);
                self.left -= here;
                at += usize::try_from(here).unwrap_or(usize::MAX);
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            if self.state == State::EndLf && *byte == b'\n' {
                return Progress::Ended(at + 1);
            }
            let Some(next) = self.next(*byte) else {
                return Progress::Broken(at, matches!(self.state, State::Line | State::Trailer));
            };
            self.state = next;
            at += 1;
        }
        Progress::More
    }

    /// What comes after this byte; `None` when it cannot be there.
    fn next(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::SizeFirst, _) => {
                self.left = u64::from(digit(byte)?);
                Some(State::Size)
            }
            (State::Size | State::Space, b'\t' | b' ') => Some(State::Space),
            (State::Size | State::Space, b';') => Some(State::Extension),
            (State::Size | State::Space | State::Extension, b'\r') => Some(State::SizeLf),
            (State::Size, _) => {
                self.left = self.left.checked_mul(16)?.checked_add(u64::from(digit(byte)?))?;
                Some(State::Size)
            }
            (State::Extension, 0x00..=0x08 | 0x0a..=0x1f | 0x7f) => None,
            (State::Extension, _) => Some(State::Extension),
            (State::SizeLf, b'\n') => Some(if self.left > 0 { State::Data } else { State::Line }),
            (State::DataCr, b'\r') => Some(State::DataLf),
            (State::DataLf, b'\n') => Some(State::SizeFirst),
            (State::Line, b'\r') => Some(State::EndLf),
            (State::Trailer, b'\r') => Some(State::TrailerLf),
            (State::TrailerLf, b'\n') => Some(State::Line),
            (State::Line | State::Trailer, _) if byte != b'\n' && self.trailers < LONGEST_TRAILERS => {
                self.trailers += 1;
                Some(State::Trailer)
            }
            _ => None,
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_end_where_they_end_however_they_come() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "1;a=\"b c\"\r\n\n\r\n00a \t\r\n0123\n\r\n789\r\n0\r\n\r\n",
            "0\r\nX: y\r\nZ: \r\n\r\n",
            "F ;x\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n\r\n0;\r\n\r\n",
        ] {
            let sent = format!("{body}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(Chunks::new().follow(sent.as_bytes()), Progress::Ended(body.len()), "{body:?}");
            for split in 0..body.len() {
                let (first, second) = sent.as_bytes().split_at(split);
                let mut chunks = Chunks::new();
                assert_eq!(chunks.follow(first), Progress::More, "{body:?} {split}");
                assert_eq!(chunks.follow(second), Progress::Ended(body.len() - split), "{body:?} {split}");
            }
        }
    }

    #[test]
    fn h05_what_is_no_chunk_is_found_where_it_is() {
        for (body, at, trailer) in [
            ("\r\n", 0, false),
            ("x", 0, false),
            ("-2\r\n", 0, false),
            ("0x2\r\n", 1, false),
            ("2\n{}", 1, false),
            ("2;a\nb\r\n", 3, false),
            ("2;a\rb\r\n", 4, false),
            ("2\r\n{}0", 5, false),
            ("2\r\n{}\n", 5, false),
            ("fffffffffffffffff\r\n", 16, false),
            ("0\r\n\n", 3, true),
            ("0\r\nX: a\nY: b\r\n\r\n", 7, true),
            ("0\r\nX: a\rb", 8, false),
            ("0\r\n\r\r", 4, false),
        ] {
            assert_eq!(Chunks::new().follow(body.as_bytes()), Progress::Broken(at, trailer), "{body:?}");
        }
        let long = format!("0\r\n{}", "a".repeat(LONGEST_TRAILERS + 1));
        assert_eq!(Chunks::new().follow(long.as_bytes()), Progress::Broken(3 + LONGEST_TRAILERS, true));
    }
}
