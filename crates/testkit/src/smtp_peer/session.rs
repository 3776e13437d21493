use std::future::pending;
use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::received::decode_base64;
use super::{Behaviour, PeerSecurity, ReceivedMail, Shared};

/// The longest line and the longest message read, bytes: a test that sends more is broken.
const MAX_LINE: u64 = 64 * 1024;
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
type Stream = Box<dyn Duplex>;

/// What follows a command.
enum Next {
    Continue,
    Close,
    StartTls,
}

/// Serves one connection to its end.
pub(super) async fn serve(tcp: TcpStream, shared: &Shared) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream: Stream = Box::new(tcp);
    let mut encrypted = shared.options.security == PeerSecurity::ImplicitTls;
    if encrypted {
        stream = encrypt(stream, shared).await?;
    }
    let mut session = Session::new(stream, shared, encrypted);
    match shared.behaviour() {
        Behaviour::HangAtGreeting => return pending().await,
        Behaviour::RejectGreeting(code) => return session.reply(&format!("{code} not now")).await,
        _ => session.reply("220 peer.test ESMTP").await?,
    }
    while session.converse().await? {
        // What a client (or somebody on the line) sent in clear after STARTTLS is thrown away with the buffer.
        stream = encrypt(session.io.into_inner(), shared).await?;
        encrypted = true;
        session = Session::new(stream, shared, encrypted);
    }
    Ok(())
}

async fn encrypt(stream: Stream, shared: &Shared) -> io::Result<Stream> {
    let tls = shared.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    Ok(Box::new(tls.acceptor.accept(stream).await?))
}

