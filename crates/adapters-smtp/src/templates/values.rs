use std::net::IpAddr;

use keystead_application::message::{Notice, Occasion};
use minijinja::Value;

use super::device;

/// What a template may use. Everything a stranger chose is in `name` and, reduced to known words, in `occasion`; what an
/// administrator wrote is in `reason`.
///
/// * `product`: what the service is called; `name`: what to call the reader, empty when unknown
/// * `code`, of messages with a code; `link`, of messages with a link
/// * `minutes`, `hours`: how long code, link or block live
/// * `factor` (`device`, `totp`, `email`, `phone`): of `factor_added` and `factor_removed`; `factor.txt` has it in words
/// * `left`: of `recovery_code_used`; `passkey`, what its owner calls it: of `passkey_cloned`; `address`, masked: of
///   `contact_added`
/// * `act` (`banned`, `reopened`, `deleted`, `role`, `profile`, `session_ended`, `sessions_ended`), which `act.txt` has in
///   words, and `role`, empty unless it is about one: of `administered`; `reason`: of `impersonated`
/// * `occasion.when` (`14 November 2023, 22:13 UTC`), `occasion.ip` and `occasion.device` (`Firefox on Linux`), which
///   are empty when unknown: in the messages that report something
pub(super) fn values(notice: &Notice, name: Option<&str>, product: &str) -> Value {
    let mut pairs: Vec<(&str, Value)> =
        vec![("product", product.into()), ("name", name.map(one_line).unwrap_or_default().into())];
    match notice {
        Notice::VerifyEmail { code, minutes }
        | Notice::VerifyContact { code, minutes }
        | Notice::LoginCode { code, minutes }
        | Notice::ResetCode { code, minutes }
        | Notice::StepUpCode { code, minutes } => {
            pairs.extend([("code", one_line(code).into()), ("minutes", (*minutes).into())]);
        }
        Notice::PasswordlessCode { code, link, minutes } => {
            let texts = [("code", one_line(code).into()), ("link", one_line(link).into())];
            pairs.extend(texts.into_iter().chain([("minutes", (*minutes).into())]));
        }
        Notice::ResetPassword { link, minutes } => {
            pairs.extend([("link", one_line(link).into()), ("minutes", (*minutes).into())]);
        }
        Notice::ActivateAccount { link, hours } => {
            pairs.extend([("link", one_line(link).into()), ("hours", (*hours).into())]);
        }
        Notice::ContactLost { link, hours, occasion } => {
            pairs.extend([("link", one_line(link).into()), ("hours", (*hours).into()), occasion_pair(occasion)]);
        }
        Notice::FactorAdded { factor, occasion } | Notice::FactorRemoved { factor, occasion } => {
            pairs.extend([("factor", one_line(factor).into()), occasion_pair(occasion)]);
        }
        Notice::RecoveryCodeUsed { left, occasion } => {
            pairs.extend([("left", (*left).into()), occasion_pair(occasion)]);
        }
        Notice::FactorsBlocked { minutes, occasion } => {
            pairs.extend([("minutes", (*minutes).into()), occasion_pair(occasion)]);
        }
        Notice::PasskeyCloned { passkey, occasion } => {
            pairs.extend([("passkey", one_line(passkey).into()), occasion_pair(occasion)]);
        }
        Notice::ContactAdded { address, occasion } => {
            pairs.extend([("address", one_line(address).into()), occasion_pair(occasion)]);
        }
        Notice::AccountExists { occasion }
        | Notice::PasswordReset { occasion }
        | Notice::PasswordChanged { occasion }
        | Notice::RefreshReused { occasion }
        | Notice::NewDevice { occasion }
        | Notice::RecoveryCodesMade { occasion }
        | Notice::ContactRestored { occasion }
        | Notice::AccountDeactivated { occasion } => pairs.push(occasion_pair(occasion)),
        Notice::Administered { act, role, at } => {
            let role = role.as_deref().map(one_line).unwrap_or_default();
            pairs.extend([("act", one_line(act).into()), ("role", role.into()), time_pair(*at)]);
        }
        Notice::Impersonated { reason, minutes, at } => {
            pairs.extend([("reason", one_line(reason).into()), ("minutes", (*minutes).into()), time_pair(*at)]);
        }
        Notice::CheckOutReminder { date, time } => {
            pairs.extend([("date", one_line(date).into()), ("time", one_line(time).into())]);
        }
        Notice::SocialLinked { provider, occasion } | Notice::SocialUnlinked { provider, occasion } => {
            pairs.extend([("provider", one_line(provider).into()), occasion_pair(occasion)]);
        }
        Notice::Decoy => {}
    }
    Value::from_pairs(pairs)
}

