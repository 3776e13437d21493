//! What a browser and its authenticator truly signed, and the service refuses all the same. Identifiers such as W05 are
//! rows of the attack catalogue.

use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use super::driver::Browser;
use super::place::{Place, localhost, public_key};
use crate::process::api::{Answer, Api, PASSWORD, PATIENCE, Person, eventually};

const OPTIONS: &str = "/api/v1/auth/login/passkey/options";
const ANSWER: &str = "/api/v1/auth/login/passkey";

/// Somebody who was asked for a second factor.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) token: String,
    pub(super) client_id: String,
}

impl Asked {
    /// The right password, from a client that was never there before.
    pub(super) async fn new(api: &Api, email: &str) -> Self {
        let asked = api.login(email, PASSWORD).await.expect(200);
        assert_eq!(asked.attribute("state"), "pre_authorized", "{asked:?}");
        Self { token: asked.attribute("accessToken"), client_id: asked.attribute("clientId") }
    }

    pub(super) async fn options(&self, api: &Api) -> Value {
        public_key(&api.send_with(&self.token, &self.client_id, "POST", OPTIONS, None).await.expect(200))
    }

    pub(super) async fn answer(&self, api: &Api, assertion: &Value) -> Answer {
        let body = json!({ "assertion": assertion });
        api.send_with(&self.token, &self.client_id, "POST", ANSWER, Some(&body)).await
    }
}

#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "WEBAUTHN_INVALID"), "{}", answer.body);
}

#[track_caller]
fn signed_in(answer: Answer) -> Person {
    let answer = answer.expect(200);
    assert_eq!(answer.attribute("state"), "authorized", "{answer:?}");
    Person::new(&answer)
}

/// Signs in without a name.
async fn sign_in(place: &Place, browser: &Browser) -> Answer {
    let assertion = browser.get_credential(&place.sign_in_options().await).await.unwrap();
    place.sign_in(&assertion).await
}

#[tokio::test]
async fn w05_a_cloned_passkey_is_refused_and_its_owner_is_told() {
    let place = Place::start().await;
    let browser = place.browser().await;
    let authenticator = browser.add_platform_authenticator().await;
    place.with_passkey(&browser, "ada@example.com").await;
    let copy = browser.credentials(&authenticator).await.remove(0);
    // The genuine one moves on, twice.
    signed_in(sign_in(&place, &browser).await);
    signed_in(sign_in(&place, &browser).await);
    let genuine = browser.credentials(&authenticator).await.remove(0);
    let counter = |credential: &Value| credential["signCount"].as_u64().unwrap();
    assert_eq!(counter(&genuine), counter(&copy) + 2);
    browser.remove(authenticator).await;

    let thief = browser.add_platform_authenticator().await;
    browser.put_credential(&thief, &copy).await;
    // Lower, then equal; as the only factor, and as the second.
    refused(&sign_in(&place, &browser).await);
    let asked = Asked::new(place.api(), "ada@example.com").await;
    let assertion = browser.get_credential(&asked.options(place.api()).await).await.unwrap();
    assert_eq!(counter(&browser.credentials(&thief).await[0]), counter(&genuine));
    refused(&asked.answer(place.api(), &assertion).await);
    eventually(PATIENCE, "a warning for each", async || {
        let mails = place.api().mails_to("ada@example.com").await;
        let warnings =
            mails.iter().filter(|mail| mail.contains("Passkey 1") && mail.contains("counter went back")).count();
        (warnings == 2).then_some(())
    })
    .await;
    browser.remove(thief).await;

    // What the copy signed moved nothing: the owner's goes on.
    let owner = browser.add_platform_authenticator().await;
    browser.put_credential(&owner, &genuine).await;
    signed_in(sign_in(&place, &browser).await);
}

/// Another program of this machine: the same host name, another port. Passkeys are bound to the name alone.
fn other_origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = || async { HttpResponse::Ok().content_type("text/html").body("<!doctype html><title>Other</title>") };
    let server = HttpServer::new(move || App::new().default_service(web::to(page)));
    // Ends with the runtime of the test.
    tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    localhost(port)
}

#[tokio::test]
async fn w02_what_was_signed_at_another_origin_is_refused() {
    let place = Place::start().await;
    let browser = place.browser().await;
    let _authenticator = browser.add_platform_authenticator().await;
    let ada = place.api().sign_up("ada@example.com").await;
    let other = other_origin();

    // A registration first: the page is given the true options and the authenticator makes a passkey.
    let options = place.api().send_as(&ada, "POST", "/api/v1/passkeys/options", None).await.expect(200);
    browser.open(&other).await;
    let attestation = browser.create_credential(&public_key(&options)).await.unwrap();
    let wish = json!({ "attestation": attestation });
    let answer = place.api().send_as(&ada, "POST", "/api/v1/passkeys", Some(&wish)).await.expect(422);
    assert_eq!(answer.code(), "ATTESTATION_INVALID");

    browser.open(&place.page()).await;
    let ada = place.register_passkey(&browser, &ada).await;
    browser.open(&other).await;
    // As the only factor, as the second, and as a proof in a session.
    refused(&sign_in(&place, &browser).await);
    let asked = Asked::new(place.api(), "ada@example.com").await;
    let assertion = browser.get_credential(&asked.options(place.api()).await).await.unwrap();
    refused(&asked.answer(place.api(), &assertion).await);
    let options = place.api().send_as(&ada, "POST", "/api/v1/auth/otp/passkey/options", None).await.expect(200);
    let assertion = browser.get_credential(&public_key(&options)).await.unwrap();
    let body = json!({ "assertion": assertion });
    refused(&place.api().send_as(&ada, "POST", "/api/v1/auth/otp/passkey", Some(&body)).await);

    // An address of numbers has no passkeys: the browser refuses.
    browser.open(&other.replace("localhost", "127.0.0.1")).await;
    let by_number = browser.get_credential(&place.sign_in_options().await).await;
    assert_eq!(by_number.unwrap_err(), "SecurityError");

    browser.open(&place.page()).await;
    signed_in(sign_in(&place, &browser).await);
}

