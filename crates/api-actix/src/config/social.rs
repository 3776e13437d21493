use keystead_domain::SecretString;
use keystead_domain::social::ProviderId;

use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};
use super::sms::ProviderUrl;
use super::values::{boolean, choice, line};

/// `[social.…]`: where people may have accounts that open theirs here.
#[derive(Clone, Debug, Default)]
pub struct SocialConfig {
    /// The providers, by name.
    pub providers: Vec<SocialProviderConfig>,
}

/// One provider.
#[derive(Clone, Debug)]
pub struct SocialProviderConfig {
    /// What the operator calls it.
    pub id: ProviderId,
    /// What it speaks.
    pub preset: SocialPreset,
    /// Its issuer, exactly as it calls itself; of GitHub, the address.
    pub issuer: String,
    /// What people call it.
    pub display_name: String,
    /// This client of it.
    pub client_id: String,
    /// The client's secret; a public client has none.
    pub client_secret: Option<SecretString>,
    /// What is asked for; empty: the preset's own.
    pub scopes: Vec<String>,
    /// Whether it is believed about addresses.
    pub vouches_for_addresses: bool,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocialPreset {
    /// OpenID Connect.
    Oidc,
    /// GitHub's OAuth 2.0.
    GitHub,
}

/// Providers whose issuer and name are known.
const KNOWN: [(&str, &str, &str); 3] = [
    ("github", "GitHub", "https://github.com"),
    ("gitlab", "GitLab", "https://gitlab.com"),
    ("google", "Google", "https://accounts.google.com"),
];

impl SocialConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let read: Vec<Reading<SocialProviderConfig>> =
            r.sections_of("social").into_iter().map(|name| SocialProviderConfig::read(r, &name)).collect();
        Ok(Self { providers: read.into_iter().collect::<Reading<_>>()? })
    }
}

impl SocialProviderConfig {
    fn read(r: &mut Reader, name: &str) -> Reading<Self> {
        let key = |setting: &str| format!("social.{name}.{setting}");
        let known = KNOWN.iter().find(|(id, ..)| *id == name);
        let Ok(id) = ProviderId::try_new(name) else {
            r.fault(
                &key("client_id"),
                "belongs to no provider",
                "call the provider by small letters, digits and hyphens",
            );
            return Err(Noted);
        };
        let presets = [("oidc", SocialPreset::Oidc), ("github", SocialPreset::GitHub)];
        let preset = r.optional(&key("preset"), |text| choice(text, &presets));
        let client_id = needed(r, &key("client_id"), None, word, "copy the client id the provider gave you");
        let client_secret = secret(r, &key("client_secret"));
        let by_name = if name == "github" { SocialPreset::GitHub } else { SocialPreset::Oidc };
        let preset = preset?.unwrap_or(by_name);
        let fallback = match (known, preset) {
            (Some((.., issuer)), _) => Some(*issuer),
            (None, SocialPreset::GitHub) => Some("https://github.com"),
            (None, SocialPreset::Oidc) => None,
        };
        let fix = "write the `issuer` of the provider's /.well-known/openid-configuration";
        let issuer = needed(r, &key("issuer"), fallback, issuer, fix);
        let display_name = r.optional(&key("display_name"), line);
        let scopes = r.list(&key("scopes"), scope);
        let vouches_for_addresses = r.optional(&key("vouches_for_addresses"), boolean);
        let scopes = scopes?;
        if preset == SocialPreset::Oidc && !scopes.is_empty() && !scopes.iter().any(|scope| scope == "openid") {
            r.fault(&key("scopes"), "lacks \"openid\"", "add \"openid\": without it there is no ID token");
            return Err(Noted);
        }
        let issuer = issuer?;
        // Whom nobody but the operator knows is believed when the operator says so.
        let is_known = known.is_some_and(|(.., known)| *known == issuer);
        let called = known.map_or(name, |(_, called, _)| called);
        Ok(Self {
            id,
            preset,
            issuer,
            display_name: display_name?.unwrap_or_else(|| called.to_owned()),
            client_id: client_id?,
            client_secret: client_secret?,
            scopes,
            vouches_for_addresses: vouches_for_addresses?.unwrap_or(is_known),
        })
    }
}

/// What only a provider that is configured needs, so that it is no required key.
fn needed(
    r: &mut Reader,
    key: &str,
    fallback: Option<&str>,
    read: impl FnOnce(&str) -> Result<String, Invalid>,
    fix: &str,
) -> Reading<String> {
    if let Some(value) = r.optional(key, read)?.or_else(|| fallback.map(str::to_owned)) {
        return Ok(value);
    }
    r.fault(key, "must be set for this provider", fix);
    Err(Noted)
}

