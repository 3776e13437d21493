//! People are told things in their language: messages and what errors say.

use std::fs;

use keystead_domain::account::Locale;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Reply, Service};

const EMAIL: &str = "ada@example.com";
const LANGUAGES: [&str; 6] = ["en", "id", "de", "fr", "es", "pt"];

/// The first problem of an answer: its code, its title, what it says.
fn problem(reply: &Reply) -> [String; 3] {
    let problem = &reply.json()["errors"][0];
    ["code", "title", "detail"].map(|name| problem[name].as_str().unwrap().to_owned())
}

/// What a path that is not there answers to this `Accept-Language`: the language, and what it says.
async fn not_found(service: &Service, languages: Option<&str>) -> (String, String) {
    let mut call = service.api().call(Method::GET, "/nowhere");
    if let Some(languages) = languages {
        call = call.header("accept-language", languages);
    }
    let reply = call.send().await;
    let [code, title, detail] = problem(&reply);
    assert_eq!((reply.status, code.as_str(), title.as_str()), (404, "NOT_FOUND", "Not found"));
    assert!(reply.headers.get_all("vary").iter().any(|vary| vary == "Accept-Language"), "{:?}", reply.headers);
    (reply.header("content-language").unwrap().to_owned(), detail)
}

#[tokio::test]
async fn mails_are_in_the_language_of_the_account() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    ada.update_profile(&json!({ "locale": "de-AT" })).await.unwrap();
    // What the request asks for counts less than what the account says.
    let forgot = service.native().call(Method::POST, "/auth/password/forgot").header("accept-language", "fr");
    forgot.json(&json!({ "identity": EMAIL })).send().await.ok(202).unwrap();
    let mail = service.mails_about(EMAIL, "Wählen Sie ein neues Passwort für Keystead", 1).await.remove(0);
    assert!(mail.text.contains("Er funktioniert einmal und 30 Minuten lang."), "{}", mail.text);
    let token = mail.link_token().unwrap();
    service.native().begin_reset(&token).await.unwrap().reset("a brand new password").await.unwrap();
    let mail = service.mails_about(EMAIL, "Ihr Passwort für Keystead wurde zurückgesetzt", 1).await.remove(0);
    assert!(mail.text.contains("Zeitpunkt: ") && mail.text.contains(" Uhr (UTC)"), "{}", mail.text);
}

#[tokio::test]
async fn people_without_an_account_get_mail_in_the_language_they_ask_in() {
    let service = Service::start().await;
    for (email, languages, subject) in [
        ("a@example.com", "fr;q=0.9, pt", "Confirme o seu endereço de e-mail para Keystead"),
        ("b@example.com", "xx, de-CH;q=0.3", "Bestätigen Sie Ihre E-Mail-Adresse für Keystead"),
        ("c@example.com", "xx", "Confirm your e-mail address for Keystead"),
        ("d@example.com", "*", "Confirm your e-mail address for Keystead"),
    ] {
        let register = service.native().call(Method::POST, "/auth/register").header("accept-language", languages);
        register.json(&json!({ "email": email, "password": PASSWORD })).send().await.ok(201).unwrap();
        service.mails_about(email, subject, 1).await;
    }
    // The code is asked for again, in another language.
    let half_way = service.native().register("e@example.com", PASSWORD).await.unwrap();
    service.mails_about("e@example.com", "Confirm your", 1).await;
    let again = half_way.call(Method::POST, "/auth/login/otp").header("accept-language", "id");
    again.json(&json!({ "method": "email" })).send().await.ok(202).unwrap();
    service.mails_about("e@example.com", "Konfirmasi alamat email Anda untuk Keystead", 1).await;
}

#[tokio::test]
async fn an_account_without_a_language_gets_links_and_codes_in_that_of_the_request() {
    let service = Service::start().await;
    service.registered(EMAIL).await;
    for (languages, subject) in [
        ("es", "Elija una contraseña nueva para Keystead"),
        ("en;q=0.1, fr-CA", "Choisissez un nouveau mot de passe pour Keystead"),
    ] {
        let forgot = service.native().call(Method::POST, "/auth/password/forgot").header("accept-language", languages);
        forgot.json(&json!({ "identity": EMAIL })).send().await.ok(202).unwrap();
        service.mails_about(EMAIL, subject, 1).await;
    }
    // A stranger does not choose the language of what the owner is told.
    let register = service.native().call(Method::POST, "/auth/register").header("accept-language", "de");
    register.json(&json!({ "email": EMAIL, "password": PASSWORD })).send().await.ok(201).unwrap();
    service.mails_about(EMAIL, "You already have an account at Keystead", 1).await;
}

