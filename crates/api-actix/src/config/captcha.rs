use keystead_application::ports::CaptchaAction;
use keystead_domain::SecretString;

use super::address::is_host_name;
use super::origin::Origin;
use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};
use super::sms::ProviderUrl;
use super::values::choice;

/// Settings that mean nothing without a company's captcha.
const DEPENDENT: [&str; 6] = [
    "captcha.verify_url",
    "captcha.site_key",
    "captcha.secret",
    "captcha.secret_file",
    "captcha.hostnames",
    "captcha.min_score",
];

/// `[captcha]`: what keeps programs from asking.
#[derive(Clone, Debug)]
pub struct CaptchaConfig {
    /// Which captcha.
    pub provider: CaptchaProvider,
    /// What it is asked for.
    pub actions: Vec<CaptchaAction>,
}

/// A captcha.
#[derive(Clone, Debug)]
pub enum CaptchaProvider {
    /// None: nobody is asked for one.
    Off,
    /// Work for the processor of the client.
    ProofOfWork {
        /// Zero bits to be found where nothing is going on.
        difficulty: u8,
    },
    /// A company's.
    SiteVerify(SiteVerifyConfig),
}

/// A site at a company that makes captchas.
#[derive(Clone, Debug)]
pub struct SiteVerifyConfig {
    /// Where its interface is.
    pub url: ProviderUrl,
    /// The public half of the site's credentials, which its pages show.
    pub site_key: String,
    /// The other half.
    pub secret: SecretString,
    /// Sites whose tokens count.
    pub hostnames: Vec<String>,
    /// The least score that counts.
    pub min_score: Option<f64>,
}

impl SiteVerifyConfig {
    /// Whose widget the page needs.
    pub fn name(&self) -> &'static str {
        let (host, _) = self.url.address();
        let of = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        if of("google.com") || of("recaptcha.net") {
            "recaptcha"
        } else if of("hcaptcha.com") {
            "hcaptcha"
        } else if of("cloudflare.com") {
            "turnstile"
        } else {
            "siteverify"
        }
    }
}

#[derive(Clone, Copy)]
enum Provider {
    None,
    ProofOfWork,
    SiteVerify,
}

impl CaptchaConfig {
    /// `public_url` is where people are, unless other sites are named.
    pub(super) fn read(r: &mut Reader, public_url: Option<&Origin>) -> Reading<Self> {
        let known =
            [("none", Provider::None), ("proof-of-work", Provider::ProofOfWork), ("siteverify", Provider::SiteVerify)];
        let provider = r.value("captcha.provider", |text| choice(text, &known));
        let actions = r.list("captcha.actions", action);
        let difficulty = r.integer("captcha.difficulty", 8..=24);
        let provider = match provider? {
            Provider::SiteVerify => read_site(r, public_url).map(CaptchaProvider::SiteVerify),
            other => {
                let is_useless = without_site(r);
                let difficulty = difficulty?;
                let own = CaptchaProvider::ProofOfWork { difficulty };
                is_useless.map(|()| if matches!(other, Provider::None) { CaptchaProvider::Off } else { own })
            }
        };
        Ok(Self { provider: provider?, actions: actions? })
    }
}

fn action(text: &str) -> Result<CaptchaAction, Invalid> {
    choice(text, &CaptchaAction::ALL.map(|action| (action.as_str(), action)))
}

fn without_site(r: &mut Reader) -> Reading<()> {
    let useless: Vec<&str> = DEPENDENT.into_iter().filter(|key| r.is_set(key)).collect();
    for key in &useless {
        r.fault(key, "is set, and no company is asked", "set captcha.provider = \"siteverify\", or remove it");
    }
    if useless.is_empty() { Ok(()) } else { Err(Noted) }
}

fn read_site(r: &mut Reader, public_url: Option<&Origin>) -> Reading<SiteVerifyConfig> {
    let url = needed(r, "captcha.verify_url", encrypted);
    let site_key = needed(r, "captcha.site_key", word);
    let key = r.secret_key("captcha.secret");
    let secret = match r.secret("captcha.secret")? {
        Some(secret) if is_word(secret.expose()) => Ok(secret),
        Some(_) => {
            r.fault(&key, "is empty or holds spaces", "copy the site's secret from the company's console");
            Err(Noted)
        }
        None => {
            let fix = "set captcha.secret or captcha.secret_file";
            r.fault(&key, "must be set with captcha.provider = \"siteverify\"", fix);
            Err(Noted)
        }
    };
    let hostnames = r.list("captcha.hostnames", host);
    let min_score = r.optional("captcha.min_score", score);
    let mut hostnames = hostnames?;
    if hostnames.is_empty() {
        hostnames.push(public_url.ok_or(Noted)?.host());
    }
    Ok(SiteVerifyConfig { url: url?, site_key: site_key?, secret: secret?, hostnames, min_score: min_score? })
}

/// What only a company's captcha needs, so that it is no required key.
fn needed<T>(r: &mut Reader, key: &str, read: impl FnOnce(&str) -> Result<T, Invalid>) -> Reading<T> {
    if let Some(value) = r.optional(key, read)? {
        return Ok(value);
    }
    r.fault(key, "must be set with captcha.provider = \"siteverify\"", format!("set {key}"));
    Err(Noted)
}

/// The site's secret and people's tokens cross no network in clear; there is no accepting that.
fn encrypted(text: &str) -> Result<ProviderUrl, Invalid> {
    let url = ProviderUrl::parse(text)?;
    let exposed = || Invalid::new("is another machine, reached unencrypted", "write https://");
    (!url.is_exposed()).then_some(url).ok_or_else(exposed)
}

fn is_word(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn word(text: &str) -> Result<String, Invalid> {
    let invalid = || Invalid::new("is empty, too long, or holds spaces", "copy it from the company's console");
    is_word(text).then(|| text.to_owned()).ok_or_else(invalid)
}

fn host(text: &str) -> Result<String, Invalid> {
    let fix = "write the hosts of your pages, without scheme and port: \"id.example.com\"";
    let invalid = || Invalid::new(format!("{text:?} is not a host"), fix);
    is_host_name(text).then(|| text.to_ascii_lowercase()).ok_or_else(invalid)
}

fn score(text: &str) -> Result<f64, Invalid> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| Invalid::new(format!("{text:?} is not a score"), "write a number from 0 to 1: \"0.5\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widget_follows_from_where_tokens_are_checked() {
        for (url, name) in [
            ("https://www.google.com/recaptcha/api/siteverify", "recaptcha"),
            ("https://www.recaptcha.net/recaptcha/api/siteverify", "recaptcha"),
            ("https://api.hcaptcha.com/siteverify", "hcaptcha"),
            ("https://challenges.cloudflare.com/turnstile/v0/siteverify", "turnstile"),
            ("https://evilgoogle.com/siteverify", "siteverify"),
            ("http://127.0.0.1:9/siteverify", "siteverify"),
        ] {
            let site = SiteVerifyConfig {
                url: encrypted(url).unwrap(),
                site_key: "key".into(),
                secret: "secret".to_owned().into(),
                hostnames: Vec::new(),
                min_score: None,
            };
            assert_eq!(site.name(), name, "{url}");
        }
        assert!(encrypted("http://api.hcaptcha.com/siteverify").is_err());
    }

    #[test]
    fn scores_are_from_0_to_1() {
        assert_eq!((score("0"), score("0.5"), score("1")), (Ok(0.0), Ok(0.5), Ok(1.0)));
        for text in ["", "-0.1", "1.1", "NaN", "inf", "half"] {
            assert!(score(text).is_err(), "{text:?}");
        }
    }
}
