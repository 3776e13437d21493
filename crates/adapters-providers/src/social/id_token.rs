//! What an ID token must say (OpenID Connect Core 1.0 section 3.1.3.7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_application::ports::SocialProfile;
use keystead_domain::account::EmailAddress;
use keystead_domain::{SecretString, Timestamp};
use ring::digest;
use serde::Deserialize;

use super::jws::Algorithm;
use super::subject_at;

/// Google, as it calls itself.
const GOOGLE: &str = "https://accounts.google.com";
/// How far a provider's clock may be from ours, in seconds.
const SKEW: i64 = 60;
/// How old a token may be that was just fetched, in seconds.
const OLDEST: i64 = 600;

/// What is compared with what a token says.
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a SecretString,
    pub access_token: Option<&'a str>,
    pub algorithm: Algorithm,
    pub now: Timestamp,
}

/// Claims that name a person, of an ID token or of the UserInfo endpoint (sections 5.1, 5.3.2).
#[derive(Deserialize)]
pub(super) struct Person {
    pub sub: String,
    email: Option<String>,
    /// A JSON boolean; some providers send texts, which say nothing here.
    email_verified: Option<serde_json::Value>,
    name: Option<String>,
    preferred_username: Option<String>,
    /// Google: the organisation that manages the account.
    hd: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    #[serde(flatten)]
    pub person: Person,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether it is this client and nobody else: no other audience is trusted.
    fn is_only(&self, client_id: &str) -> bool {
        match self {
            Self::One(one) => one == client_id,
            Self::Many(many) => matches!(many.as_slice(), [one] if one == client_id),
        }
    }
}

impl Claims {
    /// The first thing that is wrong.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<(), &'static str> {
        let now = expected.now.as_seconds();
        let after = |time: f64, least: i64| time > seconds(least);
        let before = |time: f64, most: i64| time < seconds(most);
        let checks = [
            (self.iss == expected.issuer, "the ID token is of another issuer"),
            (self.aud.is_only(expected.client_id), "the ID token is for another audience"),
            (self.azp.as_deref().is_none_or(|party| party == expected.client_id), "the ID token is for another party"),
            (after(self.exp, now - SKEW), "the ID token expired"),
            (after(self.iat, now - OLDEST - SKEW), "the ID token is old"),
            (before(self.iat, now + SKEW), "the ID token is of the future"),
            (self.nbf.is_none_or(|time| before(time, now + SKEW)), "the ID token does not count yet"),
            (self.nonce.as_deref() == Some(expected.nonce.expose()), "the ID token is of another flow"),
            (self.fits(expected), "the access token is not the ID token's"),
        ];
        checks.iter().find(|(good, _)| !good).map_or(Ok(()), |(_, why)| Err(*why))
    }

    /// `at_hash` (section 3.1.3.6): the left half of the hash the signature is made with.
    fn fits(&self, expected: &Expected<'_>) -> bool {
        let Some(at_hash) = &self.at_hash else { return true };
        let Some(token) = expected.access_token else { return false };
        let hash = match expected.algorithm {
            Algorithm::EdDsa => digest::digest(&digest::SHA512, token.as_bytes()),
            _ => digest::digest(&digest::SHA256, token.as_bytes()),
        };
        let half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default();
        *at_hash == URL_SAFE_NO_PAD.encode(half)
    }
}

/// Whole seconds as JSON may write them.
#[expect(clippy::cast_precision_loss, reason = "times of this millennium are far below 2^53")]
fn seconds(time: i64) -> f64 {
    time as f64
}

impl Person {
    pub(super) fn has_email(&self) -> bool {
        self.email.is_some()
    }

    /// The profile; `None` when the subject has no form it may have.
    pub(super) fn profile(self, issuer: &str) -> Option<SocialProfile> {
        let email = self.email.as_deref().and_then(|text| EmailAddress::try_new(text).ok());
        let said = self.email_verified == Some(serde_json::Value::Bool(true));
        // Google asked once, and says so for ever; it knows who has an address now only of its own and of organisations it
        // hosts (Sign in with Google, "Verify the Google ID token").
        let is_gmail = email.as_ref().is_some_and(|email| email.as_str().ends_with("@gmail.com"));
        let knows = issuer != GOOGLE || is_gmail || self.hd.is_some();
        Some(SocialProfile {
            email_verified: email.is_some() && said && knows,
            subject: subject_at(issuer, &self.sub)?,
            label: self.email.or(self.preferred_username).or_else(|| self.name.clone()),
            email,
            name: self.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(issuer: &str, claims: serde_json::Value) -> SocialProfile {
        serde_json::from_value::<Person>(claims).unwrap().profile(issuer).unwrap()
    }

    #[test]
    fn the_same_sub_at_another_issuer_is_somebody_else() {
        let at = |issuer| profile(issuer, json!({ "sub": "1" })).subject;
        assert_eq!(at("https://one.example"), at("https://one.example"));
        assert_ne!(at("https://one.example"), at("https://one.example/realms/b"));
        assert_ne!(at("https://one.example"), at("https://two.example"));
    }

    #[test]
    fn google_is_believed_about_addresses_it_manages_only() {
        let told = |issuer, email: &str, hd: Option<&str>| {
            profile(issuer, json!({ "sub": "1", "email": email, "email_verified": true, "hd": hd })).email_verified
        };
        assert!(told(GOOGLE, "ada@gmail.com", None) && told(GOOGLE, "ada@corp.example", Some("corp.example")));
        assert!(!told(GOOGLE, "ada@corp.example", None) && !told(GOOGLE, "ada@notgmail.com", None));
        assert!(told("https://sso.example", "ada@corp.example", None));
    }
}
