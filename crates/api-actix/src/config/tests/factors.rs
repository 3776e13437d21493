//! Second factors, passkeys and the providers of messages.

use keystead_application::ports::UserVerification;
use keystead_application::settings::FactorSettings;
use keystead_domain::account::ContactKind;
use keystead_domain::factor::SecondFactorPolicy;

use super::*;

fn twilio() -> Bench {
    Bench::good()
        .flag("sms.provider", "twilio")
        .flag("sms.account_sid", "AC0123456789abcdef0123456789abcdef")
        .flag("sms.auth_token", "hunter2")
        .flag("sms.from", "+15005550006")
}

fn party(bench: &Bench) -> Option<(String, Vec<String>)> {
    let party = bench.load().relying_party()?;
    Some((party.id, party.origins.iter().map(|origin| origin.origin().ascii_serialization()).collect()))
}

#[test]
fn defaults_are_those_of_the_use_cases() {
    assert_eq!(Bench::good().load().factor_settings(), FactorSettings::default());
}

#[test]
fn every_setting_reaches_the_use_cases() {
    let bench = twilio()
        .flag("registration.contact", "both")
        .flag("login.second_factor", "always")
        .flag("login.passwordless", "true")
        .flag("login.email_codes", "false")
        .flag("mfa.max_failures", "3")
        .flag("mfa.block", "24h")
        .flag("mfa.longest_block", "48h")
        .flag("totp.window", "2")
        .flag("mail.product_name", "Example ID")
        .flag("passkeys.max", "2")
        .flag("passkeys.user_verification", "required");
    let settings = bench.load().factor_settings();
    assert_eq!(settings.registration, ContactKind::ALL);
    assert_eq!(settings.second_factor, SecondFactorPolicy::Always);
    assert!(settings.passwordless && settings.sms);
    assert_eq!(settings.channels, [ContactKind::Phone]);
    let block = settings.block;
    assert_eq!(
        (block.max_failures, block.block, block.longest),
        (3, Duration::from_hours(24), Duration::from_hours(48))
    );
    assert_eq!((settings.totp_window, settings.totp_issuer.as_str()), (2, "Example ID"));
    assert_eq!((settings.passkeys, settings.user_verification), (2, UserVerification::Required));
    assert_eq!(bench.flag("totp.issuer", "Mine").load().factor_settings().totp_issuer, "Mine");
}

#[test]
fn figures_out_of_bounds_are_refused() {
    for (key, value) in [
        ("totp.window", "3"),
        ("mfa.max_failures", "0"),
        ("mfa.block", "59s"),
        ("mfa.longest_block", "14m"),
        ("passkeys.max", "0"),
        ("passkeys.user_verification", "always"),
        ("login.second_factor", "sometimes"),
        ("registration.contact", "fax"),
        ("sms.provider", "pigeon"),
    ] {
        assert_eq!(only(&Bench::good().flag(key, value).problems()).key, key);
    }
}

#[test]
fn numbers_need_a_provider() {
    for contact in ["phone", "both"] {
        let problems = Bench::good().flag("registration.contact", contact).problems();
        assert_eq!(only(&problems).key, "registration.contact");
        let kinds = twilio().flag("registration.contact", contact).load().factor_settings().registration;
        assert!(kinds.contains(&ContactKind::Phone));
    }
    let nowhere = Bench::good().flag("login.second_factor", "always").flag("login.email_codes", "false");
    assert_eq!(only(&nowhere.problems()).key, "login.second_factor");
}

#[test]
fn a_login_without_second_factors_is_warned_about() {
    let quiet = Bench::good().flag("mail.sendgrid_key", "SG.key");
    assert_eq!(quiet.load().warnings(), []);
    let warnings = quiet.flag("login.second_factor", "never").load().warnings();
    assert_eq!(warnings.iter().map(|warning| warning.0.key.as_str()).collect::<Vec<_>>(), ["login.second_factor"]);
}

#[test]
fn a_provider_of_text_messages_is_whole_or_absent() {
    let SmsTransport::Twilio(config) = twilio().load().sms.transport else { panic!("no provider") };
    assert_eq!(config.sender, TwilioSender::Number("+15005550006".to_owned()));
    assert_eq!(config.base_url.as_str(), "https://api.twilio.com/");
    assert!(!format!("{:?}", twilio().load()).contains("hunter2"));

    let service = "MG0123456789abcdef0123456789abcdef";
    let both = twilio().flag("sms.messaging_service", service).problems();
    assert_eq!(only(&both).key, "sms.messaging_service");
    let bare = || Bench::good().flag("sms.provider", "twilio");
    let keys: Vec<String> = bare().problems().into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["sms.account_sid", "sms.auth_token", "sms.from"]);
    for (key, value) in [("sms.from", "+15005550006"), ("sms.auth_token", "hunter2")] {
        let problems = Bench::good().flag(key, value).problems();
        assert_eq!(only(&problems).key, key);
        assert!(problems[0].what.contains("without a provider") && !format!("{problems:?}").contains("hunter2"));
    }
    for (key, value) in [("sms.account_sid", "AC/../x"), ("sms.from", "a\nb"), ("sms.auth_token", "hunter2 x")] {
        let problems = twilio().flag(key, value).problems();
        assert_eq!(only(&problems).key, key);
        assert!(!format!("{problems:?}").contains("hunter2"));
    }
}

