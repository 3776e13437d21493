use std::fs;

use keystead_application::message::Occasion;
use keystead_domain::account::{EmailAddress, PhoneNumber};

use super::*;
use crate::templates::embedded::MESSAGES;

const HOSTILE: &str = "<img src=x onerror=1>{{7*7}}";

pub(super) fn config() -> TemplatesConfig {
    TemplatesConfig {
        product_name: "Example ID".to_owned(),
        sender_domain: "example.com".to_owned(),
        default_language: "en".to_owned(),
        override_dir: None,
    }
}

pub(super) fn message(notice: Notice, name: Option<&str>) -> Message {
    Message {
        to: Address::Email(EmailAddress::try_new("ada@example.com").unwrap()),
        locale: None,
        name: name.map(str::to_owned),
        notice,
    }
}

pub(super) fn render(templates: &Templates, message: &Message) -> Mail {
    match templates.render(&OutboxId("V1StGXR8_Z5jdHi6B-myT".to_owned()), message).unwrap() {
        Some(Rendered::Mail(mail)) => mail,
        other => panic!("a mail, not {other:?}"),
    }
}

pub(super) fn text(templates: &Templates, notice: Notice, locale: Option<&str>) -> Sms {
    let to = Address::Phone(PhoneNumber::from_stored("+442079460958").unwrap());
    let message = Message { to, locale: locale.map(str::to_owned), name: Some("Ada".to_owned()), notice };
    match templates.render(&OutboxId("V1StGXR8_Z5jdHi6B-myT".to_owned()), &message).unwrap() {
        Some(Rendered::Sms(sms)) => sms,
        other => panic!("an SMS, not {other:?}"),
    }
}

fn render_plain(notice: Notice, name: Option<&str>) -> Mail {
    render(&Templates::new(config()).unwrap(), &message(notice, name))
}

#[test]
fn every_message_has_templates_and_every_template_a_message() {
    let of_samples: Vec<_> = values::samples().iter().map(Notice::template).collect();
    assert_eq!(of_samples, MESSAGES);
}

#[test]
fn every_message_renders_with_and_without_a_name() {
    let templates = Templates::new(config()).unwrap();
    for notice in values::samples() {
        for name in [Some("Ada"), None] {
            let mail = render(&templates, &message(notice.clone(), name));
            let (text, html) = (mail.text.expose(), mail.html.expose());
            let greeting = name.map_or("Hello,".to_owned(), |name| format!("Hello {name},"));
            assert!(text.starts_with(&format!("{greeting}\n\n")), "{text}");
            assert!(html.contains(&format!("<p>{greeting}</p>")), "{html}");
            assert!(mail.subject.contains("Example ID") && !mail.subject.contains('\n'), "{}", mail.subject);
            for part in [text, html] {
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
                assert!(!part.contains("\n\n\n"), "{part:?}");
            }
            assert!(text.lines().all(|line| line == line.trim()), "{text:?}");
            assert_eq!(mail.message_id, "V1StGXR8_Z5jdHi6B-myT@example.com");
        }
    }
}

#[test]
fn a_decoy_is_nothing() {
    let templates = Templates::new(config()).unwrap();
    assert_eq!(templates.render(&OutboxId("x".to_owned()), &message(Notice::Decoy, None)), Ok(None));
}

#[test]
fn the_code_stands_alone_and_not_in_the_subject() {
    let mail = render_plain(Notice::VerifyEmail { code: "012345".to_owned(), minutes: 1 }, Some("Ada"));
    assert_eq!(mail.subject, "Confirm your e-mail address for Example ID");
    assert_eq!(
        mail.text.expose(),
        "Hello Ada,\n\
         \n\
         Your confirmation code is:\n\
         \n\
         012345\n\
         \n\
         Enter it where you registered. It is valid for 1 minute.\n\
         \n\
         If you did not register, you can ignore this message: without the code nothing happens. Give the code to nobody.\n\
         \n\
         Example ID\n\
         This message was sent automatically. Replies are not read.\n"
    );
    assert_eq!(mail.html.expose().matches(">012345<").count(), 1);
}