#[tokio::test]
async fn errors_say_what_happened_in_six_languages() {
    let service = Service::start().await;
    service.registered(EMAIL).await;
    let wrong = json!({ "identity": EMAIL, "password": "not this one" });
    let short = json!({ "email": "new@example.com", "password": "short" });
    let calls: [(&str, Method, &str, Option<&Value>); 6] = [
        ("INVALID_CREDENTIALS", Method::POST, "/auth/login", Some(&wrong)),
        ("PASSWORD_TOO_SHORT", Method::POST, "/auth/register", Some(&short)),
        ("TOKEN_MISSING", Method::GET, "/users/me", None),
        ("NOT_FOUND", Method::GET, "/nowhere", None),
        ("METHOD_NOT_ALLOWED", Method::PUT, "/auth/login", None),
        ("DUPLICATE_PARAMETER", Method::GET, "/users/me?a=1&a=2", None),
    ];
    for (code, method, route, body) in calls {
        let (mut said, mut titles) = (Vec::new(), Vec::new());
        for language in LANGUAGES {
            let mut call = service.native().call(method.clone(), route).header("accept-language", language);
            if let Some(body) = body {
                call = call.json(body);
            }
            let reply = call.send().await;
            let [found, title, detail] = problem(&reply);
            assert_eq!(found, code, "{route}");
            assert_eq!(reply.header("content-language"), Some(language), "{code}");
            said.push(detail);
            titles.push(title);
        }
        titles.dedup();
        assert_eq!(titles.len(), 1, "titles are the same in every language: {titles:?}");
        let different: std::collections::BTreeSet<&String> = said.iter().collect();
        assert_eq!(different.len(), LANGUAGES.len(), "{said:?}");
    }
    let register = service.native().call(Method::POST, "/auth/register").header("accept-language", "de");
    let reply = register.json(&short).send().await;
    let min = reply.json()["errors"][0]["meta"]["minLength"].as_u64().unwrap();
    assert_eq!(problem(&reply)[2], format!("ein Passwort hat mindestens {min} Zeichen"));
    assert!(service.api().get("/healthz").await.header("content-language").is_none(), "only errors have a language");
}

#[tokio::test]
async fn a_language_nobody_has_and_a_hostile_header_get_the_default() {
    let service = Service::start().await;
    let english = "There is no such resource, or it belongs to somebody else.";
    let long = "de,".repeat(2500);
    for languages in
        [None, Some("xx"), Some("*"), Some(""), Some("de\tX-Evil: 1"), Some("../../etc/passwd"), Some(&long)]
    {
        assert_eq!(not_found(&service, languages).await, ("en".to_owned(), english.to_owned()), "{languages:?}");
    }
    assert_eq!(not_found(&service, Some("xx, fr;q=0.1")).await.0, "fr");
    // A registration with such a header is a registration; its mail is in the default language.
    let register = service.native().call(Method::POST, "/auth/register").header("accept-language", &long);
    register.json(&json!({ "email": EMAIL, "password": PASSWORD })).send().await.ok(201).unwrap();
    service.mails_about(EMAIL, "Confirm your e-mail address", 1).await;

    let spanish = Service::builder().configured(|config| config.languages.default = Locale::try_new("es").unwrap());
    let spanish = spanish.start().await;
    assert_eq!(not_found(&spanish, Some("xx")).await.0, "es");
    assert_eq!(not_found(&spanish, Some("en-GB")).await, ("en".to_owned(), english.to_owned()));
    spanish.native().register(EMAIL, PASSWORD).await.unwrap();
    spanish.mails_about(EMAIL, "Confirme su dirección de correo electrónico para Keystead", 1).await;
}

#[tokio::test]
async fn an_operator_adds_a_language_and_changes_a_text() {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in [
        ("nl/verify_email.subject.txt", "Bevestig uw adres voor {{ product }}"),
        ("nl/verify_email.txt", "{{ code }}\n"),
        ("nl/verify_email.html", "<p>{{ code }}</p>"),
        ("de/verify_email.subject.txt", "Willkommen bei {{ product }}"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
    }
    let directory = folder.path().to_owned();
    let service = Service::builder().configured(|config| config.mail.templates_dir = Some(directory)).start().await;
    for (email, languages, subject) in [
        ("a@example.com", "nl-BE, de;q=0.5", "Bevestig uw adres voor Keystead"),
        ("b@example.com", "de", "Willkommen bei Keystead"),
        ("c@example.com", "fr", "Confirmez votre adresse e-mail pour Keystead"),
    ] {
        let register = service.native().call(Method::POST, "/auth/register").header("accept-language", languages);
        register.json(&json!({ "email": email, "password": PASSWORD })).send().await.ok(201).unwrap();
        service.mails_about(email, subject, 1).await;
    }
}
