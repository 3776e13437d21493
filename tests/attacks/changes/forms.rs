//! M03: one mailbox has one form. Other spellings of an address are that address, or none.

use serde_json::{Value, json};

use super::ADA;
use crate::attacks::support::{Digest, assert_refused};
use crate::srp::actors::{credential, with};
use crate::support::{PASSWORD, Service, refusal};

/// Ada's address as somebody else might write it.
const SAME: [&str; 5] =
    ["ADA@EXAMPLE.COM", "Ada@Example.com", " ada@example.com", "ada@example.com ", "\tADA@example.COM\t"];

/// Nothing mail is sent to, though some of it looks like hers.
fn none() -> Vec<String> {
    let mut none: Vec<String> = [
        "\u{430}da@example.com",
        "ad\u{251}@example.com",
        "\u{ff41}da@example.com",
        "ada\u{ff20}example.com",
        "ada@example\u{3002}com",
        "ada@ex\u{430}mple.com",
        "ada@ex\u{e4}mple.com",
        "ada@example.\u{ff43}om",
        "a\u{301}da@example.com",
        "\u{e1}da@example.com",
        "ada\u{200b}@example.com",
        "ada@example.com\u{200b}",
        "\u{feff}ada@example.com",
        "ada@example.com\u{a0}",
        "\u{202e}moc.elpmaxe@ada",
        "ada@example.com.",
        "ada@example..com",
        ".ada@example.com",
        "ada.@example.com",
        "\"ada\"@example.com",
        "\"a\\da\"@example.com",
        "ada(comment)@example.com",
        "(comment)ada@example.com",
        "ada @example.com",
        "ada@ example.com",
        "Ada <ada@example.com>",
        "<ada@example.com>",
        "ada@example.com,ada@example.com",
        "ada@example.com;eve@example.com",
        "ada%example.com@example.org@example.com",
        "ada@example.com\0",
        "ada@example.com\r\n",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        "ada@example",
        "mailto:ada@example.com",
        "ada\\@example.com",
    ]
    .map(str::to_owned)
    .into();
    none.push(format!("{}@example.com", "a".repeat(65)));
    none.push(format!("ada@{}com", "example.".repeat(40)));
    none.push(format!("{}@{}com", "a".repeat(64), "e".repeat(63).repeat(4) + "."));
    none.push("a".repeat(320));
    none
}

#[tokio::test]
async fn m03_an_address_written_otherwise_is_the_same_account() {
    let service = Service::start().await;
    service.registered(ADA).await;
    let bob = service.registered("bob@example.com").await;
    for address in SAME {
        let decoy = service.native().register(address, PASSWORD).await.unwrap();
        assert_eq!(decoy.verify("000000").await.unwrap_err(), refusal(401, "CODE_INVALID"), "{address:?}");
        service.native().srp_register(address, PASSWORD).await.unwrap();
        service.native().login(address, PASSWORD).await.unwrap_or_else(|error| panic!("{address:?}: {error:?}"));
        bob.add_contact("email", address).await.expect("told like any other address");
    }
    service.mail_settled().await;
    let mails = service.mails(ADA).await;
    assert_eq!(mails.iter().filter(|mail| mail.code().is_some()).count(), 1, "her own registration's: {mails:?}");
    let mut database = service.database();
    assert_eq!((database.count("users"), database.count(&format!("users WHERE email = '{ADA}'"))), (2, 1));
    drop(database);
    // What is mailed goes to the address that was proved, letter by letter.
    service.native().forgot(SAME[0]).await.unwrap();
    service.link_tokens(ADA, 1).await;
    for replica in service.api().each() {
        let mails = replica.get("/dev/mail").await.ok(200).unwrap().json()["data"].as_array().unwrap().clone();
        let others: Vec<&Value> = mails.iter().map(|mail| &mail["attributes"]["to"]).filter(|to| *to != ADA).collect();
        assert!(others.iter().all(|to| *to == "bob@example.com"), "{others:?}");
    }
}

#[tokio::test]
async fn m03_what_only_looks_like_an_address_is_none_anywhere() {
    let service = Service::start().await;
    let ada = service.registered(ADA).await;
    let before = Digest::of(&service).await;
    let hashes = service.hashes();
    for address in none() {
        let wish = json!({ "email": address, "password": PASSWORD });
        let reply = service.native().post("/auth/register", &wish).await;
        assert_refused(&address, &reply, 422, "INVALID_EMAIL");
        let wish = with(credential(PASSWORD), json!({ "email": address }));
        let reply = service.native().post("/auth/srp/register", &wish).await;
        assert_refused(&address, &reply, 422, "INVALID_EMAIL");
        let contact = json!({ "kind": "email", "address": address });
        let reply = ada.call(reqwest::Method::POST, "/contacts").json(&contact).send().await;
        assert_refused(&address, &reply, 422, "INVALID_EMAIL");
    }
    assert_eq!(service.hashes(), hashes);
    before.is_still_that_of(&service).await;
    // Whoever asks for a link leaves the same traces whether there is an account or not.
    let before = Digest::without(&service, &["link_tokens", "guess_budgets"]).await;
    // A name to log in with is taken without the white space around it.
    for address in none().into_iter().filter(|address| address.trim() != ADA) {
        let login = service.native().login_reply(&address, PASSWORD).await;
        assert!(matches!(login.status, 401 | 422), "{address:?}: {}", login.text);
        let forgot = service.native().post("/auth/password/forgot", &json!({ "identity": address })).await;
        assert!(matches!(forgot.status, 202 | 422), "{address:?}: {}", forgot.text);
    }
    before.is_still_that_of(&service).await;
}

#[tokio::test]
async fn m03_another_mailbox_is_another_account_and_its_mail_goes_to_the_letter() {
    let service = Service::start().await;
    service.registered(ADA).await;
    // Whether these lead to the same person is for their provider to know: nobody is let in on a guess.
    for (nth, other) in ["ada+tag@example.com", "a.da@example.com", "ada@xn--exmple-cua.com"].into_iter().enumerate() {
        let half_way = service.native().register(other, "copper-violin-meadow-17").await.unwrap();
        let code = service.code(other).await;
        half_way.verify(&code).await.unwrap();
        assert_eq!(service.database().count("users"), i64::try_from(nth).unwrap() + 2);
        let refused = service.native().login(other, PASSWORD).await.unwrap_err();
        assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"), "{other}");
        service.native().forgot(other).await.unwrap();
        service.link_tokens(other, 1).await;
    }
    service.mail_settled().await;
    let to_ada = service.mails(ADA).await;
    assert!(to_ada.iter().all(|mail| mail.link_token().is_none()), "{to_ada:?}");
    service.native().login(ADA, PASSWORD).await.unwrap();
}
