//! Keystead's API as a native client uses it (`docs/openapi.json`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Connection, Reply, request};
use crate::inbox::Inbox;
use crate::{Outcome, sample};

/// Every password of a measurement: not a common one, within the length limits.
pub(crate) const PASSWORD: &str = "plough-harbour-violet-93";

/// What a `tokens` answer holds.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) client: String,
    /// Only authorized tokens come with one.
    pub(crate) refresh: Option<String>,
}

impl Tokens {
    /// Reads a `tokens` answer. A refresh may leave the client id out when it stays the same.
    pub(crate) fn read(reply: &Reply, client: Option<&str>) -> Outcome<Self> {
        let client = reply.attribute("clientId").or_else(|error| client.map(str::to_owned).ok_or(error))?;
        Ok(Self { access: reply.attribute("accessToken")?, client, refresh: reply.attribute("refreshToken").ok() })
    }

    /// The headers of a request with these tokens.
    pub(crate) fn headers(&self) -> [(&'static str, String); 3] {
        [
            ("Keystead-Client", "native".into()),
            ("Keystead-Client-Id", self.client.clone()),
            ("Authorization", format!("Bearer {}", self.access)),
        ]
    }

    /// The refresh token, which authorized tokens have.
    pub(crate) fn refresh_token(&self) -> Outcome<&str> {
        self.refresh.as_deref().ok_or_else(|| "tokens without a refresh token".into())
    }
}

/// A POST under `/api/v1`, with tokens or without.
pub(crate) fn post(path: &str, tokens: Option<&Tokens>, body: Option<&Value>) -> Vec<u8> {
    let headers = tokens.map(Tokens::headers);
    let headers: Vec<(&str, &str)> = match &headers {
        Some(headers) => headers.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        None => vec![("Keystead-Client", "native")],
    };
    request("POST", &format!("/api/v1{path}"), &headers, body.map(Value::to_string).as_deref())
}

/// The request of a login.
pub(crate) fn login_request(email: &str, password: &str) -> Vec<u8> {
    post("/auth/login", None, Some(&json!({"identity": email, "password": password})))
}

/// The request of a registration.
pub(crate) fn register_request(email: &str) -> Vec<u8> {
    post("/auth/register", None, Some(&json!({"email": email, "password": PASSWORD})))
}

/// The request that asks for a link to a new password.
pub(crate) fn forgot_request(email: &str) -> Vec<u8> {
    post("/auth/password/forgot", None, Some(&json!({"identity": email})))
}

/// The request that checks an access token.
pub(crate) fn verify_token_request(tokens: &Tokens) -> Vec<u8> {
    post("/auth/token/verify", Some(tokens), None)
}

/// The request of a refresh: the refresh token in the body, no access token.
pub(crate) fn refresh_request(tokens: &Tokens) -> Outcome<Vec<u8>> {
    let body = json!({"refreshToken": tokens.refresh_token()?}).to_string();
    let headers = [("Keystead-Client", "native"), ("Keystead-Client-Id", tokens.client.as_str())];
    Ok(request("POST", "/api/v1/auth/refresh", &headers, Some(&body)))
}

/// One client with one connection.
pub(crate) struct Api {
    connection: Connection,
    /// Where mail arrives; without one it stays in the service's development mailbox.
    inbox: Option<Arc<Inbox>>,
}

impl Api {
    /// A client of the service at this address.
    pub(crate) const fn at(address: SocketAddr) -> Self {
        Self { connection: Connection::to(address), inbox: None }
    }

    /// A client of a service that sends its mail to this inbox.
    pub(crate) const fn with_mail(address: SocketAddr, inbox: Option<Arc<Inbox>>) -> Self {
        Self { connection: Connection::to(address), inbox }
    }

    /// Sends a request as it is.
    pub(crate) fn send(&mut self, request: &[u8]) -> Outcome<Reply> {
        self.connection.send(request)
    }

    /// Registers an address; the tokens can verify it and nothing else.
    pub(crate) fn register(&mut self, email: &str) -> Outcome<Tokens> {
        let reply = self.send(&register_request(email))?.expect(201, "register")?;
        Tokens::read(&reply, None)
    }

    /// Proves a registration with its mailed code.
    pub(crate) fn verify(&mut self, pending: &Tokens, code: &str) -> Outcome<Tokens> {
        let request = post("/auth/register/verify", Some(pending), Some(&json!({"code": code})));
        let reply = self.send(&request)?.expect(200, "register/verify")?;
        Tokens::read(&reply, Some(&pending.client))
    }

    /// Registers, reads the mail, verifies.
    pub(crate) fn sign_up(&mut self, email: &str) -> Outcome<Tokens> {
        let pending = self.register(email)?;
        let code = self.mailed(email, Duration::from_secs(20), code_in)?;
        self.verify(&pending, &code)
    }

