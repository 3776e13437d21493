use keystead_application::ports::UserVerification;
use keystead_domain::limits;
use url::Url;

use super::Config;
use super::address::is_host_name;
use super::factors::USER_VERIFICATION;
use super::origin::Origin;
use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};
use super::values::{choice, line};

/// `[passkeys]`: who passkeys are for. What is not set follows from `http.public_url`; see [`Config::relying_party`].
#[derive(Clone, Debug)]
pub struct PasskeysConfig {
    /// The relying party's identifier, when one is set.
    pub rp_id: Option<String>,
    /// Its name.
    pub rp_name: String,
    /// The origins that may use passkeys, when any are set.
    pub origins: Vec<Origin>,
    /// Most passkeys of a person.
    pub max: u32,
    /// What is demanded of a passkey that is a second factor.
    pub user_verification: UserVerification,
}

/// A relying party (WebAuthn Level 3 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// A domain.
    pub id: String,
    /// What authenticators show.
    pub name: String,
    /// The origins browsers may use its passkeys at: all within the domain, all https or on this machine.
    pub origins: Vec<Url>,
}

impl PasskeysConfig {
    /// `product_name` is the name unless another one is set.
    pub(super) fn read(r: &mut Reader, public_url: Option<&Origin>, product_name: Option<&str>) -> Reading<Self> {
        let rp_id = r.optional("passkeys.rp_id", domain);
        let rp_name = r.optional("passkeys.rp_name", line);
        let origins = r.list("passkeys.origins", Origin::parse);
        let max = r.integer("passkeys.max", 1..=limits::PASSKEYS * 10);
        let user_verification = r.value("passkeys.user_verification", |text| choice(text, &USER_VERIFICATION));
        let rp_name = rp_name?.or_else(|| product_name.map(str::to_owned)).ok_or(Noted);
        let (max, user_verification) = (max?, user_verification?);
        let passkeys = Self { rp_id: rp_id?, rp_name: rp_name?, origins: origins?, max, user_verification };
        passkeys.check(r, public_url.ok_or(Noted)?)?;
        Ok(passkeys)
    }

    /// What browsers would refuse is told at start. An address that permits no passkeys at all is a warning only.
    fn check(&self, r: &mut Reader, public_url: &Origin) -> Reading<()> {
        if self.rp_id.is_none() && self.origins.is_empty() {
            return Ok(());
        }
        let (id, origins) = self.parts(public_url);
        let key = if self.origins.is_empty() { "passkeys.rp_id" } else { "passkeys.origins" };
        for origin in origins {
            if !is_secure(&origin) {
                let what = format!("{origin} is neither https nor localhost: browsers have no passkeys there");
                r.fault(key, what, "use https");
                return Err(Noted);
            }
            if !origin.domain().is_some_and(|domain| is_within(domain, &id)) {
                let what = format!("{origin} is not within the relying party {id:?}");
                let fix = "set rp_id to the host of every origin, or to a domain above all of them";
                r.fault(key, what, fix);
                return Err(Noted);
            }
        }
        Ok(())
    }

    fn parts(&self, public_url: &Origin) -> (String, Vec<Origin>) {
        // WebAuthn knows no addresses of numbers; on this machine `localhost` stands for them.
        let own = if public_url.is_loopback() { public_url.at_localhost() } else { public_url.clone() };
        let id = self.rp_id.clone().unwrap_or_else(|| own.host());
        let origins = if self.origins.is_empty() { vec![own] } else { self.origins.clone() };
        (id, origins)
    }
}

impl Config {
    /// Who passkeys are for: by default the host of `http.public_url` and that origin alone; `localhost` for an address of
    /// this machine. `None` when browsers would not permit any there: without https, and at an address of numbers.
    pub fn relying_party(&self) -> Option<RelyingParty> {
        let (id, origins) = self.passkeys.parts(&self.http.public_url);
        let usable =
            |origin: &Origin| is_secure(origin) && origin.domain().is_some_and(|domain| is_within(domain, &id));
        if !origins.iter().all(usable) {
            return None;
        }
        let origins: Vec<Url> = origins.iter().filter_map(|origin| Url::parse(origin.as_str()).ok()).collect();
        Some(RelyingParty { id, name: self.passkeys.rp_name.clone(), origins })
    }
}

fn is_secure(origin: &Origin) -> bool {
    origin.is_https() || (origin.is_loopback() && origin.domain().is_some())
}

fn is_within(domain: &str, id: &str) -> bool {
    domain.strip_suffix(id).is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
}

fn domain(text: &str) -> Result<String, Invalid> {
    let numbers = text.parse::<std::net::IpAddr>().is_ok();
    let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    if is_host_name(text) && lower && !numbers {
        return Ok(text.to_owned());
    }
    let fix = "write a domain in lower case, without scheme and port: \"example.com\"";
    Err(Invalid::new(format!("{text:?} is not a domain"), fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_within_itself_and_what_is_above_it() {
        assert!(is_within("example.com", "example.com") && is_within("id.example.com", "example.com"));
        assert!(!is_within("evilexample.com", "example.com") && !is_within("com", "example.com"));
    }

    #[test]
    fn a_relying_party_is_a_domain() {
        assert!(domain("example.com").is_ok() && domain("localhost").is_ok());
        for text in ["", "Example.com", "127.0.0.1", "::1", "https://example.com", "example.com:443", "a b"] {
            assert!(domain(text).is_err(), "{text:?}");
        }
    }
}
