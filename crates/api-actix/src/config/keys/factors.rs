//! What the keys of second factors and text messages are.

use keystead_domain::limits;

use super::Kind;
use super::table::{Row, described, value};
use crate::config::values::duration_text;

pub(super) fn login() -> Vec<Row> {
    vec![
        (
            "login.second_factor",
            Kind::Text,
            value("enrolled"),
            "When a login wants a second factor: `enrolled`, `always` (who enrolled none gets a code at a contact), `never`.",
        ),
        (
            "login.passwordless",
            Kind::Bool,
            value("false"),
            "Whether a code or link sent to a contact may take the place of the password.",
        ),
        (
            "login.email_codes",
            Kind::Bool,
            value("true"),
            "Whether codes by e-mail may be a second factor; whoever reads the mail can also reset the password.",
        ),
        (
            "mfa.max_failures",
            Kind::Integer,
            value(limits::MFA_MAX_FAILURES.to_string()),
            "Wrong second factors of an account, over all factors, that begin a block.",
        ),
        (
            "mfa.block",
            Kind::Duration,
            value(duration_text(limits::MFA_BLOCK)),
            "The first block; each one after it, without a success in between, is twice as long.",
        ),
        ("mfa.longest_block", Kind::Duration, value(duration_text(limits::MFA_LONGEST_BLOCK)), "The longest block."),
    ]
}

pub(super) fn totp_and_passkeys() -> Vec<Row> {
    vec![
        (
            "totp.window",
            Kind::Integer,
            value(limits::TOTP_WINDOW.to_string()),
            "Codes accepted besides the current one: 0 to 2 earlier steps of 30 seconds.",
        ),
        (
            "totp.issuer",
            Kind::Text,
            described("`mail.product_name`", "Example ID"),
            "What authenticator programs show as the service.",
        ),
        (
            "passkeys.rp_id",
            Kind::Text,
            described("the host of `http.public_url`", "example.com"),
            "The domain passkeys are for: the host of every origin, or a domain above all of them. Passkeys do not survive a \
             change.",
        ),
        (
            "passkeys.rp_name",
            Kind::Text,
            described("`mail.product_name`", "Example ID"),
            "What authenticators show as the service.",
        ),
        (
            "passkeys.origins",
            Kind::List,
            described("`http.public_url` alone", "https://id.example.com,https://app.example.com"),
            "Web origins whose pages may use passkeys, compared exactly.",
        ),
        ("passkeys.max", Kind::Integer, value(limits::PASSKEYS.to_string()), "Most passkeys of a person."),
        (
            "passkeys.user_verification",
            Kind::Text,
            value("preferred"),
            "Of a passkey as second factor: `required`, `preferred` or `discouraged`. One that signs in alone is always \
             required to verify its user.",
        ),
    ]
}

pub(super) fn sms() -> Vec<Row> {
    vec![
        ("sms.provider", Kind::Text, value("none"), "Who sends text messages: `none` or `twilio`."),
        (
            "sms.account_sid",
            Kind::Text,
            described("none; it must be set with a provider", "AC00000000000000000000000000000000"),
            "The SID of your Twilio account.",
        ),
        (
            "sms.auth_token",
            Kind::Secret,
            described("none; it must be set with a provider", "<token>"),
            "The token of your Twilio account.",
        ),
        (
            "sms.from",
            Kind::Text,
            described("`sms.messaging_service`", "+15005550006"),
            "Who text messages come from: a number, a short code, or a name of up to 11 letters and digits.",
        ),
        (
            "sms.messaging_service",
            Kind::Text,
            described("`sms.from`", "MG00000000000000000000000000000000"),
            "The SID of a Twilio messaging service, which chooses the number.",
        ),
        ("sms.base_url", Kind::Text, value("https://api.twilio.com"), "Where the provider's interface is."),
    ]
}
