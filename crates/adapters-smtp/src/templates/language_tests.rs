//! What holds for every language that is built in.

use std::collections::BTreeSet;

use keystead_application::message::Occasion;

use super::tests::{config, message, render, text};
use super::*;
use crate::templates::embedded::{EMBEDDED, LANGUAGES, MESSAGES, SHARED};

fn in_language(language: &str, notice: &Notice) -> Mail {
    let message = Message { locale: Some(language.to_owned()), ..message(notice.clone(), Some("Ada")) };
    render(&Templates::new(config()).unwrap(), &message)
}

#[test]
fn every_language_has_every_file_and_says_it_in_its_own_words() {
    let files = SHARED.len() + 4 * MESSAGES.len();
    for (language, own) in LANGUAGES.iter().zip(EMBEDDED) {
        assert_eq!(own.len(), files, "{language}");
        for ((name, source), (english_name, english)) in own.iter().zip(EMBEDDED[0]) {
            assert_eq!(name.strip_prefix(language), english_name.strip_prefix("en"), "{name}");
            assert!(!source.trim().is_empty(), "{name}");
            let is_pieces = source.trim() == "{% include \"date.txt\" %}, {{ hour }}:{{ minute }} UTC";
            assert!(*language == "en" || is_pieces || source != english, "{name} is English");
        }
    }
}

#[test]
fn every_language_uses_the_variables_that_english_uses() {
    let (library, problems) = Library::load(None, "en").unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    for (name, _) in EMBEDDED.iter().copied().flatten() {
        let english = format!("en/{}", name.split_once('/').unwrap().1);
        let (own, expected) = (library.variables(name), library.variables(&english));
        // Where a language has one form for one and for many, the number is still shown.
        assert_eq!(own, expected, "{name}");
    }
}

#[test]
fn every_language_renders_everything() {
    let coverage = Templates::examine(config()).unwrap();
    assert_eq!(coverage.messages, MESSAGES.len());
    let locales: BTreeSet<&str> = coverage.locales.iter().map(String::as_str).collect();
    assert_eq!(locales, LANGUAGES.iter().copied().collect());
}

#[test]
fn every_mail_shows_what_it_is_about_in_every_language() {
    for language in LANGUAGES {
        for notice in values::samples() {
            let mail = in_language(language, &notice);
            let (plain, html) = (mail.text.expose(), mail.html.expose());
            assert!(html.contains(&format!("<html lang=\"{language}\">")), "{html}");
            assert!(mail.subject.contains("Example ID"), "{}", mail.subject);
            let values: Vec<&str> = match &notice {
                Notice::VerifyEmail { .. } | Notice::LoginCode { .. } | Notice::ResetCode { .. } => {
                    vec!["000000", "5 "]
                }
                Notice::PasswordlessCode { .. } => vec!["000000", "form#token=", "5 "],
                Notice::ResetPassword { .. } => vec!["form#token=", "30 "],
                Notice::ActivateAccount { .. } | Notice::ContactLost { .. } => vec!["form#token=", "72 "],
                Notice::NewDevice { .. } | Notice::PasswordReset { .. } => vec!["2023", "Firefox", "192.0.2.7"],
                Notice::RecoveryCodeUsed { .. } => vec!["9", "2023"],
                Notice::ContactAdded { .. } => vec!["a•••@example.com"],
                Notice::PasskeyCloned { .. } => vec!["Phone"],
                Notice::Impersonated { .. } => vec!["Asked for help", "15 ", "2023"],
                Notice::CheckOutReminder { .. } => vec!["14", "2023", "08:02"],
                Notice::SocialLinked { .. } | Notice::SocialUnlinked { .. } => vec!["GitHub", "2023"],
                _ => vec!["Example ID"],
            };
            for value in values {
                assert!(plain.contains(value), "{language} {}: {value:?} in {plain}", notice.template());
                let shown = html.replace("&#x2f;", "/");
                assert!(shown.contains(value), "{language} {}: {value:?} in {html}", notice.template());
            }
            for part in [plain, html] {
                assert!(!part.contains("{{") && !part.contains("{%") && !part.contains("\n\n\n"), "{part}");
            }
            assert!(plain.lines().all(|line| line == line.trim_matches(' ')), "{plain:?}");
        }
    }
}

