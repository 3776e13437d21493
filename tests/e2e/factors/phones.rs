//! Numbers in the place of addresses: registering, logging in and resetting by SMS.

use keystead_api_actix::config::{Config, RegistrationContact};
use serde_json::{Value, json};

use super::{EMAIL, NEW, PHONE, with_phones};
use crate::support::{PASSWORD, Service, refusal};

#[tokio::test]
async fn an_account_is_made_and_used_with_a_number() {
    let service = Service::builder().configured(with_phones).start().await;
    let wish = json!({ "phone": "+44 20 7946 0923", "password": PASSWORD });
    let half_way = service.native().register_with(&wish).await.unwrap();
    // Two messages on their way at once may arrive in either order.
    let first = service.code(PHONE).await;
    let half_way = half_way.send("phone").await.expect("sent again");
    let second = service.codes(PHONE, 2).await.remove(1);
    assert_eq!(half_way.verify(&first).await.unwrap_err(), refusal(401, "CODE_INVALID"), "a newer one was sent");
    let ada = half_way.verify(&second).await.unwrap();
    let profile = ada.profile().await.unwrap();
    assert_eq!((profile["phone"].as_str(), profile["email"].as_str()), (Some(PHONE), None));
    for name in [PHONE, "+44 20 7946 0923"] {
        service.native().login(name, PASSWORD).await.unwrap();
    }
    let unknown = service.native().login("+442079460924", PASSWORD).await.unwrap_err();
    assert_eq!(unknown, refusal(401, "INVALID_CREDENTIALS"));

    // A forgotten password: the link comes by SMS.
    ada.client.forgot(PHONE).await.unwrap();
    let link = service.link_tokens(PHONE, 1).await.remove(0);
    service.native().begin_reset(&link).await.unwrap().reset(NEW).await.unwrap();
    ada.refused().await;
    let ada = service.native().login(PHONE, NEW).await.unwrap();

    // Codes by SMS as the second factor.
    let phone = ada.contact("phone").await;
    ada.set_otp(&phone, true).await.unwrap();
    let question = service.native().login_asked(PHONE, NEW).await.unwrap();
    assert_eq!(question.options, ["phone"]);
    let code = service.codes(PHONE, 3).await.remove(2);
    question.answer("phone", &code).await.unwrap();
}

#[tokio::test]
async fn what_people_register_with_is_the_operators_choice() {
    let only = |contact| {
        let change = move |config: &mut Config| config.registration.contact = contact;
        async move { Service::builder().configured(change).start().await }
    };
    let refused = |service: &Service, wish: Value| {
        let native = service.native();
        async move { native.register_with(&wish).await.unwrap_err().status }
    };
    let by_phone = json!({ "phone": PHONE, "password": PASSWORD });
    let by_mail = json!({ "email": EMAIL, "password": PASSWORD });
    let mail = only(RegistrationContact::Email).await;
    assert_eq!(refused(&mail, by_phone.clone()).await, 422);
    mail.native().register_with(&by_mail).await.unwrap();
    let phone = only(RegistrationContact::Phone).await;
    assert_eq!(refused(&phone, by_mail).await, 422);
    phone.native().register_with(&by_phone).await.unwrap();

    let service = only(RegistrationContact::Both).await;
    let both = json!({ "email": EMAIL, "phone": PHONE, "password": PASSWORD });
    assert_eq!(refused(&service, both).await, 422, "one of them");
    assert_eq!(refused(&service, json!({ "password": PASSWORD })).await, 422, "one of them");
    for phone in ["", "12", "02079460923", "+44207946092x", "+4420794609234567", "+999123456789"] {
        let wish = json!({ "phone": phone, "password": PASSWORD });
        let reply = service.native().post("/auth/register", &wish).await;
        assert_eq!(reply.status, 422, "{phone}: {}", reply.text);
        assert_eq!(reply.json()["errors"][0]["source"]["pointer"], "/phone", "{}", reply.text);
        assert!(phone.is_empty() || phone.len() < 6 || !reply.text.contains(phone), "no value is echoed");
    }
}
