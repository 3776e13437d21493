//! L06: what administrators do, searched for in everything a process logs.

use std::time::{SystemTime, UNIX_EPOCH};

use keystead_testkit::smtp_peer::{ReceivedMail, SmtpPeer};
use reqwest::Method;
use serde_json::json;

use super::{GRACE, proved_by_mail_at};
use crate::process::api::{PATIENCE, eventually, link_token_in};
use crate::process::configured::Configured;
use crate::process::keystead::finish;
use crate::support::{Anonymous, Api, Kind, PASSWORD, STEP};

const CHIEF: &str = "canary-chief@example.com";
const REASON: &str = "ticket 4711: canary reason";

/// The step of the system's clock.
fn step() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the process has the system's clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_secs() / STEP.as_secs()
}

#[tokio::test]
async fn l06_the_link_of_a_new_account_is_mailed_to_its_owner_and_nothing_of_it_logged() {
    let peer = SmtpPeer::start().await.unwrap();
    let configured = Configured::with_mail_at(peer.port());
    let service = configured.serve(&["log.level=trace", "limits.mode=off", "unsafe_allow=limits-off"]);
    let add = ["--email", CHIEF, "--role", "super-admin", "--password-stdin"];
    finish(configured.command(&["user", "add"], &add), &format!("{PASSWORD}\n")).ok();
    let client = Anonymous::new(Api::new(vec![service.url().to_owned()]), Kind::Native);
    let chief = proved_by_mail_at(&peer, &client.login(CHIEF, PASSWORD).await.unwrap()).await;
    let program = chief.begin_totp().await.unwrap();
    let code = program.code(step());
    let chief = chief.confirm_totp(&code).await.unwrap();

    let wish = json!({ "email": GRACE, "fullName": "Canary Grace", "username": "canary_grace" });
    let reply = chief.create_user_reply(&wish).await.ok(201).unwrap();
    let to_grace = |peer: &SmtpPeer| peer.messages().into_iter().find(|mail| mail.recipients == [GRACE]);
    let mail = eventually(PATIENCE, "the link", async || to_grace(&peer)).await.text().unwrap();
    let link = link_token_in(&mail);
    assert!(!reply.text.contains(&link));
    let body = json!({ "token": link, "password": "canary-password-one-8413" });
    let signed_in = client.post("/auth/activate", &body).await.ok(200).unwrap();
    let grace = client.login(GRACE, "canary-password-one-8413").await.unwrap();
    let acting = chief.impersonate(&grace, REASON).await.unwrap();
    acting.update_profile(&json!({ "fullName": "Canary Hopper" })).await.unwrap_err();
    chief.get("/admin/users?filter[email]=canary-prefix").await.unwrap();
    chief.call(Method::GET, "/admin/users?sort=canary-sort").send().await.ok(200).unwrap_err();
    chief.ban(&grace.user_id()).await.unwrap();
    chief.delete_user(&grace.user_id()).await.unwrap();
    // Audit events go to standard output, everything else to standard error.
    eventually(PATIENCE, "the audit stream", async || service.stdout().contains("user_deleted").then_some(())).await;
    let log = service.stdout() + &service.log();
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains(REASON), "it is searched, and the reason is there");
    let mut canaries = vec![link, PASSWORD.to_owned(), program.base32.clone(), "canary-password-one-8413".to_owned()];
    canaries.extend([signed_in.text_of("accessToken").unwrap(), signed_in.text_of("refreshToken").unwrap()]);
    for person in [&chief, &grace, &acting] {
        let signature = person.access.rsplit('.').next().unwrap().to_owned();
        canaries.extend([person.access.clone(), signature, person.refresh.clone(), person.client_id.clone()]);
        canaries.extend(person.proof.clone().into_iter().chain(person.device.clone()));
    }
    canaries
        .extend([CHIEF, GRACE, "Canary Grace", "Canary Hopper", "canary_grace", "canary-prefix"].map(str::to_owned));
    for canary in &canaries {
        assert!(!log.contains(canary.as_str()), "{canary} is in the log");
    }
    assert!(!log.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code), "the code is in the log");
    let told: Vec<ReceivedMail> = peer.messages();
    assert!(
        told.iter().filter(|mail| mail.recipients == [CHIEF]).all(|mail| !mail.text().unwrap().contains("#token="))
    );
}
