use keystead_domain::SecretString;
use keystead_domain::account::PhoneNumber;
use url::{Host, Url};

use super::origin::is_loopback_host;
use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};
use super::values::choice;

/// Settings that mean nothing without a provider.
const DEPENDENT: [&str; 5] =
    ["sms.account_sid", "sms.auth_token", "sms.auth_token_file", "sms.from", "sms.messaging_service"];

/// `[sms]`: how text messages leave.
#[derive(Clone, Debug)]
pub struct SmsConfig {
    /// Where they go.
    pub transport: SmsTransport,
}

/// Where text messages go.
#[derive(Clone, Debug)]
pub enum SmsTransport {
    /// Nowhere: numbers cannot be registered, and no code goes to one.
    Off,
    /// To the page `/dev/mail`; `keystead dev` only.
    DevMailbox,
    /// To Twilio.
    Twilio(TwilioConfig),
}

/// An account at Twilio.
#[derive(Clone, Debug)]
pub struct TwilioConfig {
    /// Where its interface is.
    pub base_url: ProviderUrl,
    /// Which account.
    pub account_sid: String,
    /// Its token.
    pub auth_token: SecretString,
    /// Who messages come from.
    pub sender: TwilioSender,
}

/// Who messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwilioSender {
    /// A number, a short code or a name.
    Number(String),
    /// A messaging service, which chooses a number.
    MessagingService(String),
}

/// Where the interface of a provider is: `http` or `https`, without user, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl(Url);

impl ProviderUrl {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let fix = "write scheme, host and, where there is one, path: \"https://api.example.com\"";
        let bad = |what: &str| Invalid::new(what, fix);
        let url = Url::parse(text).map_err(|_| bad("is not a web address"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(bad("is neither an http nor an https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("holds a user name or password; credentials have settings of their own"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has a query or a fragment"));
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether codes and credentials would cross a network unencrypted.
    pub fn is_exposed(&self) -> bool {
        self.0.scheme() != "https" && !self.0.host_str().is_some_and(is_loopback_host)
    }

    /// Host and port, to be reached by TCP.
    pub fn address(&self) -> (String, u16) {
        let host = match self.0.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => String::new(),
        };
        (host, self.0.port_or_known_default().unwrap_or(443))
    }
}

#[derive(Clone, Copy)]
enum Provider {
    None,
    Twilio,
}

impl SmsConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let known = [("none", Provider::None), ("twilio", Provider::Twilio)];
        let provider = r.value("sms.provider", |text| choice(text, &known));
        let base_url = r.value("sms.base_url", ProviderUrl::parse);
        let transport = match provider? {
            Provider::None => without_provider(r),
            Provider::Twilio => read_twilio(r, base_url),
        };
        Ok(Self { transport: transport? })
    }

    /// Whether messages can be sent.
    pub fn is_on(&self) -> bool {
        !matches!(self.transport, SmsTransport::Off)
    }
}

fn without_provider(r: &mut Reader) -> Reading<SmsTransport> {
    let useless: Vec<&str> = DEPENDENT.into_iter().filter(|key| r.is_set(key)).collect();
    for key in &useless {
        r.fault(key, "is set without a provider", "set sms.provider = \"twilio\", or remove it");
    }
    if useless.is_empty() { Ok(SmsTransport::Off) } else { Err(Noted) }
}

fn read_twilio(r: &mut Reader, base_url: Reading<ProviderUrl>) -> Reading<SmsTransport> {
    let account_sid = needed(r, "sms.account_sid", account_sid);
    let auth_token = read_token(r);
    let from = r.optional("sms.from", number_or_name);
    let service = r.optional("sms.messaging_service", messaging_service);
    let sender = match (from?, service?) {
        (Some(from), None) => TwilioSender::Number(from),
        (None, Some(service)) => TwilioSender::MessagingService(service),
        (Some(_), Some(_)) => {
            r.fault("sms.messaging_service", "is set, and sms.from too", "keep one of them");
            return Err(Noted);
        }
        (None, None) => {
            r.fault("sms.from", "must be set, or sms.messaging_service", "write your number: \"+15005550006\"");
            return Err(Noted);
        }
    };
    Ok(SmsTransport::Twilio(TwilioConfig {
        base_url: base_url?,
        account_sid: account_sid?,
        auth_token: auth_token?,
        sender,
    }))
}