#[test]
fn a_text_message_says_who_sends_it_and_the_code_comes_first() {
    let templates = Templates::new(config()).unwrap();
    for notice in values::samples() {
        let code = matches!(notice.template().rsplit_once('_'), Some((_, "code" | "email" | "contact")));
        let sms = text(&templates, notice, None);
        let line = sms.text.expose();
        assert_eq!((sms.id.as_str(), sms.to.as_str()), ("V1StGXR8_Z5jdHi6B-myT", "+442079460958"));
        assert!(line.contains("Example ID") && !line.contains("Ada"), "{line}");
        assert_eq!(line.starts_with("000000 is your "), code, "{line}");
    }
}

#[test]
fn a_factor_has_a_name_people_know() {
    let templates = Templates::new(config()).unwrap();
    let occasion = Occasion::default;
    for (factor, words) in [
        ("device", "a passkey or security key."),
        ("totp", "an authenticator app."),
        ("email", "codes by e-mail."),
        ("phone", "codes by text message."),
    ] {
        let notice = || Notice::FactorAdded { factor: factor.to_owned(), occasion: occasion() };
        let mail = render(&templates, &message(notice(), None));
        for part in [mail.text.expose(), mail.html.expose(), text(&templates, notice(), None).text.expose()] {
            assert!(part.contains(words), "{part}");
        }
    }
    let left =
        |left| render_plain(Notice::RecoveryCodeUsed { left, occasion: occasion() }, None).text.expose().to_owned();
    assert!(left(1).contains("was used. 1 is left.") && left(9).contains("was used. 9 are left."), "{}", left(1));
}

#[test]
fn what_a_passkey_is_called_stays_text() {
    let notice = || Notice::PasskeyCloned { passkey: HOSTILE.to_owned(), occasion: Occasion::default() };
    let mail = render_plain(notice(), None);
    assert!(mail.html.expose().contains("&ldquo;&lt;img src=x onerror=1&gt;{{7*7}}&rdquo;"), "{}", mail.html.expose());
    assert!(!mail.text.expose().contains("49"), "{}", mail.text.expose());
}

#[test]
fn people_are_told_what_an_administrator_did() {
    let templates = Templates::new(config()).unwrap();
    for (act, role, words) in [
        ("banned", None, "locked your account and logged all your devices out."),
        ("reopened", None, "opened your account again."),
        ("deleted", None, "deleted your account."),
        ("role", Some("super-admin"), "changed what you may do. Your role is now: super-admin."),
        ("role", Some("user"), "changed what you may do. Your role is now: user."),
        ("profile", None, "changed your profile."),
        ("session_ended", None, "logged one of your devices out."),
        ("sessions_ended", None, "logged all your devices out."),
        ("something new", None, "changed your account."),
    ] {
        let notice = || Notice::Administered { act: act.to_owned(), role: role.map(str::to_owned), at: 1_700_000_000 };
        let mail = render(&templates, &message(notice(), Some("Ada")));
        let (plain, html) = (mail.text.expose(), mail.html.expose());
        for part in [plain, html] {
            assert!(part.contains(&format!("An administrator of Example ID {words}")), "{part}");
            assert!(part.contains("When: 14 November 2023, 22:13 UTC"), "{part}");
            assert!(!part.contains("IP address") && !part.contains("Device"), "{part}");
        }
        assert!(plain.contains(&format!("{words}\n\nWhen: ")), "{plain}");
        let sms = text(&templates, notice(), None);
        assert!(sms.text.expose().starts_with(&format!("Example ID: an administrator {words} If ")), "{sms:?}");
    }
    let role = Some("<b>root</b>\n{{7*7}}".to_owned());
    let mail = render_plain(Notice::Administered { act: "<i>\n".to_owned(), role, at: 0 }, None);
    assert!(mail.html.expose().contains("Your role is now: &lt;b&gt;root&lt;&#x2f;b&gt; {{7*7}}.</p>"), "{mail:?}");
    assert!(!mail.html.expose().contains("<i>") && !mail.text.expose().contains("49"));
}

#[test]
fn an_impersonation_is_told_with_its_reason_and_its_end() {
    let notice = |minutes| Notice::Impersonated { reason: "Asked for help".to_owned(), minutes, at: 1_700_000_000 };
    let mail = render_plain(notice(15), Some("Ada"));
    assert_eq!(mail.subject, "An administrator is acting as you at Example ID");
    assert_eq!(
        mail.text.expose(),
        "Hello Ada,\n\
         \n\
         An administrator of Example ID is acting as you, for at most 15 minutes. They see what you see. They cannot change \
         your password, your addresses or your second factors.\n\
         \n\
         Their reason: \"Asked for help\"\n\
         \n\
         When: 14 November 2023, 22:13 UTC\n\
         \n\
         You find it among your sessions and can end it there. If you do not know why, contact the people who run \
         Example ID.\n\
         \n\
         Example ID\n\
         This message was sent automatically. Replies are not read.\n"
    );
    assert!(render_plain(notice(1), None).html.expose().contains("for at most 1 minute. They"));
}

