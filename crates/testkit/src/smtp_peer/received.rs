/// A message the peer took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMail {
    /// `MAIL FROM`.
    pub from: String,
    /// Every `RCPT TO`, in order.
    pub recipients: Vec<String>,
    /// The message as sent, doubled dots undone.
    pub data: Vec<u8>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

impl ReceivedMail {
    /// Every value of a header, folding undone, RFC 2047 words as they are.
    pub fn headers(&self, name: &str) -> Vec<String> {
        values(split(&self.source()).0, name)
    }

    /// The first value of a header; see [`Self::headers`].
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers(name).into_iter().next()
    }

    /// The `text/plain` part, decoded, lines ending in `\n`.
    pub fn text(&self) -> Option<String> {
        self.part("text/plain")
    }

    /// The `text/html` part, decoded, lines ending in `\n`.
    pub fn html(&self) -> Option<String> {
        self.part("text/html")
    }

    fn source(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    fn part(&self, media_type: &str) -> Option<String> {
        let source = self.source();
        let (head, body) = split(&source);
        let content_type = values(head, "Content-Type").into_iter().next()?;
        let boundary = content_type.split_once("boundary=")?.1.trim_matches('"').split('"').next()?;
        body.split(&format!("--{boundary}"))
            .skip(1)
            .map(|part| split(part.trim_start_matches("\r\n")))
            .find(|(head, _)| values(head, "Content-Type").iter().any(|value| value.starts_with(media_type)))
            .map(|(head, body)| decode(head, body.strip_suffix("\r\n").unwrap_or(body)))
    }
}

/// Head and body, at the empty line.
fn split(source: &str) -> (&str, &str) {
    source.split_once("\r\n\r\n").unwrap_or((source, ""))
}

fn values(head: &str, name: &str) -> Vec<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

fn decode(head: &str, body: &str) -> String {
    let encoding = values(head, "Content-Transfer-Encoding").pop().unwrap_or_default();
    let bytes = match encoding.to_ascii_lowercase().as_str() {
        "quoted-printable" => decode_quoted_printable(body),
        "base64" => decode_base64(body),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

/// RFC 2045 section 6.7.
fn decode_quoted_printable(text: &str) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let mut decoded = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .filter(|_| byte == b'=')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    decoded
}

/// RFC 4648 section 4; skips what is outside the alphabet, such as line ends, and stops at the padding.
pub(super) fn decode_base64(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in text.bytes().take_while(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.extend(u8::try_from(buffer >> bits));
            buffer &= (1 << bits) - 1;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_mail_programs_write() {
        assert_eq!(decode_base64("SGVsbG8sIHdvcmxkIQ=="), b"Hello, world!");
        assert_eq!(decode_base64("SGVs\r\nbG8="), b"Hello");
        assert_eq!(decode_quoted_printable("a=3Db=C3=A4 =\r\nc"), "a=b\u{e4} c".as_bytes());
        let mail = ReceivedMail {
            from: String::new(),
            recipients: Vec::new(),
            data: b"Subject: a\r\n b\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"x\"\r\n\r\n\r\n--x\r\n\
                Content-Type: text/plain; charset=\"utf-8\"\r\n\r\nplain\r\n--x\r\nContent-Type: text/html\r\n\
                Content-Transfer-Encoding: base64\r\n\r\nPGI+\r\n--x--\r\n"
                .to_vec(),
            encrypted: false,
            user: None,
        };
        assert_eq!(mail.header("subject").as_deref(), Some("a b"));
        assert_eq!(mail.text().as_deref(), Some("plain"));
        assert_eq!(mail.html().as_deref(), Some("<b>"));
    }
}
