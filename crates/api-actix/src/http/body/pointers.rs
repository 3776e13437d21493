//! JSON pointers into request bodies.

use std::borrow::Cow;

/// Where the attributes of a body lie, so that errors point at what the client sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pointers {
    /// `application/json`: the body is the attributes object.
    #[default]
    Bare,
    /// `application/vnd.api+json`: the attributes lie under `/data/attributes`.
    Document,
}

impl Pointers {
    /// The pointer to an attribute, by its wire name (RFC 6901; a `/` in `name` separates levels when it comes from us).
    pub fn to(self, name: &str) -> String {
        match self {
            Self::Bare => format!("/{name}"),
            Self::Document => format!("/data/attributes/{name}"),
        }
    }
}

/// Escapes a name a client chose, cut to a length that is still useful (RFC 6901 section 3).
pub(super) fn escape(name: &str) -> String {
    let cut: String = name.chars().take(64).collect();
    cut.replace('~', "~0").replace('/', "~1")
}

/// The wire name of a Rust field: `new_password` is `newPassword`.
pub(super) fn wire_name(field: &str) -> Cow<'_, str> {
    if !field.contains('_') {
        return Cow::Borrowed(field);
    }
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            name.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            name.push(c);
        }
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pointers() {
        assert_eq!(wire_name("new_password"), "newPassword");
        assert_eq!(wire_name("email"), "email");
        assert_eq!(Pointers::Bare.to("email"), "/email");
        assert_eq!(Pointers::Document.to("email"), "/data/attributes/email");
        assert_eq!(escape("a/b~c"), "a~1b~0c");
        assert_eq!(escape(&"x".repeat(1000)).len(), 64);
    }
}
