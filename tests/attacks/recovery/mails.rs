//! P02, P05, P06: where a mailed link leads, who may look at it, and how often it is mailed.

use std::time::Duration;

use keystead_api_actix::config::ForwardedHeader;
use reqwest::Method;
use serde_json::json;

use super::{ADA, BEGIN, NEW, RESET, forgotten};
use crate::attacks::support::{Digest, assert_refused};
use crate::attacks::wire::exchange;
use crate::support::{Mail, PASSWORD, Refusal, Service, refusal};

/// A request for a link, byte by byte: its target, its headers, whose.
fn forgot(target: &str, headers: &str, identity: &str) -> Vec<u8> {
    let body = json!({ "identity": identity }).to_string();
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Every address a mail leads to.
fn leads_to(mail: &Mail) -> Vec<&str> {
    mail.text.split_whitespace().filter(|word| word.contains("://")).collect()
}

const PATH: &str = "/api/v1/auth/password/forgot";

#[tokio::test]
async fn p02_links_lead_where_the_configuration_says_whatever_a_request_says() {
    let service = Service::start().await;
    service.registered(ADA).await;
    let own = service.api().base().to_owned();
    let address = own.strip_prefix("http://").unwrap();
    let before = Digest::of(&service).await;
    let twice = "127.0.0.1\r\nHost: evil.example";
    for host in
        ["a@evil.example", "evil.example/x", "evil.example#", "evil.example?", "evil example", "", "evil\u{e9}", twice]
    {
        let answer = exchange(address, &forgot(PATH, &format!("Host: {host}\r\n"), ADA)).await.unwrap();
        assert_eq!(answer.status, 400, "{host:?}: {}", answer.body);
    }
    let none = exchange(address, &forgot(PATH, "", ADA)).await.unwrap();
    assert_eq!(none.status, 400, "no host: {}", none.body);
    before.is_still_that_of(&service).await;
    no_header_steers_a_link(&service).await;
}

/// What a trusted proxy passes on of a host and a protocol is what its client says: addresses alone are believed.
#[tokio::test]
async fn p02_not_even_a_trusted_proxy_steers_a_link() {
    for forwarded in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let service =
            Service::builder().behind_a_proxy().configured(|config| config.http.forwarded = forwarded).start().await;
        service.registered(ADA).await;
        no_header_steers_a_link(&service).await;
    }
}

/// Links are asked for with every header some product believes, and lead home.
async fn no_header_steers_a_link(service: &Service) {
    let own = service.api().base().to_owned();
    let address = own.strip_prefix("http://").unwrap();
    let spoofed = "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: ftp\r\n\
        X-Forwarded-Port: 666\r\nX-Forwarded-Server: evil.example\r\nX-Host: evil.example\r\nX-Original-Host: evil.example\r\n\
        X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.7;host=evil.example;proto=ftp\r\nReferer: http://evil.example/\r\nX-Forwarded-Prefix: /evil.example\r\n";
    for (nth, target) in [PATH.to_owned(), format!("http://evil.example{PATH}")].iter().enumerate() {
        let answer = exchange(address, &forgot(target, spoofed, ADA)).await.unwrap();
        assert_eq!(answer.status, 202, "{target}: {}", answer.body);
        assert!(!format!("{answer:?}").contains("evil.example"), "{answer:?}");
        let mail = service.mails_about(ADA, "Choose a new password", nth + 1).await.remove(nth);
        let links = leads_to(&mail);
        assert!(!links.is_empty() && links.iter().all(|link| link.starts_with(&format!("{own}/"))), "{}", mail.text);
        assert!(!mail.text.contains("evil.example"), "{}", mail.text);
        service.native().begin_reset(&mail.link_token().unwrap()).await.expect("the link is whole");
    }
}

#[tokio::test]
async fn p05_whoever_looks_at_a_link_does_not_use_it_up() {
    let service = Service::start().await;
    service.registered(ADA).await;
    let link = forgotten(&service, ADA).await;
    let mail = service.mails_about(ADA, "Choose a new password", 1).await.remove(0);
    let url = leads_to(&mail).into_iter().find(|url| url.contains(&link)).unwrap();
    let (page, fragment) = url.split_once('#').expect("no server and no Referer ever sees a fragment");
    assert!(!page.contains(&link) && fragment == format!("token={link}"), "{url}");
    let path = page.strip_prefix(service.api().base()).unwrap();
    let before = Digest::of(&service).await;
    for _ in 0..5 {
        // Scanners of mails ask as it is, guess at a query, and try the route behind the page.
        for target in [path.to_owned(), format!("{path}?token={link}"), format!("/api/v1{BEGIN}?token={link}")] {
            for method in [Method::GET, Method::HEAD] {
                let reply = service.api().at(method.clone(), &target).send().await;
                assert!(reply.status < 500, "{method} {target}: {}", reply.text);
                assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{method} {target}");
                assert!(reply.cookies().is_empty() && !reply.text.contains(&link), "{method} {target}: {}", reply.text);
            }
        }
        let told = service.api().at(Method::GET, &format!("/api/v1{BEGIN}?token={link}")).send().await;
        assert_refused("GET", &told, 405, "METHOD_NOT_ALLOWED");
    }
    before.is_still_that_of(&service).await;
    let grant = service.native().begin_reset(&link).await.expect("a page posts it");
    grant.reset(NEW).await.unwrap();
    let again = service.native().begin_reset(&link).await.unwrap_err();
    assert_eq!(again, refusal(401, "LINK_INVALID"), "once");
}

#[tokio::test]
async fn p06_who_asks_a_hundred_times_locks_nobody_out_and_mails_little() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let ada = service.registered_at(&service.native().at("192.0.2.1"), ADA).await;
    let ask = async |number: usize, identity: &str| -> Result<(), Refusal> {
        let stranger = service.native().at(&format!("198.51.{}.{}", 100 + number / 200, number % 200 + 1));
        stranger.forgot(identity).await
    };
    let (mut of_ada, mut of_nobody) = (Vec::new(), Vec::new());
    for number in 0..3 {
        of_ada.push(ask(number, ADA).await);
        of_nobody.push(ask(number, "nobody@example.com").await);
    }
    let before = Digest::of(&service).await;
    for number in 3..100 {
        of_ada.push(ask(number, if number % 2 == 0 { ADA } else { "ADA@Example.COM" }).await);
        of_nobody.push(ask(number, "nobody@example.com").await);
    }
    before.is_still_that_of(&service).await;
    assert_eq!(of_ada, of_nobody, "whoever asks learns nothing");
    assert!(
        of_ada.iter().all(|answer| answer.is_ok() || *answer == Err(refusal(429, "ACCOUNT_LIMITED"))),
        "{of_ada:?}"
    );
    let links = service.mails(ADA).await.iter().filter(|mail| mail.link_token().is_some()).count();
    assert!((1..=3).contains(&links), "{links} mails");

    // Her session, her password and the newest link are what they were.
    ada.verify().await.unwrap();
    ada.refresh().await.unwrap().verify().await.unwrap();
    service.native().at("192.0.2.2").login(ADA, PASSWORD).await.expect("from anywhere");
    let newest = service.link_tokens(ADA, links).await.remove(links - 1);
    let grant = service.native().at("192.0.2.1").begin_reset(&newest).await.unwrap();
    grant.post(RESET, &json!({ "newPassword": NEW })).await.ok(204).unwrap();
    service.advance(Duration::from_secs(2 * 3600 + 1)).await;
    ask(150, ADA).await.expect("and it does not last");
}
