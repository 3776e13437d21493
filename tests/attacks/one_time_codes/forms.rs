//! O07 and O08: a code is six ASCII digits in a string. Anything else is refused as a form, and not counted as a guess.

use reqwest::Method;
use serde_json::{Value, json};

use crate::attacks::support::{Digest, assert_explained, assert_refused};
use crate::factors::{EMAIL, NEW, asked, without_passwords};
use crate::support::{Call, Reply, STEP, Service, refusal};

/// What is no code, whoever reads it.
fn odd_forms() -> Vec<Value> {
    let texts = [
        "",
        "1",
        "12345",
        "1234567",
        " 123456",
        "123456 ",
        "12 3456",
        "+12345",
        "-12345",
        "0x1234",
        "1.23e2",
        "12345O",
        "１２３４５６",
        "١٢٣٤٥٦",
        "¹²³⁴⁵⁶",
        "123\u{200b}456",
        "\u{feff}123456",
        "123456\n",
        "123456\0",
        "+00123",
        "000123 ",
        "1 23456",
        "\u{202e}654321",
        "1234\u{301}56",
        "1２3456",
    ];
    let mut forms: Vec<Value> = texts.into_iter().map(Value::from).collect();
    forms.extend([
        json!(123_456),
        json!(1.5),
        json!(123),
        json!(1.23e2),
        json!(-123_456),
        json!(null),
        json!(true),
        json!(["123456"]),
        json!({ "code": "123456" }),
    ]);
    forms.push(json!("1".repeat(30_000)));
    forms
}

async fn refused_as_a_form(call: Call, body: &Value) {
    let reply = call.json(body).send().await;
    assert_eq!(reply.status, 422, "{}: {}", body["code"], reply.text);
    assert_explained("an odd form", &reply);
}

/// A service where the third wrong code blocks.
async fn strict() -> Service {
    let change = |config: &mut keystead_api_actix::config::Config| {
        config.mfa.max_failures = 3;
        without_passwords(config);
    };
    Service::builder().configured(change).start().await
}

#[tokio::test]
async fn o07_o08_odd_forms_of_codes_are_refused_and_not_counted() {
    let service = strict().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let pending = ada.add_contact("email", "new@example.com").await.unwrap();
    let question = asked(&service, EMAIL).await;
    let without = service.native().passwordless(EMAIL).await.unwrap();
    let registering = service.native().register("bob@example.com", NEW).await.unwrap();
    let waiting = ada.begin_totp().await.unwrap();
    let before = Digest::of(&service).await;
    for form in odd_forms() {
        let code = json!({ "code": form });
        refused_as_a_form(question.call(Method::POST, "/auth/login/code"), &json!({ "method": "totp", "code": form }))
            .await;
        refused_as_a_form(without.call(Method::POST, "/auth/passwordless/verify"), &code).await;
        refused_as_a_form(registering.call(Method::POST, "/auth/register/verify"), &code).await;
        refused_as_a_form(ada.call(Method::POST, "/totp/confirm"), &code).await;
        refused_as_a_form(ada.call(Method::DELETE, "/totp"), &code).await;
        refused_as_a_form(ada.call(Method::POST, &format!("/contacts/{pending}/verify")), &code).await;
    }
    // A megabyte of digits is not even read.
    let long = json!({ "method": "totp", "code": "1".repeat(1 << 20) });
    let reply = question.call(Method::POST, "/auth/login/code").json(&long).send().await;
    assert_refused("a megabyte", &reply, 413, "PAYLOAD_TOO_LARGE");
    before.is_still_that_of_but_for(&service, &[]).await;

    question.answer("totp", &service.fresh_code(&program).await).await.expect("none of them counted");
    without
        .verify_passwordless_asked(&service.mails_about(EMAIL, "Log in to", 1).await[0].code().unwrap())
        .await
        .unwrap();
    registering.verify(&service.code("bob@example.com").await).await.unwrap();
    let ada = ada.verify_contact(&pending, &service.code("new@example.com").await).await.unwrap();
    ada.confirm_totp(&waiting.code(service.step())).await.unwrap();
}

#[tokio::test]
async fn o07_leading_zeros_count() {
    let service = strict().await;
    let (_, program) = service.enrolled(EMAIL).await;
    let step = service.step();
    let ahead = (1..10_000).find(|ahead| program.code(step + ahead).starts_with("00")).unwrap();
    service.advance(STEP * u32::try_from(ahead).unwrap()).await;
    let code = program.code(step + ahead);
    let question = asked(&service, EMAIL).await;
    let digits = code.trim_start_matches('0');
    let number: u32 = code.parse().unwrap();
    for form in
        [json!(digits), json!(number), json!(format!(" {code}")), json!(format!("+{code}")), json!(format!("0{code}"))]
    {
        let body = json!({ "method": "totp", "code": form });
        refused_as_a_form(question.call(Method::POST, "/auth/login/code"), &body).await;
    }
    question.answer("totp", &code).await.unwrap();
}

#[tokio::test]
async fn recovery_codes_and_methods_have_forms_too() {
    let service = strict().await;
    let (ada, _) = service.enrolled(EMAIL).await;
    let codes = ada.recovery_codes().await.unwrap();
    let question = asked(&service, EMAIL).await;
    let answer = |method: Value, code: Value| {
        let call = question.call(Method::POST, "/auth/login/code").json(&json!({ "method": method, "code": code }));
        async { call.send().await }
    };
    let is_form = |reply: &Reply| assert_eq!(reply.status, 422, "{}", reply.text);
    for code in [json!("0000-0000-0000"), json!("0000-0000-0000-000u"), json!(12), json!(null), json!("0".repeat(100))]
    {
        is_form(&answer(json!("recovery"), code).await);
    }
    for method in [json!("device"), json!("sms"), json!("TOTP"), json!(""), json!(null), json!(["totp"])] {
        is_form(&answer(method, json!("123456")).await);
    }
    let missing = question.call(Method::POST, "/auth/login/code").json(&json!({ "code": "123456" })).send().await;
    assert_eq!(missing.refusal(), refusal(422, "MISSING_ATTRIBUTE"));
    question.answer("recovery", &codes[0]).await.expect("none of them counted");
}