fn secret(r: &mut Reader, key: &str) -> Reading<Option<SecretString>> {
    let secret = r.secret(key)?;
    if secret.as_ref().is_some_and(|secret| word(secret.expose()).is_err()) {
        let key = r.secret_key(key);
        r.fault(&key, "is empty, too long or holds spaces", "copy the client secret the provider gave you");
        return Err(Noted);
    }
    Ok(secret)
}

fn word(text: &str) -> Result<String, Invalid> {
    let fits = (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let invalid = || Invalid::new("is empty, too long or holds spaces", "copy what the provider gave you");
    fits.then(|| text.to_owned()).ok_or_else(invalid)
}

/// RFC 6749 section 3.3.
fn scope(text: &str) -> Result<String, Invalid> {
    let fits = text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    fits.then(|| text.to_owned())
        .ok_or_else(|| Invalid::new("is no scope", "write one scope each: [\"openid\", \"email\"]"))
}

/// Kept as written: it is compared with what the provider calls itself.
fn issuer(text: &str) -> Result<String, Invalid> {
    if ProviderUrl::parse(text)?.is_exposed() {
        let fix = "write an https address; http is for providers on this machine";
        return Err(Invalid::new("is not https: identities would cross a network in clear", fix));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, ConfigErrors};
    use super::*;

    const BASE: &str = "http.public_url = \"https://id.example.com\"\nstore.url = \"sqlite://k.db\"\n\
                        secrets.master_key = \"0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco\"\n";

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Vec<SocialProviderConfig>, ConfigErrors> {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = Config::from_text(Path::new("keystead.toml"), &format!("{BASE}{text}"), &env)?;
        Ok(config.social.providers)
    }

    #[test]
    fn known_providers_need_a_client_only_and_others_an_issuer() {
        let text = "[social.google]\nclient_id = \"g\"\n[social.github]\nclient_id = \"h\"\nclient_secret = \"s\"\n\
                    [social.my-idp]\nclient_id = \"m\"\nissuer = \"https://sso.example.com/realms/x\"\n\
                    scopes = [\"openid\", \"email\"]\ndisplay_name = \"Staff\"\nvouches_for_addresses = false\n\
                    [social.enterprise]\npreset = \"github\"\nclient_id = \"e\"\nissuer = \"https://git.example.com\"\n";
        let providers = load(text, &[("KEYSTEAD_SOCIAL__MY_IDP__CLIENT_SECRET", "t")]).unwrap();
        let told: Vec<_> = providers
            .iter()
            .map(|one| (one.id.as_str(), one.preset, one.issuer.as_str(), one.display_name.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("enterprise", SocialPreset::GitHub, "https://git.example.com", "enterprise"),
                ("github", SocialPreset::GitHub, "https://github.com", "GitHub"),
                ("google", SocialPreset::Oidc, "https://accounts.google.com", "Google"),
                ("my-idp", SocialPreset::Oidc, "https://sso.example.com/realms/x", "Staff"),
            ]
        );
        let secrets: Vec<_> =
            providers.iter().map(|one| one.client_secret.as_ref().map(|secret| secret.expose().to_owned())).collect();
        assert_eq!(secrets, [None, Some("s".to_owned()), None, Some("t".to_owned())]);
        assert_eq!(
            providers.iter().map(|one| one.vouches_for_addresses).collect::<Vec<_>>(),
            [false, true, true, false]
        );
        assert!(load("", &[]).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_work_is_told_with_its_key() {
        for (text, key) in [
            ("[social.idp]\nclient_id = \"a\"\n", "social.idp.issuer"),
            ("[social.idp]\nissuer = \"https://idp.example\"\n", "social.idp.client_id"),
            ("[social.google]\nclient_id = \"a b\"\n", "social.google.client_id"),
            ("[social.google]\nclient_id = \"a\"\nclient_secret = \"a b\"\n", "social.google.client_secret"),
            ("[social.idp]\nclient_id = \"a\"\nissuer = \"http://idp.example\"\n", "social.idp.issuer"),
            ("[social.google]\nclient_id = \"a\"\nscopes = [\"email\"]\n", "social.google.scopes"),
            ("[social.google]\nclient_id = \"a\"\npreset = \"saml\"\n", "social.google.preset"),
            ("[social.google]\nclientid = \"a\"\n", "social.google.clientid"),
            ("[social.Google]\nclient_id = \"a\"\n", "social.Google"),
            ("[social]\nclient_id = \"a\"\n", "social.client_id"),
            ("[social.\"<provider>\"]\nclient_id = \"a\"\n", "social.<provider>.client_id"),
        ] {
            let ConfigErrors(problems) = load(text, &[]).unwrap_err();
            assert!(problems.iter().any(|problem| problem.key == key), "{text}: {problems:?}");
        }
        assert!(load("", &[("KEYSTEAD_SOCIAL__GOOGLE__CLIENTID", "a")]).is_err());
        assert!(load("[social.idp]\nclient_id = \"a\"\nissuer = \"http://127.0.0.1:9\"\n", &[]).is_ok());
    }
}
