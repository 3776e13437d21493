use std::net::IpAddr;

use keystead_application::message::{Notice, Occasion};
use keystead_application::ports::RenderError;
use minijinja::Value;

use super::device;
use super::library::Library;

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
/// * `date` and `time`: of `check_out_reminder`; `provider`: of `social_linked` and `social_unlinked`
/// * `occasion.when` (`14 November 2023, 22:13 UTC`), `occasion.ip` and `occasion.device` (`Firefox on Linux`), which
///   are empty when unknown: in the messages that report something
///
/// `words` says times and devices in the language of the message.
pub(super) fn values(
    notice: &Notice,
    name: Option<&str>,
    product: &str,
    words: &Words<'_>,
) -> Result<Value, RenderError> {
    let occasion_pair = |occasion: &Occasion| words.occasion(occasion);
    // Where an administrator sits is nobody's business.
    let time_pair = |at| words.occasion(&Occasion { at, ..Occasion::default() });
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
            pairs.extend([("link", one_line(link).into()), ("hours", (*hours).into()), occasion_pair(occasion)?]);
        }
        Notice::FactorAdded { factor, occasion } | Notice::FactorRemoved { factor, occasion } => {
            pairs.extend([("factor", one_line(factor).into()), occasion_pair(occasion)?]);
        }
        Notice::RecoveryCodeUsed { left, occasion } => {
            pairs.extend([("left", (*left).into()), occasion_pair(occasion)?]);
        }
        Notice::FactorsBlocked { minutes, occasion } => {
            pairs.extend([("minutes", (*minutes).into()), occasion_pair(occasion)?]);
        }
        Notice::PasskeyCloned { passkey, occasion } => {
            pairs.extend([("passkey", one_line(passkey).into()), occasion_pair(occasion)?]);
        }
        Notice::ContactAdded { address, occasion } => {
            pairs.extend([("address", one_line(address).into()), occasion_pair(occasion)?]);
        }
        Notice::AccountExists { occasion }
        | Notice::PasswordReset { occasion }
        | Notice::PasswordChanged { occasion }
        | Notice::RefreshReused { occasion }
        | Notice::NewDevice { occasion }
        | Notice::RecoveryCodesMade { occasion }
        | Notice::ContactRestored { occasion }
        | Notice::AccountDeactivated { occasion } => pairs.push(occasion_pair(occasion)?),
        Notice::Administered { act, role, at } => {
            let role = role.as_deref().map(one_line).unwrap_or_default();
            pairs.extend([("act", one_line(act).into()), ("role", role.into()), time_pair(*at)?]);
        }
        Notice::Impersonated { reason, minutes, at } => {
            pairs.extend([("reason", one_line(reason).into()), ("minutes", (*minutes).into()), time_pair(*at)?]);
        }
        Notice::CheckOutReminder { date, time } => {
            pairs.extend([("date", words.day(date)?.into()), ("time", one_line(time).into())]);
        }
        Notice::SocialLinked { provider, occasion } | Notice::SocialUnlinked { provider, occasion } => {
            pairs.extend([("provider", one_line(provider).into()), occasion_pair(occasion)?]);
        }
        Notice::Decoy => {}
    }
    Ok(Value::from_pairs(pairs))
}

/// Times and devices in the words of one locale.
pub(super) struct Words<'a> {
    pub library: &'a Library,
    pub locale: &'a str,
}

impl Words<'_> {
    fn occasion(&self, occasion: &Occasion) -> Result<(&'static str, Value), RenderError> {
        let when = jiff::Timestamp::from_second(occasion.at).map_or_else(|_| Ok(String::new()), |at| self.when(at))?;
        let ip = occasion.ip.as_deref().and_then(|ip| ip.trim().parse::<IpAddr>().ok());
        let device = occasion.user_agent.as_deref().map_or_else(|| Ok(String::new()), |header| self.device(header))?;
        let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
        Ok(("occasion", Value::from_pairs([("when", when), ("ip", ip), ("device", device)])))
    }

    /// `14 November 2023, 22:13 UTC`.
    fn when(&self, at: jiff::Timestamp) -> Result<String, RenderError> {
        let at = at.to_zoned(jiff::tz::TimeZone::UTC);
        let time = [("hour", at.strftime("%H").to_string()), ("minute", at.strftime("%M").to_string())];
        let pairs = date_pairs(at.date()).into_iter().chain(time.map(|(name, text)| (name, text.into())));
        self.piece("when.txt", pairs)
    }

    /// `14 November 2023`, of `2023-11-14`.
    fn day(&self, date: &str) -> Result<String, RenderError> {
        match date.parse::<jiff::civil::Date>() {
            Ok(date) => self.piece("date.txt", date_pairs(date)),
            Err(_) => Ok(one_line(date)),
        }
    }

    /// `Firefox on Linux`; empty when nothing in the header is known.
    fn device(&self, user_agent: &str) -> Result<String, RenderError> {
        let [program, system] = device::describe(user_agent).map(Option::unwrap_or_default);
        self.piece("device.txt", [("program", program.into()), ("system", system.into())])
    }

    fn piece(&self, file: &str, pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Result<String, RenderError> {
        Ok(one_line(&self.library.piece(self.locale, file, &Value::from_pairs(pairs))?))
    }
}

fn date_pairs(date: jiff::civil::Date) -> [(&'static str, Value); 3] {
    [("day", date.day().into()), ("month", date.month().into()), ("year", date.year().into())]
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
    let link = || format!("https://id.example.com/form#token={}", "x".repeat(43));
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
