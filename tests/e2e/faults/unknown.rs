//! F09: the line to a store is slow, breaks now and then, or breaks between a commit and its answer. Nothing happens twice.

use std::time::Duration;

use keystead_test_servers::{Proxy, Value};
use serde_json::json;

use super::bed::{Bed, is_unavailable, verify};
use super::journal::{Registrars, Stubborn, nothing_was_lost};
use super::revoked::Revoked;
use crate::process::api::{Answer, Api, PASSWORD, PATIENCE, Person, eventually, link_token_in};

/// What is cut: the query with which a transaction ends. A zero byte ends it; transactions begin as `READ COMMITTED`.
const COMMIT: &[u8] = b"COMMIT\0";

async fn with_key(api: &Api, path: &str, key: &str, more: &[(&str, &str)], body: &serde_json::Value) -> Answer {
    let mut headers = vec![("keystead-client", "native"), ("idempotency-key", key)];
    headers.extend(more);
    api.send("POST", path, &headers, Some(body)).await
}

/// Cuts the next commit of the first replica. Nothing is left for its workers, whose commits look the same: no mail is to be
/// sent, and no audit event to be linked.
async fn cut_next_commit(bed: &Bed) {
    let left = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM audit_events WHERE position IS NULL)";
    eventually(PATIENCE, "nothing left to do", async || (bed.count(left) == 0).then_some(())).await;
    bed.to_postgres[0].cut_when_client_sends(COMMIT).unwrap();
}

/// Sends a request to one replica whose commit is cut, and again, with the same key, to the other. Returns the answer of
/// the second.
async fn cut_and_repeated(bed: &Bed, path: &str, key: &str, more: &[(&str, &str)], body: &serde_json::Value) -> Answer {
    let cuts = bed.to_postgres[0].cuts();
    cut_next_commit(bed).await;
    is_unavailable(&with_key(&bed.api(0), path, key, more, body).await);
    assert_eq!(bed.to_postgres[0].cuts(), cuts + 1);
    let second = with_key(&bed.api(1), path, key, more, body).await;
    let third = with_key(&bed.api(0), path, key, more, body).await;
    assert_eq!((second.status, &second.body), (third.status, &third.body), "the answer is kept");
    second
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_a_commit_nobody_heard_of_happens_once() {
    let bed = Bed::start().await;
    let [first, second] = bed.apis();
    let email = "ada@example.com";

    let body = json!({"email": email, "password": PASSWORD});
    let registered = cut_and_repeated(&bed, "/api/v1/auth/register", "register-1", &[], &body).await.expect(201);
    assert_eq!(bed.count("SELECT count(*) FROM pending_registrations"), 1);
    bed.code_for(email).await;

    let bearer = format!("Bearer {}", registered.attribute("accessToken"));
    let client_id = registered.attribute("clientId");
    let headers = [("authorization", bearer.as_str()), ("keystead-client-id", client_id.as_str())];
    let body = json!({"method": "email"});
    let resent = cut_and_repeated(&bed, "/api/v1/auth/login/otp", "resend-1", &headers, &body).await.expect(202);
    eventually(PATIENCE, "the second code", async || (bed.mails_to(email).len() == 2).then_some(())).await;
    let code = bed.code_for(email).await;

    // Proving it has no key: who got no answer tries again, and then logs in.
    cut_next_commit(&bed).await;
    let proved = first.verify(&resent, &code).await;
    is_unavailable(&proved);
    let again = second.verify(&resent, &code).await;
    assert!(matches!(again.status, 200 | 401), "{again:?}");
    let ada = second.signed_in(email, PASSWORD).await;
    assert_eq!(bed.count("SELECT count(*) FROM users"), 1);

    let forgot = json!({"identity": email});
    let before = bed.mails_to(email).len();
    cut_and_repeated(&bed, "/api/v1/auth/password/forgot", "forgot-1", &[], &forgot).await.expect(202);
    let link = eventually(PATIENCE, "the link", async || {
        let mails = bed.mails_to(email);
        mails.iter().find(|mail| mail.contains("#token=")).map(|mail| link_token_in(mail))
    })
    .await;

    cut_next_commit(&bed).await;
    is_unavailable(&first.send_as(&ada, "POST", "/api/v1/auth/logout", None).await);
    second.send_as(&ada, "POST", "/api/v1/auth/logout", None).await.expect(204);
    // Nothing is published twice: the first replica finds the row when it next reads the log.
    eventually(PATIENCE, "the end of the session", async || (verify(&first, &ada).await.status == 401).then_some(()))
        .await;

    let grant = first.post("/api/v1/auth/password/reset/begin", &json!({"token": link})).await.expect(200);
    let bearer = format!("Bearer {}", grant.attribute("accessToken"));
    let client_id = grant.attribute("clientId");
    let headers =
        [("keystead-client", "native"), ("authorization", bearer.as_str()), ("keystead-client-id", client_id.as_str())];
    let new = "copper-violin-meadow-17";
    let new_password = json!({"newPassword": new});
    cut_next_commit(&bed).await;
    is_unavailable(&first.send("POST", "/api/v1/auth/password/reset", &headers, Some(&new_password)).await);
    second.send("POST", "/api/v1/auth/password/reset", &headers, Some(&new_password)).await.expect(401);
    first.login(email, PASSWORD).await.expect(401);
    second.login(email, new).await.expect(200);

    // Nothing waits in the outbox, and each thing was mailed once.
    eventually(PATIENCE, "the outbox", async || (bed.count("SELECT count(*) FROM outbox") == 0).then_some(())).await;
    let subjects: Vec<_> = bed.mail.messages().iter().map(|mail| mail.header("Subject")).collect();
    let links = bed.mails_to(email).iter().filter(|mail| mail.contains("#token=")).count();
    assert_eq!(links, 1, "{subjects:?}");
    assert!(bed.mails_to(email).len() > before, "{subjects:?}");
}

/// A rotation whose answer was lost: the client shows the same token again and goes on; one rotation happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_a_rotation_nobody_heard_of_happens_once() {
    let bed = Bed::start().await;
    let [first, second] = bed.apis();
    let ada = bed.sign_up("ada@example.com").await;
    let generation = |token: &str| token.split('.').nth(2).unwrap().parse::<u64>().unwrap();
    // The script is known by now, so that one command carries the rotation.
    let ada = Person { refresh: first.refresh(&ada, &ada.refresh).await.expect(200).attribute("refreshToken"), ..ada };
    let script = include_str!("../../../crates/adapters-redis/src/scripts/session_rotate.lua");
    let Value::Text(hash) = bed.redis.command(&["SCRIPT", "LOAD", script]).unwrap() else { panic!("no hash") };
    bed.to_redis[0].cut_when_client_sends(hash.as_bytes()).unwrap();
    is_unavailable(&first.refresh(&ada, &ada.refresh).await);
    let next = eventually(PATIENCE, "the successor", async || {
        let answer = second.refresh(&ada, &ada.refresh).await;
        (answer.status == 200).then_some(answer)
    });
    let next = next.await.attribute("refreshToken");
    assert_eq!(generation(&next), generation(&ada.refresh) + 1);
    assert_eq!(bed.to_redis[0].cuts(), 1);
    first.refresh(&ada, &next).await.expect(200);
}

