//! Media types, as far as content negotiation needs them (RFC 9110 section 8.3.1).

/// A media type or range: the lower-case `type/subtype` and its parameters as sent.
#[derive(Debug)]
pub(super) struct MediaType<'a> {
    pub(super) essence: String,
    parameters: Vec<(String, &'a str)>,
}

impl<'a> MediaType<'a> {
    /// Reads a media type; `None` when it is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, b';');
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim().to_ascii_lowercase(), unquote(value.trim())?);
            if !is_token(&name) || parameters.iter().any(|(known, _)| *known == name) {
                return None;
            }
            parameters.push((name, value));
        }
        Some(Self { essence, parameters })
    }

    /// The weight of a range, 1 when there is none or it cannot be read.
    pub(super) fn weight(&self) -> f32 {
        self.parameter("q").and_then(|text| text.parse().ok()).unwrap_or(1.0)
    }

    /// A parameter's value, without quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find_map(|(known, value)| (known == name).then_some(*value))
    }

    /// JSON:API 1.1 allows the parameters `ext` and `profile` alone; Keystead knows no extension.
    pub(super) fn is_plain_json_api(&self) -> bool {
        self.essence == "application/vnd.api+json"
            && self.parameters.iter().all(|(name, value)| match name.as_str() {
                "profile" | "q" => true,
                "ext" => value.trim().is_empty(),
                _ => false,
            })
    }

    /// `application/json`, in UTF-8 (RFC 8259 section 8.1), with no other parameter that could change its meaning.
    pub(super) fn is_utf8_json(&self) -> bool {
        self.essence == "application/json"
            && self.parameters.iter().all(|(name, value)| name == "charset" && value.eq_ignore_ascii_case("utf-8"))
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn unquote(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\'])),
        None => is_token(value).then_some(value),
    }
}

/// Splits at a separator that does not stand between double quotes.
pub(super) fn split_outside_quotes(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        !quoted && c == char::from(separator)
    })
}