#[test]
fn times_devices_and_factors_are_in_the_language_of_the_message() {
    for (language, words) in [
        ("en", ["When: 14 November 2023, 22:13 UTC", "Device: Firefox on Linux", "an authenticator app."]),
        ("id", ["Waktu: 14 November 2023 pukul 22.13 UTC", "Perangkat: Firefox di Linux", "aplikasi autentikator."]),
        (
            "de",
            ["Zeitpunkt: 14. November 2023, 22:13 Uhr (UTC)", "Gerät: Firefox unter Linux", "eine Authenticator-App."],
        ),
        (
            "fr",
            [
                "Date\u{a0}: 14 novembre 2023 à 22:13 UTC",
                "Appareil\u{a0}: Firefox sur Linux",
                "une application d’authentification.",
            ],
        ),
        (
            "es",
            [
                "Fecha: 14 de noviembre de 2023, 22:13 UTC",
                "Dispositivo: Firefox en Linux",
                "una aplicación de autenticación.",
            ],
        ),
        (
            "pt",
            ["Data: 14 de novembro de 2023, 22:13 UTC", "Dispositivo: Firefox em Linux", "uma app de autenticação."],
        ),
    ] {
        let factor = values::samples().into_iter().find(|notice| notice.template() == "factor_added").unwrap();
        let mail = in_language(language, &factor);
        for word in words {
            assert!(mail.text.expose().contains(word), "{word} in {}", mail.text.expose());
        }
    }
    let first = Notice::NewDevice { occasion: Occasion { at: 1_704_067_200, ..Occasion::default() } };
    assert!(in_language("fr", &first).text.expose().contains("1er janvier 2024 à 00:00 UTC"));
    let strange = Notice::CheckOutReminder { date: "<b>today</b>".to_owned(), time: "17:00".to_owned() };
    assert!(in_language("de", &strange).html.expose().contains("&lt;b&gt;today"));
}

#[test]
fn a_message_is_in_the_best_language_there_is() {
    let templates = Templates::new(TemplatesConfig { default_language: "id".to_owned(), ..config() }).unwrap();
    let code = || Notice::LoginCode { code: "012345".to_owned(), minutes: 5 };
    for (locale, subject) in [
        (Some("de-AT"), "Ihr Anmeldecode für Example ID"),
        (Some("pt-BR"), "O seu código para entrar em Example ID"),
        (Some("fr;q=0.9, pt"), "O seu código para entrar em Example ID"),
        (Some("xx, fr;q=0.1"), "Votre code de connexion à Example ID"),
        (Some("en-GB"), "Your login code for Example ID"),
        (Some("*"), "Kode masuk Anda untuk Example ID"),
        (Some("xx"), "Kode masuk Anda untuk Example ID"),
        (Some("../../etc/passwd\r\nX: y"), "Kode masuk Anda untuk Example ID"),
        (None, "Kode masuk Anda untuk Example ID"),
    ] {
        let message = Message { locale: locale.map(str::to_owned), ..message(code(), None) };
        assert_eq!(render(&templates, &message).subject, subject, "{locale:?}");
    }
    let nowhere = Templates::new(TemplatesConfig { default_language: "fi".to_owned(), ..config() });
    assert_eq!(nowhere.err().unwrap().0, "fi: there are no templates in the default language");
}

/// A text message holds 160 septets. These carry a link, the longest part of which is its token: with a long public URL
/// they take two.
const WITH_LINK: [&str; 4] = ["passwordless_code", "reset_password", "activate_account", "contact_lost"];

#[test]
fn every_text_message_fits_into_one_message_of_the_gsm_alphabet() {
    let templates = Templates::new(config()).unwrap();
    let mut notices = values::samples();
    for act in ["banned", "reopened", "deleted", "role", "profile", "session_ended", "sessions_ended", "new"] {
        let role = (act == "role").then(|| "super-admin".to_owned());
        notices.push(Notice::Administered { act: act.to_owned(), role, at: 0 });
    }
    for factor in ["device", "totp", "email", "phone", "new"] {
        let (factor, occasion) = (factor.to_owned(), Occasion::default());
        notices.push(Notice::FactorAdded { factor: factor.clone(), occasion: occasion.clone() });
        notices.push(Notice::FactorRemoved { factor, occasion });
    }
    let mut long = Vec::new();
    for language in LANGUAGES {
        for notice in &notices {
            let sms = text(&templates, notice.clone(), Some(language));
            let line = sms.text.expose();
            // Two messages hold 153 septets each: the rest is how they are put together again.
            let most = if WITH_LINK.contains(&notice.template()) { 2 * 153 } else { 160 };
            match sms::septets(line) {
                Some(septets) if septets <= most => {}
                septets => long.push(format!("{language} {septets:?}: {line}")),
            }
            assert!(line.contains("Example ID") && !line.contains("Ada"), "{line}");
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
