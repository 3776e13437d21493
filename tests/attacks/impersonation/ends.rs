//! I03, G12: what ends an impersonation, and that it holds at the next request on every replica.

use std::time::Duration;

use keystead_domain::account::Role;

use crate::authorization::start;
use crate::support::{PASSWORD, Service, SignedIn, refusal};

const REASON: &str = "ticket 4711: cannot see her invoices";
const NEW_PASSWORD: &str = "granite-otter-sunday-93";

/// Somebody acts as somebody; a third person is in charge, too.
struct Scene {
    service: Service,
    /// The administrator who acts.
    boss: SignedIn,
    /// As whom.
    ada: SignedIn,
    other: SignedIn,
    acting: SignedIn,
}

impl Scene {
    async fn new() -> Self {
        let service = start().await;
        let boss = service.administrator(Role::SuperAdmin).await;
        let (other, _) = service.administrator_at(&service.native(), "other@example.com", Role::SuperAdmin).await;
        let ada = service.registered("ada@example.com").await;
        let acting = boss.impersonate(&ada, REASON).await.unwrap();
        for api in service.api().each() {
            acting.through(&api).profile().await.expect("it begins");
        }
        Self { service, boss, ada, other, acting }
    }

    /// Every replica refuses it from now on.
    async fn is_over(&self) {
        assert_eq!(self.acting.refused().await, refusal(401, "TOKEN_REVOKED"));
        for api in self.service.api().each() {
            let told = self.acting.through(&api).profile().await.unwrap_err();
            assert_eq!(told, refusal(401, "TOKEN_REVOKED"), "and goes on to");
        }
    }

    /// It goes on.
    async fn goes_on(&self) {
        for api in self.service.api().each() {
            self.acting.through(&api).profile().await.expect("it goes on");
        }
    }
}

#[tokio::test]
async fn i03_it_ends_when_the_administrator_logs_out() {
    let scene = Scene::new().await;
    scene.boss.log_out().await.unwrap();
    scene.is_over().await;
    scene.ada.verify().await.expect("her own session is not touched");
}

#[tokio::test]
async fn i03_it_ends_with_the_administrators_session_and_not_with_another_of_theirs() {
    let scene = Scene::new().await;
    let (third, _) =
        scene.service.administrator_at(&scene.service.native(), "third@example.com", Role::SuperAdmin).await;
    scene.other.end_session_of_somebody(third.session_id()).await.unwrap();
    third.refused().await;
    scene.goes_on().await;
    scene.other.end_session_of_somebody(scene.boss.session_id()).await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_it_ends_with_all_of_the_administrators_sessions() {
    let scene = Scene::new().await;
    scene.other.end_sessions_of(&scene.boss.user_id()).await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_it_ends_with_everybodys_sessions() {
    let scene = Scene::new().await;
    scene.other.end_everybodys_sessions().await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_it_ends_with_the_administrators_ban() {
    let scene = Scene::new().await;
    scene.other.ban(&scene.boss.user_id()).await.unwrap();
    scene.is_over().await;
    assert_eq!(scene.boss.refused().await, refusal(401, "TOKEN_REVOKED"));
}

#[tokio::test]
async fn i03_it_ends_with_the_administrators_role() {
    let scene = Scene::new().await;
    scene.other.set_role(&scene.boss.user_id(), Role::Admin).await.unwrap();
    scene.is_over().await;
    assert_eq!(scene.boss.refused().await, refusal(401, "TOKEN_REVOKED"), "nor does their own token say what was");
}

#[tokio::test]
async fn i03_it_ends_with_the_administrators_password() {
    let scene = Scene::new().await;
    let changed = scene.boss.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    scene.is_over().await;
    changed.verify().await.expect("the administrator goes on");
}

#[tokio::test]
async fn i03_it_ends_with_the_administrators_account() {
    let scene = Scene::new().await;
    scene.other.delete_user(&scene.boss.user_id()).await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_it_ends_with_the_users_ban() {
    let scene = Scene::new().await;
    scene.other.ban(&scene.ada.user_id()).await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_it_ends_when_the_user_becomes_an_administrator() {
    let scene = Scene::new().await;
    scene.other.set_role(&scene.ada.user_id(), Role::Admin).await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_it_ends_with_the_users_password() {
    let scene = Scene::new().await;
    let changed = scene.ada.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    scene.is_over().await;
    let sessions = changed.sessions().await.unwrap();
    assert!(sessions.iter().all(|session| session["attributes"]["impersonated"] == false), "{sessions:?}");
}

#[tokio::test]
async fn i03_it_ends_with_the_users_account() {
    let scene = Scene::new().await;
    scene.other.delete_user(&scene.ada.user_id()).await.unwrap();
    scene.is_over().await;
}

#[tokio::test]
async fn i03_the_user_ends_it_from_their_sessions() {
    let scene = Scene::new().await;
    let sessions = scene.ada.sessions().await.unwrap();
    let shown = sessions.iter().find(|session| session["attributes"]["impersonated"] == true).unwrap();
    scene.ada.end_session(shown["id"].as_str().unwrap()).await.unwrap();
    scene.is_over().await;
    scene.ada.verify().await.expect("her own session is not touched");
    scene.boss.verify().await.expect("nor the administrator's");
    let sessions = scene.ada.sessions().await.unwrap();
    assert!(sessions.iter().all(|session| session["attributes"]["impersonated"] == false), "{sessions:?}");
}

#[tokio::test]
async fn i03_it_ends_after_a_quarter_of_an_hour() {
    let scene = Scene::new().await;
    scene.service.advance(Duration::from_secs(14 * 60)).await;
    scene.goes_on().await;
    // With the leeway there is for clocks that differ.
    scene.service.advance(Duration::from_secs(66)).await;
    for api in scene.service.api().each() {
        let told = scene.acting.through(&api).profile().await.unwrap_err();
        assert_eq!(told, refusal(401, "TOKEN_EXPIRED"));
    }
    scene.boss.verify().await.expect("the administrator's own token lives longer");
}
