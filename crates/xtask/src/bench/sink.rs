//! A mail server that takes everything and keeps nothing (RFC 5321), so that services under load send their mail.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Outcome;

/// Listens until this program ends.
pub(super) struct MailSink {
    address: SocketAddr,
    taken: Arc<AtomicU64>,
}

impl MailSink {
    /// Starts one on a free port.
    pub(super) fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Self { address: listener.local_addr()?, taken: Arc::default() };
        let taken = Arc::clone(&sink.taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                std::thread::spawn(move || serve(&stream, &taken));
            }
        });
        Ok(sink)
    }

    /// What `mail.smtp_url` is to be.
    pub(super) fn url(&self) -> String {
        format!("smtp+plain://{}", self.address)
    }

    /// How many mails it has taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One conversation; a client that hangs up in the middle ends it.
fn serve(stream: &TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut lines, mut answers) = (BufReader::new(stream).lines(), stream);
    answers.write_all(b"220 sink\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "DATA" => {
                answers.write_all(b"354 go on\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                taken.fetch_add(1, Ordering::Relaxed);
                answers.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return answers.write_all(b"221 bye\r\n"),
            _ => answers.write_all(b"250 fine\r\n")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_taken_and_counted() {
        let sink = MailSink::start().unwrap();
        let mut stream = TcpStream::connect(sink.address).unwrap();
        stream
            .write_all(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: x\r\n\r\nDATA\r\n.\r\nQUIT\r\n")
            .unwrap();
        let answers: Vec<String> = BufReader::new(stream).lines().map(Result::unwrap).collect();
        let codes: Vec<&str> = answers.iter().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"]);
        assert_eq!(sink.taken(), 1);
    }
}
