use std::time::Duration;

use keystead_domain::limits;

use super::origin::Origin;
use super::reader::{Noted, Reader, Reading};
use super::values::{choice, line};

/// `[tokens]`: access tokens and sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokensConfig {
    /// Signature of access tokens.
    pub algorithm: Algorithm,
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// Life of an access token.
    pub access_life: Duration,
    /// Life of a session, whatever happens.
    pub session_life: Duration,
    /// Life of a session nobody refreshes.
    pub session_idle: Duration,
    /// Most sessions of an account at a time.
    pub max_sessions: u32,
}

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    #[default]
    EdDsa,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// HMAC with SHA-384.
    Hs384,
}

impl Algorithm {
    const NAMES: [(&'static str, Self); 3] = [("EdDSA", Self::EdDsa), ("ES512", Self::Es512), ("HS384", Self::Hs384)];

    /// The `alg` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es512 => "ES512",
            Self::Hs384 => "HS384",
        }
    }
}

impl TokensConfig {
    /// `public_url` is the issuer unless another one is set.
    pub(super) fn read(r: &mut Reader, public_url: Option<&Origin>) -> Reading<Self> {
        // A revocation is forgotten after the window, so no token may outlive it, leeway included.
        let longest = limits::REVOCATION_WINDOW.saturating_sub(limits::LEEWAY);
        let ages = Duration::from_mins(1)..=Duration::from_hours(24 * 400);
        let algorithm = r.value("tokens.algorithm", |text| choice(text, &Algorithm::NAMES));
        let issuer = r.optional("tokens.issuer", line);
        let audience = r.value("tokens.audience", line);
        let access_life = r.duration("tokens.access_life", Duration::from_secs(30)..=longest);
        let session_life = r.duration("tokens.session_life", ages.clone());
        let session_idle = r.duration("tokens.session_idle", ages);
        let max_sessions = r.integer("tokens.max_sessions", 1..=1000);
        let (access_life, session_life, session_idle) = (access_life?, session_life?, session_idle?);
        if session_idle > session_life || session_idle < access_life {
            let fix = "keep access_life <= session_idle <= session_life";
            r.fault("tokens.session_idle", "is longer than the session or shorter than an access token", fix);
            return Err(Noted);
        }
        Ok(Self {
            algorithm: algorithm?,
            issuer: issuer?.or_else(|| public_url.map(|url| url.as_str().to_owned())).ok_or(Noted)?,
            audience: audience?,
            access_life,
            session_life,
            session_idle,
            max_sessions: max_sessions?,
        })
    }
}