#[test]
fn the_reason_of_an_impersonation_stays_text() {
    let hostile =
        format!("{HOSTILE} {{% raw %}}\u{202e}\u{2066}https://evil.example\r\n\r\n<a href=\"https://evil.example\">x");
    let notice = || Notice::Impersonated { reason: hostile.clone(), minutes: 15, at: 0 };
    let mail = render_plain(notice(), None);
    let (plain, html) = (mail.text.expose(), mail.html.expose());
    let line = "Their reason: \"<img src=x onerror=1>{{7*7}} {% raw %}https://evil.example <a href=\"https://evil.example\">x\"";
    assert!(plain.lines().any(|one| one == line), "{plain}");
    assert!(html.contains("&lt;img src=x onerror=1&gt;{{7*7}} {% raw %}https:"), "{html}");
    for tag in ["<img", "<a", "href=\"", "\u{202e}", "\u{2066}"] {
        assert!(!html.contains(tag), "{tag:?} is in {html}");
    }
    for part in [plain, html, &mail.subject] {
        assert!(!part.contains("49") && !part.contains('\u{202e}') && !part.contains('\r'), "{part:?}");
    }
    assert!(!mail.subject.contains("evil"), "{}", mail.subject);
    // A reason may be long and in any alphabet: a text message holds none.
    let sms = text(&Templates::new(config()).unwrap(), notice(), None);
    assert!(!sms.text.expose().contains("evil") && sms.text.expose().contains("15 min"), "{sms:?}");
}

#[test]
fn the_link_stands_alone() {
    let link = "https://id.example.com/reset#rst_abc-DEF_123";
    for notice in [
        Notice::ResetPassword { link: link.to_owned(), minutes: 30 },
        Notice::ActivateAccount { link: link.to_owned(), hours: 72 },
        Notice::PasswordlessCode { code: "012345".to_owned(), link: link.to_owned(), minutes: 5 },
        Notice::ContactLost { link: link.to_owned(), hours: 72, occasion: Occasion::default() },
    ] {
        let mail = render_plain(notice, None);
        assert_eq!(mail.text.expose().lines().filter(|line| *line == link).count(), 1, "{}", mail.text.expose());
        let escaped = link.replace('/', "&#x2f;");
        assert!(mail.html.expose().contains(&format!("<a href=\"{escaped}\"")), "{}", mail.html.expose());
        assert!(!mail.subject.contains("rst_"));
    }
}

#[test]
fn security_notices_say_when_where_and_what_to_do() {
    let occasion = Occasion {
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/139.0.0.0".to_owned()),
        at: 1_700_000_000,
    };
    let mail = render_plain(Notice::PasswordChanged { occasion }, None);
    assert_eq!(
        mail.text.expose(),
        "Hello,\n\
         \n\
         The password of your account was changed. All your other devices were logged out.\n\
         \n\
         When: 14 November 2023, 22:13 UTC\n\
         Device: Chrome on Windows\n\
         IP address: 192.0.2.7\n\
         \n\
         If it was you, there is nothing to do.\n\
         \n\
         If it was not you, reset your password now with \"Forgot password\"; that logs everybody else out.\n\
         \n\
         Example ID\n\
         This message was sent automatically. Replies are not read.\n"
    );
}

#[test]
fn hostile_values_stay_text() {
    let occasion = Occasion {
        ip: Some("<b>1.2.3.4</b>".to_owned()),
        user_agent: Some("<script>https://evil.example</script> Firefox/1".to_owned()),
        at: i64::MAX,
    };
    let mail = render_plain(Notice::NewDevice { occasion }, Some(HOSTILE));
    let (text, html) = (mail.text.expose(), mail.html.expose());
    assert!(html.contains("Hello &lt;img src=x onerror=1&gt;{{7*7}},"), "{html}");
    for part in [text, html] {
        assert!(!part.contains("49") && !part.contains("evil") && !part.contains("1.2.3.4"), "{part}");
    }
    assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
    assert!(text.starts_with("Hello <img src=x onerror=1>{{7*7}},\n"), "{text}");

    let code = "000000\r\n\r\nsecond\u{202e}".to_owned();
    let mail = render_plain(Notice::VerifyEmail { code, minutes: 5 }, Some("A\r\nB\u{200b}\u{7}C"));
    assert!(mail.text.expose().starts_with("Hello A B C,\n"), "{:?}", mail.text.expose());
    assert!(mail.text.expose().contains("\n000000 second\n"), "{:?}", mail.text.expose());
}