#[test]
fn mail_goes_by_a_server_or_by_sendgrid() {
    let bench = Bench::good().flag("mail.sendgrid_key", "SG.hunter2");
    let config = bench.load();
    assert!(!format!("{config:?}").contains("hunter2"));
    let MailTransport::SendGrid(sendgrid) = config.mail.transport else { panic!("not SendGrid") };
    assert_eq!(sendgrid.from.as_str(), "no-reply@id.example.com");
    assert_eq!(sendgrid.base_url.as_str(), "https://api.sendgrid.com/");
    let both = bench.flag("mail.smtp_url", "smtp://mail.example.com").problems();
    assert!(only(&both).what.contains("a mail server too"));
    let problems = Bench::good().flag("mail.sendgrid_key", "SG.hunter2 ").problems();
    assert!(only(&problems).what.contains("spaces") && !format!("{problems:?}").contains("hunter2"));
}

#[test]
fn a_provider_elsewhere_is_not_asked_in_clear() {
    let sendgrid = || Bench::good().flag("mail.sendgrid_key", "SG.key");
    for (bench, key) in [(sendgrid(), "mail.sendgrid_url"), (twilio(), "sms.base_url")] {
        let bench = bench.flag(key, "http://provider.example.com");
        assert_eq!(bench.risks(), [(Risk::PlainProvider, key.to_owned())]);
        assert!(bench.flag("unsafe_allow", "plain-provider").load().check_safety().is_empty());
    }
    assert_eq!(twilio().flag("sms.base_url", "http://127.0.0.1:8080").risks(), []);
}

#[test]
fn passkeys_are_for_the_public_host_unless_told() {
    let at = |url: &str| Bench::good().flag("http.public_url", url);
    let one = |id: &str, origin: &str| Some((id.to_owned(), vec![origin.to_owned()]));
    assert_eq!(party(&Bench::good()), one("id.example.com", "https://id.example.com"));
    assert_eq!(party(&at("http://127.0.0.1:8787")), one("localhost", "http://localhost:8787"));
    assert_eq!(
        party(&Bench::good().flag("passkeys.rp_id", "example.com")),
        one("example.com", "https://id.example.com")
    );
    let two = Bench::good()
        .flag("passkeys.rp_id", "example.com")
        .flag("passkeys.origins", "https://id.example.com,https://app.example.com");
    assert_eq!(party(&two).unwrap().1, ["https://id.example.com", "https://app.example.com"]);
    // What other pages may call from is no page passkeys are used at.
    let cors = Bench::good().flag("http.allowed_origins", "https://app.example.com");
    assert_eq!(party(&cors), one("id.example.com", "https://id.example.com"));
    for url in ["https://192.0.2.1", "http://id.example.com"] {
        assert_eq!(party(&at(url)), None, "{url}");
        assert!(at(url).load().warnings().iter().any(|warning| warning.0.what.contains("no passkeys")), "{url}");
    }
}

#[test]
fn what_browsers_would_refuse_is_refused_at_start() {
    for (key, value) in [
        ("passkeys.rp_id", "example.org"),
        ("passkeys.rp_id", "d.example.com"),
        ("passkeys.rp_id", "Example.com"),
        ("passkeys.origins", "https://evilid.example.com"),
        ("passkeys.origins", "http://id.example.com"),
        ("passkeys.origins", "https://id.example.com/x"),
    ] {
        assert_eq!(only(&Bench::good().flag(key, value).problems()).key, key, "{value}");
    }
}

#[test]
fn in_dev_numbers_work_and_passkeys_follow_the_port() {
    let key = Bench::good().load().secrets.master_key;
    let mut config = Config::for_dev("127.0.0.1:0".parse().unwrap(), Path::new("/tmp/try"), &key).unwrap();
    config.set_bound_address("127.0.0.1:4321".parse().unwrap());
    assert!(matches!(config.sms.transport, SmsTransport::DevMailbox));
    assert_eq!(config.factor_settings().registration, ContactKind::ALL);
    let party = config.relying_party().unwrap();
    assert_eq!((party.id.as_str(), party.origins[0].as_str()), ("localhost", "http://localhost:4321/"));
}
