//! Who a passkey is for: the relying party's identifier, name and origins.

use thiserror::Error;
use url::{Host, Url};

/// Why a relying party cannot be configured like this.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The relying party's identifier is no domain in lower case (WebAuthn Level 3 section 5.1.2): an address of numbers, a
    /// port or a path.
    #[error("{0:?} is no domain name in lower case")]
    RelyingPartyId(String),
    /// Authenticators show the name; it must not be empty.
    #[error("the relying party has no name")]
    RelyingPartyName,
    /// There must be an origin to accept.
    #[error("there is no origin")]
    NoOrigin,
    /// An origin is a scheme, a host and a port, nothing else.
    #[error("{0} is no origin: it has a path, a query, a fragment or a user")]
    Origin(Url),
    /// Browsers offer WebAuthn in secure contexts only: over https, or to localhost.
    #[error("{0} is neither https nor localhost")]
    Insecure(Url),
    /// Browsers refuse a relying party that is neither the page's host nor a domain above it.
    #[error("{origin} is not within the relying party {rp_id}")]
    Outside {
        /// The origin.
        origin: Url,
        /// The relying party's identifier.
        rp_id: String,
    },
}

/// A relying party whose parts fit together.
#[derive(Clone, Debug)]
pub(crate) struct RelyingParty {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The origins as browsers write them into client data.
    pub(crate) origins: Vec<String>,
}

impl RelyingParty {
    pub(crate) fn try_new(id: &str, name: &str, origins: &[Url]) -> Result<Self, ConfigError> {
        if !is_domain(id) {
            return Err(ConfigError::RelyingPartyId(id.to_owned()));
        }
        if name.trim().is_empty() {
            return Err(ConfigError::RelyingPartyName);
        }
        if origins.is_empty() {
            return Err(ConfigError::NoOrigin);
        }
        let origins = origins.iter().map(|origin| origin_text(id, origin)).collect::<Result<_, _>>()?;
        Ok(Self { id: id.to_owned(), name: name.to_owned(), origins })
    }
}

/// Whether a URL with this host has exactly this text as its domain.
fn is_domain(text: &str) -> bool {
    let url = Url::parse(&format!("https://{text}/"));
    url.is_ok_and(|url| matches!(url.host(), Some(Host::Domain(domain)) if domain == text))
}

fn origin_text(rp_id: &str, origin: &Url) -> Result<String, ConfigError> {
    let text = origin.origin().ascii_serialization();
    if origin.as_str() != format!("{text}/") {
        return Err(ConfigError::Origin(origin.clone()));
    }
    let host = origin.host_str().unwrap_or_default();
    let local = host == "localhost" || host.ends_with(".localhost");
    if origin.scheme() != "https" && !(origin.scheme() == "http" && local) {
        return Err(ConfigError::Insecure(origin.clone()));
    }
    let above = host.strip_suffix(rp_id);
    if above.is_some_and(|labels| labels.is_empty() || labels.ends_with('.')) {
        Ok(text)
    } else {
        Err(ConfigError::Outside { origin: origin.clone(), rp_id: rp_id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_new(id: &str, origin: &str) -> Result<RelyingParty, ConfigError> {
        RelyingParty::try_new(id, "Example", &[Url::parse(origin).unwrap()])
    }

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (id, origin, text) in [
            ("example.com", "https://example.com", "https://example.com"),
            ("example.com", "https://EXAMPLE.com:443/", "https://example.com"),
            ("example.com", "https://id.example.com:8443", "https://id.example.com:8443"),
            ("localhost", "http://localhost:8080", "http://localhost:8080"),
            ("xn--bcher-kva.example", "https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(try_new(id, origin).unwrap().origins, [text]);
        }
    }

    #[test]
    fn what_browsers_would_refuse_is_refused_at_start() {
        for id in
            ["", "Example.com", "127.0.0.1", "example.com:443", "example.com/", "a b", "[::1]", "https://example.com"]
        {
            assert_eq!(try_new(id, "https://example.com").unwrap_err(), ConfigError::RelyingPartyId(id.to_owned()));
        }
        let error = |origin: &str| try_new("example.com", origin).unwrap_err();
        for origin in
            ["https://example.com/a", "https://example.com?a", "https://example.com/#a", "https://a@example.com"]
        {
            assert_eq!(error(origin), ConfigError::Origin(Url::parse(origin).unwrap()));
        }
        for origin in ["http://example.com", "wss://example.com"] {
            assert_eq!(error(origin), ConfigError::Insecure(Url::parse(origin).unwrap()));
        }
        for origin in ["https://evilexample.com", "https://example.com.evil", "https://com"] {
            assert!(matches!(error(origin), ConfigError::Outside { .. }), "{origin}");
        }
        assert_eq!(RelyingParty::try_new("example.com", "Example", &[]).unwrap_err(), ConfigError::NoOrigin);
        let origins = [Url::parse("https://example.com").unwrap()];
        assert_eq!(RelyingParty::try_new("example.com", " ", &origins).unwrap_err(), ConfigError::RelyingPartyName);
    }
}