/// Connections break all the time: one in a hundred requests meets one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_connections_that_break_now_and_then() {
    let bed = Bed::start().await;
    let since = bed.log_marks();
    let registrars = Registrars::start(&bed, "breaking", 4);
    for round in 0..12 {
        registrars.progress(3).await;
        let lines = if round % 3 == 2 { &bed.to_redis } else { &bed.to_postgres };
        lines.iter().for_each(Proxy::reset);
    }
    registrars.progress(3).await;
    let journal = registrars.finish().await;
    // A worker's mark may be what broke: the mail then comes again after its lease, the same one.
    nothing_was_lost(&bed, &journal, PATIENCE * 2, 12).await;
    bed.logs_have_no_secrets(&since);
}

/// 100 ms to PostgreSQL: everything works, and tokens are checked without a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_a_slow_line_to_postgres() {
    let bed = Bed::start().await;
    let revoked = Revoked::prepare(&bed, "slow").await;
    bed.postgres_lines(|line| line.latency(Duration::from_millis(100)));
    let stubborn = Stubborn::new(bed.apis());
    for api in bed.apis() {
        let begun = tokio::time::Instant::now();
        api.login(&revoked.email, PASSWORD).await.expect(200);
        println!("login over a slow line: {:?}", begun.elapsed());
        for _ in 0..40 {
            verify(&api, &revoked.living).await.expect(200);
        }
    }
    stubborn.register("slow-new@example.com").await.expect(201);
    let seen = revoked.probe(&bed, 100).await;
    assert_eq!(seen.get(&401), Some(&100), "{seen:?}");
    bed.postgres_lines(Proxy::pass);
    bed.works_again(&revoked.email).await;
}
