//! Sessions of other people: listed, and ended from the next request on.

use std::collections::BTreeSet;
use std::time::Duration;

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, BOB, ids, pages};
use crate::support::{PASSWORD, Service, SignedIn, refusal};

const REVOKED: &str = "TOKEN_REVOKED";

/// Somebody whose session is over: by its access token everywhere, and by its refresh token, now and much later.
async fn assert_over(service: &Service, person: &SignedIn) {
    assert_eq!(person.refused().await, refusal(401, REVOKED));
    for api in service.api().each() {
        assert_eq!(person.through(&api).refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    }
}

#[tokio::test]
async fn everybodys_sessions_and_one_persons_are_listed_page_by_page() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let mut expected = vec![admin.session_id().to_owned()];
    let mut own = Vec::new();
    let ada = service.person(ADA).await;
    expected.insert(0, ada.session_id().to_owned());
    own.insert(0, ada.session_id().to_owned());
    for number in 0..5 {
        service.advance(Duration::from_secs(1)).await;
        let client = if number % 2 == 0 { service.browser() } else { service.native() };
        let person = client.login(ADA, PASSWORD).await.unwrap();
        expected.insert(0, person.session_id().to_owned());
        own.insert(0, person.session_id().to_owned());
    }
    service.advance(Duration::from_secs(1)).await;
    let gone = service.person(BOB).await;
    gone.clone().log_out().await.unwrap();
    for size in [1, 2, 3, 100] {
        let all = pages(&admin, &format!("/admin/sessions?page[size]={size}")).await;
        assert!(all.iter().all(|page| page.len() <= size));
        assert_eq!(ids(&all.concat()), expected, "{size}");
        let of_ada = pages(&admin, &format!("/admin/sessions?filter[user]={}&page[size]={size}", ada.user_id())).await;
        assert_eq!(ids(&of_ada.concat()), own, "{size}");
    }
    let all = pages(&admin, "/admin/sessions").await.concat();
    let users: BTreeSet<&str> = all.iter().filter_map(|session| session["attributes"]["userId"].as_str()).collect();
    assert_eq!(users, BTreeSet::from([admin.user_id().as_str(), ada.user_id().as_str()]));
    let marked: Vec<&Value> = all.iter().filter(|session| session["attributes"]["current"] == true).collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0]["id"], admin.session_id());
    assert_eq!(all[0]["attributes"]["client"], "browser");
    assert_eq!(
        (&all[0]["attributes"]["ip"], &all[0]["attributes"]["impersonated"]),
        (&json!("127.0.0.1"), &json!(false))
    );
    let text = json!(all).to_string();
    for secret in [&ada.refresh, &ada.client_id, &ada.access] {
        assert!(!text.contains(secret.as_str()));
    }
    let nobody = pages(&admin, &format!("/admin/sessions?filter[user]={}", gone.user_id())).await;
    assert_eq!(nobody, [Vec::<Value>::new()], "who is signed in nowhere");
    let other = admin.call(Method::GET, &format!("/admin/sessions?page[after]={}", ada.session_id())).send().await;
    assert_eq!(other.refusal(), refusal(400, "INVALID_PARAMETER"), "a cursor of another list");
}

#[tokio::test]
async fn lapsed_sessions_are_not_listed() {
    let service = Service::start().await;
    service.person(ADA).await;
    service.advance(Duration::from_hours(8 * 24)).await;
    let admin = service.in_charge(Role::Admin).await;
    assert_eq!(ids(&pages(&admin, "/admin/sessions").await.concat()), [admin.session_id()]);
}

#[tokio::test]
async fn g05_one_session_is_ended_and_its_owner_told() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let ada = service.person(ADA).await;
    let other = service.browser().login(ADA, PASSWORD).await.unwrap();
    admin.end_session_of_somebody(ada.session_id()).await.unwrap();
    assert_over(&service, &ada).await;
    other.verify().await.expect("the other one lives");
    assert_eq!(ids(&other.sessions().await.unwrap()), [other.session_id()]);
    let again = admin.end_session_of_somebody(ada.session_id()).await.unwrap_err();
    assert_eq!(again, refusal(404, "NOT_FOUND"));
    let unknown = admin.end_session_of_somebody("AAAAAAAAAAAAAAAAAAAAA").await.unwrap_err();
    assert_eq!(unknown, refusal(404, "NOT_FOUND"));
    let mails = service.told(ADA).await;
    assert_eq!((mails.len(), mails[0].text.contains("logged one of your devices out")), (1, true));
    assert_eq!(service.database().audited("session_ended_by_admin"), 1);
    service.advance(Duration::from_secs(3700)).await;
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"), "an hour later, too");
    other.refresh().await.unwrap();
}

