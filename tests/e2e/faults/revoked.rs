//! Tokens that were revoked in every way there is, and probes that must never find one accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::bed::{Bed, in_time, verify};
use crate::process::api::{Answer, Api, PASSWORD, Person, eventually};

/// How soon a revocation on one replica counts on the other (G05).
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// Probes at the same time.
const WIDTH: usize = 8;

/// Somebody whose token counts, and tokens that were revoked before.
pub(super) struct Revoked {
    pub(super) email: String,
    /// Signed in; their token counts.
    pub(super) living: Person,
    /// Banned.
    pub(super) banned_email: String,
    dead: Vec<(&'static str, Person)>,
}

impl Revoked {
    /// Signs people in, and revokes: by logout, by a ban, by a password change, by the token's own identifier. `name`
    /// tells the people of one call from those of another.
    pub(super) async fn prepare(bed: &Bed, name: &str) -> Self {
        let [first, second] = bed.apis();
        let email = format!("{name}@example.com");
        let logged_out = bed.sign_up(&email).await;
        let single = first.signed_in(&email, PASSWORD).await;
        let living = second.signed_in(&email, PASSWORD).await;
        first.send_as(&logged_out, "POST", "/api/v1/auth/logout", None).await.expect(204);
        let path = format!("/api/v1/auth/tokens/{}", token_id(&single));
        second.send_as(&single, "DELETE", &path, None).await.expect(204);

        let banned_email = format!("{name}-banned@example.com");
        let banned = bed.sign_up(&banned_email).await;
        bed.ban(&banned_email);

        let changed_email = format!("{name}-changed@example.com");
        let changed = bed.sign_up(&changed_email).await;
        let hand = first.signed_in(&changed_email, PASSWORD).await;
        let change = json!({"currentPassword": PASSWORD, "newPassword": "copper-violin-meadow-17"});
        first.send_as(&hand, "PATCH", "/api/v1/auth/password", Some(&change)).await.expect(200);

        let dead = vec![
            ("logged out", logged_out),
            ("revoked by itself", single),
            ("of a banned user", banned),
            ("of a changed password", changed),
        ];
        let revoked = Self { email, living, banned_email, dead };
        for api in bed.apis() {
            for (what, who) in &revoked.dead {
                eventually(SEEN_WITHIN, what, async || (verify(&api, who).await.status == 401).then_some(())).await;
            }
        }
        revoked
    }

    /// Shows the revoked tokens to both replicas, so many times in all. Fails when one is accepted. Returns how often
    /// each status was the answer.
    pub(super) async fn probe(&self, bed: &Bed, count: usize) -> BTreeMap<u16, usize> {
        let mut tasks = JoinSet::new();
        for task in 0..WIDTH {
            let (apis, dead) = (bed.apis(), self.dead.clone());
            tasks.spawn(async move {
                let mut seen = BTreeMap::<u16, usize>::new();
                for n in (task..count).step_by(WIDTH) {
                    let (what, who) = &dead[n % dead.len()];
                    let answer = verify(&apis[(n / dead.len()) % 2], who).await;
                    assert!(matches!(answer.status, 401 | 503), "a token {what}: {answer:?}");
                    *seen.entry(answer.status).or_default() += 1;
                }
                seen
            });
        }
        let mut all = BTreeMap::<u16, usize>::new();
        for seen in tasks.join_all().await {
            for (status, count) in seen {
                *all.entry(status).or_default() += count;
            }
        }
        println!("{count} probes with revoked tokens: {all:?}");
        all
    }
}

/// Bans somebody while something is broken; both replicas refuse the token within a second, or refuse everything.
pub(super) async fn ban_is_seen(bed: &Bed, email: &str, who: &Person) {
    bed.ban(email);
    for api in bed.apis() {
        eventually(SEEN_WITHIN, "the ban", async || (verify(&api, who).await.status != 200).then_some(())).await;
    }
}

/// The `jti` of an access token.
fn token_id(who: &Person) -> String {
    let payload = URL_SAFE_NO_PAD.decode(who.access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

/// Every kind of request that needs the store of sessions, at once, with its name.
pub(super) async fn session_requests(api: &Api, revoked: &Revoked) -> [(&'static str, Answer); 4] {
    let who = &revoked.living;
    let (login, register, refresh, sessions) = tokio::join!(
        in_time("login", api.login(&revoked.email, PASSWORD)),
        in_time("register", api.register("somebody@example.com")),
        in_time("refresh", api.refresh(who, &who.refresh)),
        in_time("sessions", api.send_as(who, "GET", "/api/v1/sessions", None)),
    );
    [("login", login), ("register", register), ("refresh", refresh), ("sessions", sessions)]
}
