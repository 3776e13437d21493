/// What kind of program holds the secrets. Fixed when the session is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// A browser: secrets travel in HttpOnly cookies only.
    #[default]
    Browser,
    /// Any other program: secrets travel in bodies and headers only, no cookie is ever set.
    Native,
}

impl ClientKind {
    /// The value of the `Keystead-Client` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Native => "native",
        }
    }

    /// Reads the value of the `Keystead-Client` header.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "browser" => Some(Self::Browser),
            "native" => Some(Self::Native),
            _ => None,
        }
    }
}

/// SHA-256 of a client id. The token carries it (`fgp`), the client proves it by showing the 256-bit id, so a token
/// copied from a log or a page is useless without the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Keyed hash of a device token: which browser this is, for guess budgets and new-device mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceTokenHash(pub [u8; 32]);

/// Where a request came from, as shown to the owner of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Client address; `None` when it is not known.
    pub ip: Option<std::net::IpAddr>,
    /// The `User-Agent`, at most 512 bytes, control characters removed.
    pub user_agent: Option<String>,
}

impl DeviceInfo {
    /// Keeps what may be stored and logged of a `User-Agent`: 512 bytes at most, no control characters.
    pub fn new(ip: Option<std::net::IpAddr>, user_agent: Option<&str>) -> Self {
        let user_agent = user_agent.map(|text| {
            let mut kept = String::new();
            for c in text.chars().filter(|c| !c.is_control()) {
                if kept.len() + c.len_utf8() > 512 {
                    break;
                }
                kept.push(c);
            }
            kept
        });
        Self { ip, user_agent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_one_bounded_line() {
        let info = DeviceInfo::new(None, Some(&format!("a\r\n\u{1b}[31m{}", "é".repeat(400))));
        let kept = info.user_agent.unwrap();
        assert!(kept.len() <= 512 && kept.starts_with("a[31mé"));
    }
}
