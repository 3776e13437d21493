//! The cookies of browsers: their names, attributes and how they are set and cleared.

use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite, time};
use keystead_domain::limits::{DEVICE_LIFE, SESSION_LIFE};

/// The refresh token travels to these routes only.
const REFRESH_PATH: &str = "/api/v1/auth";

/// Names and attributes of the cookies, which depend on whether the service is reached over TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct CookieNames {
    /// The client id.
    pub client: &'static str,
    /// The refresh token.
    pub refresh: &'static str,
    /// The known-device token.
    pub device: &'static str,
    secure: bool,
}

static SECURE: CookieNames = CookieNames {
    client: "__Host-keystead-client",
    refresh: "__Secure-keystead-refresh",
    device: "__Host-keystead-device",
    secure: true,
};
static PLAIN: CookieNames =
    CookieNames { client: "keystead-client", refresh: "keystead-refresh", device: "keystead-device", secure: false };

/// Whether this is the name of a cookie of ours, in either mode.
pub(super) fn is_keystead(name: &[u8]) -> bool {
    let bare = name.strip_prefix(b"__Host-").or_else(|| name.strip_prefix(b"__Secure-")).unwrap_or(name);
    bare.starts_with(b"keystead-")
}

impl CookieNames {
    /// The cookies of a service reached over TLS, or of `keystead dev` over plain http.
    pub fn new(secure: bool) -> &'static Self {
        if secure { &SECURE } else { &PLAIN }
    }

    /// Sets the client id, for as long as a session lives.
    pub fn set_client(&self, id: &str) -> Cookie<'static> {
        self.cookie(self.client, id, "/", SESSION_LIFE)
    }

    /// Sets the refresh token. `life` is what is left of the session.
    pub fn set_refresh(&self, token: &str, life: Duration) -> Cookie<'static> {
        self.cookie(self.refresh, token, REFRESH_PATH, life.min(SESSION_LIFE))
    }

    /// Sets the known-device token.
    pub fn set_device(&self, token: &str) -> Cookie<'static> {
        self.cookie(self.device, token, "/", DEVICE_LIFE)
    }

    /// Clears the client id and the refresh token. The device stays known.
    pub fn clear_session(&self) -> [Cookie<'static>; 2] {
        [self.cookie(self.client, "", "/", Duration::ZERO), self.cookie(self.refresh, "", REFRESH_PATH, Duration::ZERO)]
    }

    /// Clears the known-device token.
    pub fn clear_device(&self) -> Cookie<'static> {
        self.cookie(self.device, "", "/", Duration::ZERO)
    }

    fn cookie(&self, name: &'static str, value: &str, path: &'static str, life: Duration) -> Cookie<'static> {
        let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        Cookie::build(name, value.to_owned())
            .path(path)
            .secure(self.secure)
            .http_only(true)
            .same_site(SameSite::Strict)
            .max_age(time::Duration::seconds(seconds))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_exact() {
        let (real, dev) = (CookieNames::new(true), CookieNames::new(false));
        let [client, refresh] = real.clear_session();
        for (cookie, expected) in [
            (
                real.set_client("abc"),
                "__Host-keystead-client=abc; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=1296000",
            ),
            (
                real.set_refresh("ksr_a.b.1.c", Duration::from_mins(1)),
                "__Secure-keystead-refresh=ksr_a.b.1.c; HttpOnly; SameSite=Strict; Secure; Path=/api/v1/auth; Max-Age=60",
            ),
            (
                real.set_device("d"),
                "__Host-keystead-device=d; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=15552000",
            ),
            (client, "__Host-keystead-client=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0"),
            (refresh, "__Secure-keystead-refresh=; HttpOnly; SameSite=Strict; Secure; Path=/api/v1/auth; Max-Age=0"),
            (real.clear_device(), "__Host-keystead-device=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0"),
            (dev.set_client("abc"), "keystead-client=abc; HttpOnly; SameSite=Strict; Path=/; Max-Age=1296000"),
        ] {
            assert_eq!(cookie.to_string(), expected);
        }
    }

    #[test]
    fn our_names_are_known_in_both_modes() {
        for name in
            ["keystead-client", "__Host-keystead-device", "__Secure-keystead-refresh", "__Host-keystead-forward"]
        {
            assert!(is_keystead(name.as_bytes()), "{name}");
        }
        for name in ["theme", "xkeystead-client", "__Host-theme"] {
            assert!(!is_keystead(name.as_bytes()), "{name}");
        }
    }
}