#[tokio::test]
async fn z05_nobody_ends_sessions_above_themselves() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let (events, forbidden) = (service.events(), refusal(403, "FORBIDDEN"));
    assert_eq!(admin.end_session_of_somebody(chief.session_id()).await.unwrap_err(), forbidden);
    assert_eq!(admin.end_sessions_of(&chief.user_id()).await.unwrap_err(), forbidden);
    assert_eq!(service.events(), events);
    let everybody = admin.end_everybodys_sessions().await.unwrap_err();
    assert_eq!(everybody, forbidden, "nor those of everybody");
    for person in [&admin, &chief] {
        person.verify().await.unwrap();
        person.refresh().await.unwrap();
    }
    chief.end_session_of_somebody(admin.session_id()).await.unwrap();
    assert_over(&service, &admin).await;
    chief.end_session_of_somebody(chief.session_id()).await.expect("one's own, too");
    assert_over(&service, &chief).await;
}

#[tokio::test]
async fn g05_all_sessions_of_one_person_end() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    let other = service.browser().login(ADA, PASSWORD).await.unwrap();
    ada.client.forgot(ADA).await.unwrap();
    let link = service.link_tokens(ADA, 1).await.remove(0);
    admin.end_sessions_of(&ada.user_id()).await.unwrap();
    for person in [&ada, &other] {
        assert_over(&service, person).await;
    }
    bob.verify().await.expect("somebody else");
    assert_eq!(service.native().begin_reset(&link).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    let back = service.native().login(ADA, PASSWORD).await.expect("at once");
    back.verify().await.unwrap();
    assert_eq!(ids(&back.sessions().await.unwrap()), [back.session_id()]);
    let listed = pages(&admin, &format!("/admin/sessions?filter[user]={}", ada.user_id())).await.concat();
    assert_eq!(ids(&listed), [back.session_id()]);
    let mails = service.told(ADA).await;
    assert_eq!((mails.len(), mails[0].text.contains("logged all your devices out")), (1, true));
    assert_eq!(service.database().audited("session_ended_all_by_admin"), 1);
    service.advance(Duration::from_secs(3700)).await;
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"), "an hour later, too");
    back.refresh().await.unwrap();
}

/// G05: everybody is put out, the caller too; whoever comes back in the same second stays.
#[tokio::test]
async fn g05_everybodys_sessions_end_and_new_ones_do_not() {
    let service = Service::start().await;
    let (admin, program) = service.in_charge_at("admin@example.com", Role::SuperAdmin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    let browser = service.browser().login(ADA, PASSWORD).await.unwrap();
    let at = service.replica(0);
    admin.through(&at).end_everybodys_sessions().await.unwrap();
    // Within the second in which the others were ended, where it is known at once.
    let back = service.native().through(&at).login(ADA, PASSWORD).await.unwrap();
    back.verify().await.expect("made afterwards");
    for person in [&ada, &bob, &browser, &admin] {
        assert_over(&service, person).await;
    }
    // It is known everywhere now.
    let elsewhere = service.native().through(&service.replica(1)).login(BOB, PASSWORD).await.unwrap();
    let [back, elsewhere] = [back, elsewhere].map(|person| person.through(service.api()));
    for person in [&back, &elsewhere] {
        for api in service.api().each() {
            person.through(&api).verify().await.unwrap();
        }
    }
    elsewhere.refresh().await.unwrap().verify().await.unwrap();
    assert_eq!(ids(&back.sessions().await.unwrap()), [back.session_id()], "the ended ones are not shown");
    service.mail_settled().await;
    let mut database = service.database();
    assert_eq!(database.audited("session_ended_everybody"), 1);
    assert_eq!(database.count("general_revocations"), 1, "one row, however many sessions");
    drop(database);
    assert_eq!((service.told(ADA).await.len(), service.told(BOB).await.len()), (0, 0));

    let code = service.fresh_code(&program).await;
    let question = service.native().login_asked("admin@example.com", PASSWORD).await.unwrap();
    let admin = question.answer("totp", &code).await.unwrap();
    let listed = pages(&admin, "/admin/sessions?page[size]=1").await.concat();
    let expected = [admin.session_id(), elsewhere.session_id(), back.session_id()];
    assert_eq!(ids(&listed).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(expected));

    service.advance(Duration::from_secs(3700)).await;
    for person in [&ada, &bob, &browser] {
        assert_eq!(person.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"), "an hour later, too");
    }
    back.refresh().await.unwrap().verify().await.unwrap();
}

/// What was known of sessions that everybody lost, a process that starts later knows, too.
#[tokio::test]
async fn g05_what_was_ended_stays_ended_after_a_restart() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::SuperAdmin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    admin.end_sessions_of(&ada.user_id()).await.unwrap();
    admin.end_everybodys_sessions().await.unwrap();
    let service = service.restart().await;
    for person in [&ada, &bob, &admin] {
        assert_over(&service, person).await;
    }
    service.native().login(ADA, PASSWORD).await.unwrap().verify().await.unwrap();
}