/// An occasion of which only the time is told: where an administrator sits is nobody's business.
fn time_pair(at: i64) -> (&'static str, Value) {
    occasion_pair(&Occasion { at, ..Occasion::default() })
}

fn occasion_pair(occasion: &Occasion) -> (&'static str, Value) {
    let when = jiff::Timestamp::from_second(occasion.at)
        .map(|at| at.strftime("%-d %B %Y, %H:%M UTC").to_string())
        .unwrap_or_default();
    let ip = occasion.ip.as_deref().and_then(|ip| ip.trim().parse::<IpAddr>().ok());
    let device = occasion.user_agent.as_deref().map(device::describe).unwrap_or_default();
    let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
    ("occasion", Value::from_pairs([("when", when), ("ip", ip), ("device", device)]))
}

/// One line without control characters and without characters that change how text reads.
pub(super) fn one_line(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c });
    visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Zero-width, text-direction and separator characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// One of every message, to try the templates with.
pub(super) fn samples() -> Vec<Notice> {
    let occasion = || Occasion {
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        at: 1_700_000_000,
    };
    let link = || "https://sample.example/form#token".to_owned();
    let code = || "000000".to_owned();
    vec![
        Notice::VerifyEmail { code: code(), minutes: 5 },
        Notice::VerifyContact { code: code(), minutes: 5 },
        Notice::LoginCode { code: code(), minutes: 5 },
        Notice::ResetCode { code: code(), minutes: 5 },
        Notice::PasswordlessCode { code: code(), link: link(), minutes: 5 },
        Notice::StepUpCode { code: code(), minutes: 5 },
        Notice::AccountExists { occasion: occasion() },
        Notice::ResetPassword { link: link(), minutes: 30 },
        Notice::ActivateAccount { link: link(), hours: 72 },
        Notice::PasswordReset { occasion: occasion() },
        Notice::PasswordChanged { occasion: Occasion::default() },
        Notice::RefreshReused { occasion: occasion() },
        Notice::NewDevice { occasion: occasion() },
        Notice::FactorAdded { factor: "totp".to_owned(), occasion: occasion() },
        Notice::FactorRemoved { factor: "device".to_owned(), occasion: occasion() },
        Notice::RecoveryCodesMade { occasion: occasion() },
        Notice::RecoveryCodeUsed { left: 9, occasion: occasion() },
        Notice::FactorsBlocked { minutes: 15, occasion: occasion() },
        Notice::PasskeyCloned { passkey: "Phone".to_owned(), occasion: occasion() },
        Notice::ContactAdded { address: "a•••@example.com".to_owned(), occasion: occasion() },
        Notice::ContactLost { link: link(), hours: 72, occasion: occasion() },
        Notice::ContactRestored { occasion: occasion() },
        Notice::AccountDeactivated { occasion: occasion() },
        Notice::Administered { act: "role".to_owned(), role: Some("super-admin".to_owned()), at: 1_700_000_000 },
        Notice::Impersonated { reason: "Asked for help".to_owned(), minutes: 15, at: 1_700_000_000 },
        Notice::CheckOutReminder { date: "2023-11-14".to_owned(), time: "08:02".to_owned() },
        Notice::SocialLinked { provider: "GitHub".to_owned(), occasion: occasion() },
        Notice::SocialUnlinked { provider: "GitHub".to_owned(), occasion: occasion() },
    ]
}
