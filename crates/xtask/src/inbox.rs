//! A mail server that keeps what it takes: an address, the message's identifier, the readable text.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Outcome;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    /// Whom it is for.
    pub(crate) to: String,
    /// Its `Message-ID`.
    pub(crate) id: String,
    /// Its text part.
    pub(crate) text: String,
}

/// Takes every message, on a port of 127.0.0.1, until this program ends.
pub(crate) struct Inbox {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl Inbox {
    /// Starts it. It takes a message, waits for `pause`, and only then says so: what dies meanwhile does not know.
    pub(crate) fn start(pause: Duration) -> Outcome<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let inbox = Arc::new(Self { address: listener.local_addr()?, mails: Arc::default() });
        let mails = Arc::clone(&inbox.mails);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mails = Arc::clone(&mails);
                std::thread::spawn(move || converse(&stream, &mails, pause));
            }
        });
        Ok(inbox)
    }

    /// Its address, as `keystead init --smtp` takes it.
    pub(crate) fn url(&self) -> String {
        format!("smtp+plain://{}", self.address)
    }

    /// Everything it took, oldest first.
    pub(crate) fn all(&self) -> Vec<Mail> {
        self.mails().clone()
    }

    /// What it took for an address, oldest first.
    pub(crate) fn to(&self, email: &str) -> Vec<Mail> {
        self.mails().iter().filter(|mail| mail.to == email).cloned().collect()
    }

    /// Throws away what it took for an address.
    pub(crate) fn forget(&self, email: &str) {
        self.mails().retain(|mail| mail.to != email);
    }

    fn mails(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As much of SMTP (RFC 5321) as a client that sends one message needs. An error ends the conversation.
fn converse(stream: &TcpStream, mails: &Mutex<Vec<Mail>>, pause: Duration) -> Option<()> {
    let mut answers = stream;
    let mut lines = BufReader::new(stream).lines();
    let mut to = String::new();
    answers.write_all(b"220 inbox\r\n").ok()?;
    while let Some(line) = lines.next() {
        let line = line.ok()?;
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "RCPT" => {
                line.split_once('<')?.1.split('>').next()?.clone_into(&mut to);
                answers.write_all(b"250 fine\r\n").ok()?;
            }
            "DATA" => {
                answers.write_all(b"354 go on\r\n").ok()?;
                let mut data = String::new();
                loop {
                    let line = lines.next()?.ok()?;
                    if line == "." {
                        break;
                    }
                    data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    data.push('\n');
                }
                let mail =
                    Mail { to: to.clone(), id: header(&data, "Message-ID").unwrap_or_default(), text: text(&data) };
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                std::thread::sleep(pause);
                answers.write_all(b"250 taken\r\n").ok()?;
            }
            "QUIT" => return answers.write_all(b"221 bye\r\n").ok(),
            _ => answers.write_all(b"250 fine\r\n").ok()?,
        }
    }
    None
}

/// The first field of this name, in one line.
fn header(data: &str, name: &str) -> Option<String> {
    let head = data.split_once("\n\n").map_or(data, |(head, _)| head).replace("\n ", " ").replace("\n\t", " ");
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// The `text/plain` part, with quoted-printable (RFC 2045 section 6.7) undone.
fn text(data: &str) -> String {
    let part = data.split("\n--").find(|part| part.contains("Content-Type: text/plain")).unwrap_or(data);
    let body = part.split_once("\n\n").map_or("", |(_, body)| body);
    if !part.contains("quoted-printable") {
        return body.to_owned();
    }
    let mut pieces = body.replace("=\n", "");
    for (code, character) in [("=3D", "="), ("=20", " ")] {
        pieces = pieces.replace(code, character);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_kept_with_its_identifier_and_its_text() {
        let inbox = Inbox::start(Duration::ZERO).unwrap();
        let mut stream = TcpStream::connect(inbox.address).unwrap();
        let data = "Message-ID: <1@x>\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"b\"\r\n\r\n--b\r\n\
            Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nhttp://x/#token=3Dab=\r\n\
            cd\r\n..\r\n--b\r\nContent-Type: text/html\r\n\r\nnothing\r\n--b--\r\n";
        let commands = format!("EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n{data}.\r\nQUIT\r\n");
        stream.write_all(commands.as_bytes()).unwrap();
        let answers: Vec<String> = BufReader::new(stream).lines().map(Result::unwrap).collect();
        let codes: Vec<&str> = answers.iter().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"]);
        let mails = inbox.to("b@x");
        assert_eq!((mails.len(), mails[0].id.as_str()), (1, "<1@x>"));
        assert_eq!(mails[0].text.trim_end(), "http://x/#token=abcd\n.");
        inbox.forget("b@x");
        assert_eq!(inbox.all(), []);
    }
}