struct Session<'a> {
    io: BufReader<Stream>,
    shared: &'a Shared,
    encrypted: bool,
    user: Option<String>,
    from: Option<String>,
    recipients: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(stream: Stream, shared: &'a Shared, encrypted: bool) -> Self {
        Self { io: BufReader::new(stream), shared, encrypted, user: None, from: None, recipients: Vec::new() }
    }

    /// Answers commands. `true`: the client asked for TLS and was told to go ahead.
    async fn converse(&mut self) -> io::Result<bool> {
        while let Some(line) = self.read_line().await? {
            match self.command(&line).await? {
                Next::Continue => {}
                Next::Close => return Ok(false),
                Next::StartTls => return Ok(true),
            }
        }
        Ok(false)
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        self.record(if verb == "AUTH" { "AUTH" } else { line });
        match verb.as_str() {
            "EHLO" => {
                let capabilities = self.capabilities();
                self.reply(&capabilities).await?;
            }
            "HELO" | "NOOP" => self.reply("250 ok").await?,
            "RSET" => {
                self.reset();
                self.reply("250 ok").await?;
            }
            "STARTTLS" if self.offers_tls() => {
                self.reply("220 go ahead").await?;
                return Ok(Next::StartTls);
            }
            "AUTH" => self.authenticate(rest).await?,
            "MAIL" => self.mail(rest).await?,
            "RCPT" => self.recipient(rest).await?,
            "DATA" => return self.data().await,
            "QUIT" => {
                self.reply("221 bye").await?;
                return Ok(Next::Close);
            }
            _ => self.reply("500 unknown command").await?,
        }
        Ok(Next::Continue)
    }

    fn offers_tls(&self) -> bool {
        self.shared.options.security == PeerSecurity::StartTls
            && !self.encrypted
            && self.shared.behaviour() != Behaviour::HideStartTls
    }

    fn capabilities(&self) -> String {
        let mut lines = vec!["peer.test".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
        if self.offers_tls() {
            lines.push("STARTTLS".to_owned());
        }
        if self.shared.options.credentials.is_some() {
            let mechanisms = &self.shared.options.mechanisms;
            let offered = if mechanisms.is_empty() { "PLAIN LOGIN".to_owned() } else { mechanisms.join(" ") };
            lines.push(format!("AUTH {offered}"));
        }
        let last = lines.pop().unwrap_or_default();
        lines.iter().fold(String::new(), |text, line| text + "250-" + line + "\r\n") + "250 " + &last
    }

    /// RFC 4954, mechanisms PLAIN (RFC 4616) and LOGIN.
    async fn authenticate(&mut self, arguments: &str) -> io::Result<()> {
        let (mechanism, initial) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let answer = if initial.is_empty() { self.ask("334 ").await? } else { decode_base64(initial) };
                let text = String::from_utf8_lossy(&answer).into_owned();
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            "LOGIN" => {
                let user = self.ask("334 VXNlcm5hbWU6").await?;
                let password = self.ask("334 UGFzc3dvcmQ6").await?;
                String::from_utf8(user).ok().zip(String::from_utf8(password).ok())
            }
            _ => return self.reply("504 5.5.4 unknown mechanism").await,
        };
        if given.is_some() && given == self.shared.options.credentials {
            self.user = given.map(|(user, _)| user);
            self.reply("235 2.7.0 welcome").await
        } else {
            self.reply("535 5.7.8 wrong user or password").await
        }
    }

    async fn ask(&mut self, challenge: &str) -> io::Result<Vec<u8>> {
        self.reply(challenge).await?;
        let answer = self.read_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(decode_base64(&answer))
    }

    async fn mail(&mut self, arguments: &str) -> io::Result<()> {
        match self.shared.behaviour() {
            Behaviour::HangAfterMail => return pending().await,
            Behaviour::RejectMail(code) => return self.reply(&format!("{code} sender refused")).await,
            _ => {}
        }
        if self.shared.options.credentials.is_some() && self.user.is_none() {
            return self.reply("530 5.7.0 log in first").await;
        }
        let Some(address) = path(arguments, "FROM:") else { return self.reply("501 5.5.4 syntax").await };
        self.reset();
        self.from = Some(address);
        self.reply("250 2.1.0 ok").await
    }

    async fn recipient(&mut self, arguments: &str) -> io::Result<()> {
        let Some(address) = path(arguments, "TO:") else { return self.reply("501 5.5.4 syntax").await };
        if let Behaviour::RejectRecipient(code) = self.shared.behaviour() {
            return self.reply(&format!("{code} {}.1.1 <{address}>: recipient rejected", code / 100)).await;
        }
        if self.from.is_none() {
            return self.reply("503 5.5.1 MAIL first").await;
        }
        self.recipients.push(address);
        self.reply("250 2.1.5 ok").await
    }

    async fn data(&mut self) -> io::Result<Next> {
        if self.recipients.is_empty() {
            self.reply("503 5.5.1 RCPT first").await?;
            return Ok(Next::Continue);
        }
        self.reply("354 go ahead").await?;
        let data = self.read_message().await?;
        match self.shared.behaviour() {
            Behaviour::HangAfterData => return pending().await,
            Behaviour::RejectData(code) => {
                self.reset();
                self.reply(&format!("{code} {}.6.0 message refused", code / 100)).await?;
                return Ok(Next::Continue);
            }
            Behaviour::DropBeforeAccepting => return Ok(Next::Close),
            behaviour => {
                self.take(data);
                match behaviour {
                    Behaviour::DropAfterAccepting => return Ok(Next::Close),
                    Behaviour::CutReply => {
                        self.io.write_all(b"25").await?;
                        self.io.flush().await?;
                        return Ok(Next::Close);
                    }
                    _ => self.reply("250 2.0.0 taken").await?,
                }
            }
        }
        Ok(Next::Continue)
    }

    fn take(&mut self, data: Vec<u8>) {
        let mail = ReceivedMail {
            from: self.from.take().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            data,
            encrypted: self.encrypted,
            user: self.user.clone(),
        };
        self.shared.record.send_modify(|record| record.messages.push(mail));
    }

    fn reset(&mut self) {
        self.from = None;
        self.recipients.clear();
    }

    fn record(&self, line: &str) {
        self.shared.record.send_modify(|record| record.commands.push(line.to_owned()));
    }

    /// One line without its end; `None` at the end of the connection.
    async fn read_line(&mut self) -> io::Result<Option<String>> {
        let line = self.read_raw_line().await?;
        if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn read_raw_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.io).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        Ok(line)
    }

    /// The message up to the line that is a single dot, doubled dots undone (RFC 5321 section 4.5.2).
    async fn read_message(&mut self) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let line = self.read_raw_line().await?;
            if line.is_empty() || data.len() > MAX_MESSAGE {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok(data);
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn reply(&mut self, text: &str) -> io::Result<()> {
        let bytes = format!("{text}\r\n").into_bytes();
        if self.shared.behaviour() == Behaviour::FragmentReplies {
            for byte in bytes {
                self.io.write_all(&[byte]).await?;
                self.io.flush().await?;
                // Lets a client on the same thread see the fragment by itself.
                tokio::task::yield_now().await;
            }
            return Ok(());
        }
        self.io.write_all(&bytes).await?;
        self.io.flush().await
    }
}

/// The address of `FROM:<address>` or `TO:<address>`.
fn path(arguments: &str, keyword: &str) -> Option<String> {
    let (start, rest) = arguments.split_at_checked(keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}