    /// Logs in.
    pub(crate) fn login(&mut self, email: &str) -> Outcome<Tokens> {
        let reply = self.send(&login_request(email, PASSWORD))?.expect(200, "login")?;
        Tokens::read(&reply, None)
    }

    /// Rotates the refresh token.
    pub(crate) fn refresh(&mut self, tokens: &Tokens) -> Outcome<Tokens> {
        let reply = self.send(&refresh_request(tokens)?)?.expect(200, "refresh")?;
        Tokens::read(&reply, Some(&tokens.client))
    }

    /// Asks for a reset and returns the token of the link that is mailed.
    pub(crate) fn forgot(&mut self, email: &str) -> Outcome<String> {
        match &self.inbox {
            Some(inbox) => inbox.forget(email),
            None => drop(self.send(&request("DELETE", "/dev/mail", &[], None))?),
        }
        self.send(&forgot_request(email))?.expect(202, "password/forgot")?;
        self.mailed(email, Duration::from_secs(20), link_token_in)
    }

    /// Exchanges the token of a reset link.
    pub(crate) fn begin_reset(&mut self, token: &str) -> Outcome<Tokens> {
        let reply = self.send(&begin_reset_request(token))?.expect(200, "password/reset/begin")?;
        Tokens::read(&reply, None)
    }

    /// The texts of the mails to an address.
    fn mails_to(&mut self, email: &str) -> Outcome<Vec<String>> {
        if let Some(inbox) = &self.inbox {
            return Ok(inbox.to(email).into_iter().map(|mail| mail.text).collect());
        }
        let path = format!("/dev/mail?filter%5Bto%5D={}", email.replace('@', "%40"));
        let asking = request("GET", &path, &[("Accept", "application/vnd.api+json")], None);
        Ok(texts(&self.send(&asking)?.expect(200, "/dev/mail")?.json()?))
    }

    /// Waits for a mail to this address that has what is looked for.
    pub(crate) fn mailed(
        &mut self,
        email: &str,
        patience: Duration,
        find: impl Fn(&str) -> Option<String>,
    ) -> Outcome<String> {
        let deadline = sample::now() + patience;
        loop {
            if let Some(found) = self.mails_to(email)?.iter().find_map(|text| find(text)) {
                return Ok(found);
            }
            if sample::now() > deadline {
                return Err(format!("no such mail to {email}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The texts of the mails in the answer of `/dev/mail`.
fn texts(mails: &Value) -> Vec<String> {
    let mails = mails.pointer("/data").and_then(Value::as_array).into_iter().flatten();
    mails.filter_map(|mail| mail.pointer("/attributes/text")?.as_str().map(str::to_owned)).collect()
}

/// The request that exchanges the token of a reset link.
pub(crate) fn begin_reset_request(token: &str) -> Vec<u8> {
    post("/auth/password/reset/begin", None, Some(&json!({"token": token})))
}

/// The six digits of a mail.
pub(crate) fn code_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned)
}

/// The token in the fragment of a mailed link; the fragment may name it (`#token=…`).
pub(crate) fn link_token_in(text: &str) -> Option<String> {
    let (_, fragment) = text.split_whitespace().find(|word| word.starts_with("http"))?.split_once('#')?;
    let token = fragment.rsplit('=').next()?;
    let token = token.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    (token.len() >= 16).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_links_are_found_in_the_text_of_a_mail() {
        assert_eq!(code_in("Your code is 042917. It lives 5 minutes.").as_deref(), Some("042917"));
        assert_eq!(code_in("1234567 and 12345 and a123456").as_deref(), None);
        let token = "Zk3_-abcdefghijklmnop";
        for link in [format!("open http://h/reset#token={token}"), format!("<x>\nhttps://h/r#{token}.\n")] {
            assert_eq!(link_token_in(&link).as_deref(), Some(token));
        }
        assert_eq!(link_token_in("http://h/reset"), None);
    }

    #[test]
    fn a_request_with_tokens_is_a_native_clients_request() {
        let tokens = Tokens { access: "a.b.c".into(), client: "cid".into(), refresh: None };
        let text = String::from_utf8(verify_token_request(&tokens)).unwrap();
        assert!(text.starts_with("POST /api/v1/auth/token/verify HTTP/1.1\r\n"), "{text}");
        for header in ["Keystead-Client: native", "Keystead-Client-Id: cid", "Authorization: Bearer a.b.c"] {
            assert!(text.contains(&format!("\r\n{header}\r\n")), "{text}");
        }
        assert!(refresh_request(&tokens).is_err());
    }
}