#[tokio::test]
async fn w06_somebody_elses_passkey_is_no_second_factor() {
    let place = Place::start().await;
    let api = place.api();
    let browser = place.browser().await;
    let _authenticator = browser.add_platform_authenticator().await;
    place.with_passkey(&browser, "ada@example.com").await;
    place.with_passkey(&browser, "bob@example.com").await;
    let ada = Asked::new(api, "ada@example.com").await;
    let bob = Asked::new(api, "bob@example.com").await;

    // Bob has Ada's password. His page names his own passkey in the question she was asked.
    let mut options = ada.options(api).await;
    let bobs = bob.options(api).await;
    options["allowCredentials"] = bobs["allowCredentials"].clone();
    let assertion = browser.get_credential(&options).await.unwrap();
    assert_eq!(assertion["id"], bobs["allowCredentials"][0]["id"]);
    refused(&ada.answer(api, &assertion).await);
    // His true answer to his own question: it does not count for her, and was used up.
    let assertion = browser.get_credential(&bobs).await.unwrap();
    refused(&ada.answer(api, &assertion).await);
    refused(&bob.answer(api, &assertion).await);

    let assertion = browser.get_credential(&ada.options(api).await).await.unwrap();
    signed_in(ada.answer(api, &assertion).await);
}

#[tokio::test]
async fn g02_w01_an_answer_counts_once_and_where_it_was_asked_for() {
    let place = Place::start().await;
    let api = place.api();
    let browser = place.browser().await;
    let _authenticator = browser.add_platform_authenticator().await;
    place.with_passkey(&browser, "ada@example.com").await;
    let sign = async |options: &Value| browser.get_credential(options).await.unwrap();

    // What nobody in particular was asked is no second factor, nor is the answer of another login.
    let asked = Asked::new(api, "ada@example.com").await;
    let mut options = asked.options(api).await;
    options["challenge"] = place.sign_in_options().await["challenge"].clone();
    refused(&asked.answer(api, &sign(&options).await).await);
    let again = Asked::new(api, "ada@example.com").await;
    refused(&again.answer(api, &sign(&asked.options(api).await).await).await);
    // What a second factor was asked for signs nobody in alone.
    refused(&place.sign_in(&sign(&again.options(api).await).await).await);

    let assertion = sign(&again.options(api).await).await;
    let ada = signed_in(again.answer(api, &assertion).await);
    again.answer(api, &assertion).await.expect(401);
    refused(&asked.answer(api, &assertion).await);
    refused(&place.sign_in(&assertion).await);
    api.send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(200);

    let assertion = sign(&place.sign_in_options().await).await;
    signed_in(place.sign_in(&assertion).await);
    refused(&place.sign_in(&assertion).await);

    // The question of a registration is none of a login, and the other way round.
    let bob = api.sign_up("bob@example.com").await;
    let registration = api.send_as(&bob, "POST", "/api/v1/passkeys/options", None).await.expect(200);
    let mut registration = public_key(&registration);
    let mut login = place.sign_in_options().await;
    std::mem::swap(&mut registration["challenge"], &mut login["challenge"]);
    refused(&place.sign_in(&sign(&login).await).await);
    let wish = json!({ "attestation": browser.create_credential(&registration).await.unwrap() });
    let answer = api.send_as(&bob, "POST", "/api/v1/passkeys", Some(&wish)).await.expect(422);
    assert_eq!(answer.code(), "ATTESTATION_INVALID");
}

#[tokio::test]
async fn w03_a_passkey_that_did_not_recognise_its_user_signs_nobody_in_alone() {
    let place = Place::start().await;
    let browser = place.browser().await;
    let authenticator = browser.add_platform_authenticator().await;
    place.with_passkey(&browser, "ada@example.com").await;
    browser.recognises_its_user(&authenticator, false).await;

    let asked_for = place.sign_in_options().await;
    assert_eq!(asked_for["userVerification"], "required");
    assert_eq!(browser.get_credential(&asked_for).await.unwrap_err(), "NotAllowedError");
    // A page of malice asks for less.
    let mut less = place.sign_in_options().await;
    less["userVerification"] = json!("discouraged");
    let assertion = browser.get_credential(&less).await.unwrap();
    refused(&place.sign_in(&assertion).await);

    browser.recognises_its_user(&authenticator, true).await;
    signed_in(sign_in(&place, &browser).await);
}
