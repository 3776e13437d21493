//! What the keys of captchas are.

use keystead_application::captcha::BASE_DIFFICULTY;

use super::Kind;
use super::table::{Row, described, value};

pub(super) fn captcha() -> Vec<Row> {
    vec![
        (
            "captcha.provider",
            Kind::Text,
            value("proof-of-work"),
            "`proof-of-work`: a second's work for the processor of whoever asks, and no third party. `siteverify`: reCAPTCHA, \
             hCaptcha, Turnstile. `none`: no captchas, as in `keystead dev`.",
        ),
        (
            "captcha.actions",
            Kind::List,
            value("register,forgot,srp-challenge,login"),
            "What takes a captcha. `login` takes one only once too many logins to an account failed, and never from a device \
             its owner signed in with before.",
        ),
        (
            "captcha.difficulty",
            Kind::Integer,
            value(BASE_DIFFICULTY.to_string()),
            "Zero bits a proof of work has, 8 to 24; each more doubles the work. Load adds up to 6.",
        ),
        (
            "captcha.verify_url",
            Kind::Text,
            described("none; it must be set with `siteverify`", "https://api.hcaptcha.com/siteverify"),
            "Where the company checks tokens: `https://www.google.com/recaptcha/api/siteverify`, \
             `https://api.hcaptcha.com/siteverify`, `https://challenges.cloudflare.com/turnstile/v0/siteverify`.",
        ),
        (
            "captcha.site_key",
            Kind::Text,
            described("none; it must be set with `siteverify`", "10000000-ffff-ffff-ffff-000000000001"),
            "The site's public key, which pages show the company's widget with.",
        ),
        (
            "captcha.secret",
            Kind::Secret,
            described("none; it must be set with `siteverify`", "<secret>"),
            "The site's secret.",
        ),
        (
            "captcha.hostnames",
            Kind::List,
            described("the host of `http.public_url`", "id.example.com"),
            "Hosts of the pages whose tokens count.",
        ),
        (
            "captcha.min_score",
            Kind::Text,
            described("scores are not looked at", "0.5"),
            "Least score of reCAPTCHA version 3: 0 is a program, 1 a person.",
        ),
    ]
}
