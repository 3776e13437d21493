//! As much of the Redis protocol (RESP2) as setting servers up takes.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::{Error, Result};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A status or a string.
    Text(String),
    /// A number.
    Integer(i64),
    /// A list.
    List(Vec<Value>),
    /// Nothing.
    Nil,
}

impl Value {
    /// The elements of a list; none of anything else.
    pub fn into_list(self) -> Vec<Value> {
        if let Self::List(values) = self { values } else { Vec::new() }
    }
}

/// Text and numbers as they are, lists with a line per element.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::List(values) => values.iter().try_for_each(|value| writeln!(f, "{value}")),
            Self::Nil => Ok(()),
        }
    }
}

/// A connection to a server on 127.0.0.1.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(Error::doing("connecting to Redis"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(Error::doing("connecting to Redis"))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one command and reads its answer; `-ERR …` is an error.
    pub(crate) fn call(&mut self, words: &[&str]) -> Result<Value> {
        let mut request = format!("*{}\r\n", words.len());
        request.extend(words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())));
        self.stream.get_mut().write_all(request.as_bytes()).map_err(Error::doing("writing to Redis"))?;
        read(&mut self.stream)
    }
}

fn read(stream: &mut impl BufRead) -> Result<Value> {
    let mut line = String::new();
    stream.read_line(&mut line).map_err(Error::doing("reading from Redis"))?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else { return Err(Error::new("Redis closed the connection")) };
    let number = || rest.parse::<i64>().map_err(Error::doing(format!("Redis answered {line:?}")));
    match kind {
        "+" => Ok(Value::Text(rest.into())),
        "-" => Err(Error::new(rest)),
        ":" => number().map(Value::Integer),
        "$" => match usize::try_from(number()?) {
            Ok(length) => read_text(stream, length).map(Value::Text),
            Err(_) => Ok(Value::Nil),
        },
        "*" => (0..number()?).map(|_| read(stream)).collect::<Result<_>>().map(Value::List),
        _ => Err(Error::new(format!("Redis answered {line:?}"))),
    }
}

/// Text of so many bytes and the end of its line.
fn read_text(stream: &mut impl Read, length: usize) -> Result<String> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).map_err(Error::doing("reading from Redis"))?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_kind_are_read() {
        let mut answer: &[u8] = b"*4\r\n+OK\r\n:-3\r\n$-1\r\n*1\r\n$2\r\na\n\r\n";
        let text = |text: &str| Value::Text(text.into());
        let expected = Value::List(vec![text("OK"), Value::Integer(-3), Value::Nil, Value::List(vec![text("a\n")])]);
        assert_eq!(read(&mut answer), Ok(expected));
        assert_eq!(read(&mut &b"-NOAUTH no\r\n"[..]), Err(Error::new("NOAUTH no")));
        assert!(read(&mut &b""[..]).is_err());
    }
}