#[test]
fn an_operator_replaces_texts_and_adds_languages() {
    let directory = tempfile::tempdir().unwrap();
    for (name, source) in [
        ("en/verify_email.subject.txt", "Code from\n{{ product }}"),
        ("nl/verify_email.subject.txt", "Bevestig"),
        ("nl/verify_email.txt", "{% extends \"base.txt\" %}{% block content %}{{ code }}{% endblock %}"),
        ("nl/verify_email.html", "<p>{{ name }} {{ code }}</p>"),
    ] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
    }
    let templates =
        Templates::new(TemplatesConfig { override_dir: Some(directory.path().to_owned()), ..config() }).unwrap();
    let subject = |locale: Option<&str>, notice: Notice| {
        let message = Message { locale: locale.map(str::to_owned), ..message(notice, Some("<Ada>")) };
        render(&templates, &message)
    };
    let code = || Notice::VerifyEmail { code: "012345".to_owned(), minutes: 5 };
    for (locale, expected) in [
        (None, "Code from Example ID"),
        (Some("fi"), "Code from Example ID"),
        (Some("../../etc"), "Code from Example ID"),
        (Some("nl"), "Bevestig"),
        (Some("nl-BE"), "Bevestig"),
    ] {
        assert_eq!(subject(locale, code()).subject, expected, "{locale:?}");
    }
    let mail = subject(Some("nl-BE"), code());
    assert_eq!(mail.html.expose(), "<p>&lt;Ada&gt; 012345</p>");
    assert!(mail.text.expose().starts_with("Hello <Ada>,\n\n012345\n"), "{:?}", mail.text.expose());
    // Mail and SMS of a message are looked up each by itself.
    fs::write(directory.path().join("nl/login_code.sms.txt"), "{{ code }}\n is de code").unwrap();
    let templates =
        Templates::new(TemplatesConfig { override_dir: Some(directory.path().to_owned()), ..config() }).unwrap();
    let login = || Notice::LoginCode { code: "012345".to_owned(), minutes: 5 };
    assert_eq!(text(&templates, login(), Some("nl-BE")).text.expose(), "012345 is de code");
    assert!(text(&templates, code(), Some("nl-BE")).text.expose().starts_with("012345 is your Example ID"));
    assert_eq!(subject(Some("nl"), login()).subject, "Your login code for Example ID");
    // A message the language does not have comes in English.
    let other = subject(Some("nl"), Notice::PasswordChanged { occasion: Occasion::default() });
    assert_eq!(other.subject, "Your password for Example ID was changed");
}

#[test]
fn broken_templates_are_found_at_start() {
    for (name, source, expected) in [
        ("en/verify_email.txt", "{{ code", "en/verify_email.txt line 1: syntax error"),
        ("en/verify_email.txt", "\n{{ kode }}", "en/verify_email.txt line 2: undefined value"),
        ("en/verify_email.subject.txt", " \n", "en/verify_email.subject.txt: the subject is empty"),
        ("en/verify_mail.txt", "x", "en/verify_mail.txt: no message uses this file"),
        ("en/verify_email.sms.html", "x", "en/verify_email.sms.html: no message uses this file"),
        ("nl/login_code.sms.txt", "\n", "nl/login_code.sms.txt: the text is empty"),
        ("english/verify_email.txt", "x", "english: the folder is not named after a locale"),
        ("nl/verify_email.txt", "x", "nl/verify_email: missing subject.txt, html"),
        ("en/new_device.html", "{% include 'nowhere.html' %}", "en/new_device.html line 1: template not found"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
        let result = Templates::new(TemplatesConfig { override_dir: Some(directory.path().to_owned()), ..config() });
        let error = result.err().map(|error| error.0).unwrap_or_default();
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    let nowhere = TemplatesConfig { override_dir: Some("/nonexistent/templates".into()), ..config() };
    assert!(Templates::new(nowhere).is_err());
    assert!(Templates::new(TemplatesConfig { sender_domain: "a>\r\nb".to_owned(), ..config() }).is_err());
}
