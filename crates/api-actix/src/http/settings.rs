//! What the HTTP layer knows of the deployment.

use actix_web::HttpRequest;
use actix_web::web::Data;
use ipnet::IpNet;

use super::cookies::CookieNames;
use super::languages::Language;
use super::origin::AllowedOrigins;
use super::remote::TrustedProxies;
use crate::config::ForwardedHeader;

/// Facts of the deployment that extractors need; `app_data(Data<HttpSettings>)` of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Whether the public URL is https. Only `keystead dev` may say no.
    pub secure: bool,
    /// Whose pages may call: the public URL's origin first, then the configured ones.
    pub origins: AllowedOrigins,
    /// Who is believed about client addresses.
    pub proxies: TrustedProxies,
    /// In which header.
    pub forwarded: ForwardedHeader,
    /// Networks that get nothing but 403.
    pub denied: Vec<IpNet>,
    /// The language of errors to clients that ask for none of ours.
    pub language: Language,
}

/// The safe ones: https, nobody trusted.
static STRICT: HttpSettings = HttpSettings {
    secure: true,
    origins: AllowedOrigins::NONE,
    proxies: TrustedProxies::NONE,
    forwarded: ForwardedHeader::XForwardedFor,
    denied: Vec::new(),
    language: Language::English,
};

impl Default for HttpSettings {
    fn default() -> Self {
        STRICT.clone()
    }
}

impl HttpSettings {
    /// The settings of the application a request came to; the strictest when it has none.
    pub fn of(req: &HttpRequest) -> &Self {
        req.app_data::<Data<Self>>().map_or(&STRICT, |settings| settings.get_ref())
    }

    /// The cookies of this deployment.
    pub fn cookies(&self) -> &'static CookieNames {
        CookieNames::new(self.secure)
    }
}
