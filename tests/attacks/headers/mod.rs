//! D01 to D06: what every answer says beside its body, what cookies are, who may read answers and send cookies, and what no
//! answer tells.

mod caching;
mod cookies;
mod errors;
mod every_answer;
mod origins;
mod sites;

use crate::support::Reply;

/// Headers every answer has (D01). `Strict-Transport-Security` comes with an https public URL.
const PROTECTION: [(&str, &str); 9] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=()"),
    ("x-xss-protection", "0"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "default-src 'none'"),
    ("content-security-policy", "frame-ancestors 'none'"),
];

/// Every header of D01, and none that tells of the software.
#[track_caller]
pub(super) fn protected(attack: &str, reply: &Reply) {
    for (name, value) in PROTECTION {
        let found = reply.header(name).unwrap_or_default();
        assert!(found.contains(value), "{attack}: {} without {name}, but {found:?}", reply.status);
    }
    assert!(reply.header("x-request-id").is_some_and(|id| !id.is_empty()), "{attack}");
    for name in ["server", "x-powered-by", "via", "x-runtime"] {
        assert_eq!(reply.header(name), None, "{attack}");
    }
}