/// What only this provider needs, so that it is no required key.
fn needed<T>(r: &mut Reader, key: &str, read: impl FnOnce(&str) -> Result<T, Invalid>) -> Reading<T> {
    if let Some(value) = r.optional(key, read)? {
        return Ok(value);
    }
    r.fault(key, "must be set with sms.provider = \"twilio\"", format!("set {key}"));
    Err(Noted)
}

fn read_token(r: &mut Reader) -> Reading<SecretString> {
    let key = r.secret_key("sms.auth_token");
    match r.secret("sms.auth_token")? {
        Some(token) if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) && !token.expose().is_empty() => {
            Ok(token)
        }
        Some(_) => {
            r.fault(&key, "is empty or holds spaces", "copy the account's token from Twilio's console");
            Err(Noted)
        }
        None => {
            r.fault(&key, "must be set with sms.provider = \"twilio\"", "set sms.auth_token or sms.auth_token_file");
            Err(Noted)
        }
    }
}

fn identifier(text: &str, prefix: &str, what: &str) -> Result<String, Invalid> {
    let is_one = text.starts_with(prefix) && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let invalid = || Invalid::new(format!("is not {what}"), format!("it begins with {prefix} and has 34 characters"));
    is_one.then(|| text.to_owned()).ok_or_else(invalid)
}

fn account_sid(text: &str) -> Result<String, Invalid> {
    identifier(text, "AC", "the SID of an account")
}

fn messaging_service(text: &str) -> Result<String, Invalid> {
    identifier(text, "MG", "the SID of a messaging service")
}

/// A number, a short code, or up to eleven letters, digits and spaces.
fn number_or_name(text: &str) -> Result<String, Invalid> {
    let is_name =
        (1..=11).contains(&text.trim().len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if is_name || PhoneNumber::from_stored(text).is_some() {
        return Ok(text.to_owned());
    }
    let fix = "write a number with its country (\"+15005550006\"), a short code, or up to 11 letters and digits";
    Err(Invalid::new("is neither a number nor a name", fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_exposed_when_it_is_elsewhere_and_plain() {
        for (text, exposed) in [
            ("https://api.twilio.com", false),
            ("http://localhost:8080/x", false),
            ("http://[::1]:8080", false),
            ("http://api.twilio.com", true),
            ("http://10.0.0.1", true),
        ] {
            assert_eq!(ProviderUrl::parse(text).unwrap().is_exposed(), exposed, "{text}");
        }
        for text in [
            "",
            "api.twilio.com",
            "ftp://a.example",
            "https://me:hunter2@a.example",
            "https://a.example?x",
            "https://a.example#x",
        ] {
            let refused = ProviderUrl::parse(text).unwrap_err();
            assert!(!format!("{refused:?}").contains("hunter2"));
        }
        assert_eq!(ProviderUrl::parse("http://[::1]").unwrap().address(), ("::1".to_owned(), 80));
    }

    #[test]
    fn senders_and_accounts_have_their_form() {
        for text in ["+15005550006", "12345", "My Shop", "Keystead"] {
            assert_eq!(number_or_name(text).as_deref(), Ok(text));
        }
        for text in ["", " ", "+1", "twelve chars", "a\r\nb", "Büro"] {
            assert!(number_or_name(text).is_err(), "{text:?}");
        }
        assert!(account_sid("AC0123456789abcdef0123456789abcdef").is_ok());
        assert!(account_sid("SK0123456789abcdef0123456789abcdef").is_err() && account_sid("AC/x").is_err());
    }
}
