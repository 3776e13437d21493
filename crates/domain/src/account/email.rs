use std::fmt;

use thiserror::Error;

/// The longest address a mail server must accept (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const MAX_ADDRESS: usize = 254;
/// The longest local part (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// An e-mail address that is safe to hand to an SMTP server, in one canonical form: trimmed and lower case.
///
/// Accepts the dot-atom form of RFC 5321 with a domain name of at least two labels. Refuses quoted local parts, address
/// literals, control characters, white space, `<>` and anything outside ASCII: those are how a recipient or a command is
/// smuggled into an SMTP conversation, and how one mailbox gets two accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

/// Why a text is no address Keystead will use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EmailAddressError {
    /// Longer than RFC 5321 allows, or empty.
    #[error("an e-mail address has 3 to {MAX_ADDRESS} characters, at most {MAX_LOCAL} before the @")]
    Length,
    /// Not `local@domain.tld` in plain ASCII.
    #[error("not an e-mail address of the form name@example.com")]
    Form,
}

impl EmailAddress {
    /// Reads an address as a person typed it.
    pub fn try_new(text: &str) -> Result<Self, EmailAddressError> {
        let text = text.trim_matches([' ', '\t']);
        if text.len() > MAX_ADDRESS || text.len() < 3 {
            return Err(EmailAddressError::Length);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailAddressError::Form)?;
        if local.len() > MAX_LOCAL {
            return Err(EmailAddressError::Length);
        }
        if !is_dot_atom(local) || !is_domain(domain) {
            return Err(EmailAddressError::Form);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// An address nobody can have (RFC 2606 section 2), for rows that only look like messages.
    pub fn nobody() -> Self {
        Self("nobody@decoy.invalid".to_owned())
    }

    /// The canonical address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 5322 section 3.2.3: atoms of `atext`, joined by single dots.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// RFC 1035 section 2.3.1 labels; at least two, the last not all digits (so no IPv4 address).
fn is_domain(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    labels.len() >= 2
        && labels.iter().all(|label| is_label(label))
        && labels.last().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_form() {
        let address = EmailAddress::try_new(" Ada@Example.COM ").unwrap();
        assert_eq!(address.as_str(), "ada@example.com");
        assert_eq!(address.local_part(), "ada");
        assert_eq!(address, EmailAddress::try_new("ada@example.com").unwrap());
    }

    #[test]
    fn refuses_what_smuggles_commands_or_doubles_accounts() {
        for text in [
            "a@x\r\nRCPT TO:<v@y.z>\r\n[127.0.0.1]",
            "a@b.c\r\n",
            "a\n@b.c",
            "a b@c.d",
            "<a@b.c>",
            "A <a@b.c>",
            "\"a b\"@c.d",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@localhost",
            "a..b@c.d",
            ".a@c.d",
            "a.@c.d",
            "@c.d",
            "a@",
            "a@b..c",
            "a@-b.c",
            "a@b-.c",
            "a@b.c.",
            "a@b@c.d",
            "ä@b.cd",
            "a@bücher.de",
            "a\0@b.cd",
            "a,b@c.de",
            "a;b@c.de",
        ] {
            assert!(EmailAddress::try_new(text).is_err(), "{text:?}");
        }
        assert_eq!(EmailAddress::try_new(&format!("{}@b.cd", "a".repeat(65))), Err(EmailAddressError::Length));
        assert_eq!(EmailAddress::try_new(&format!("a@{}.cd", "b.".repeat(200))), Err(EmailAddressError::Length));
        assert_eq!(EmailAddress::try_new(""), Err(EmailAddressError::Length));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_accepted_is_one_safe_line(text in ".{0,80}") {
            if let Ok(address) = EmailAddress::try_new(&text) {
                proptest::prop_assert!(address.as_str().bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'<' && b != b'>'));
                proptest::prop_assert_eq!(EmailAddress::try_new(address.as_str()), Ok(address));
            }
        }
    }
}
