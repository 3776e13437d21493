//! Single operations of the ports, and of what runs in the background, on stores of several sizes that were filled. Each
//! operation is timed on every size in turn, so that whatever else the machine does meets all of them alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystead_api_actix::compose::{Background, compose};
use keystead_api_actix::services::Services;
use keystead_application::ports::{NewMessage, OutboxId, UserPage};
use keystead_application::random;
use keystead_domain::account::{LoginName, User};
use keystead_domain::token::{AccessClaims, Fingerprint};
use tokio::sync::Mutex;

use crate::stores::load;
use crate::{Outcome, now};

/// Runs every operation `samples` times on each of the stores, each time about another user.
pub(crate) fn run(samples: u32, stores: &[&str]) -> Outcome {
    let mut probes = Vec::new();
    for pair in stores.chunks(2) {
        let [config, users] = pair else { return Err("a number of users belongs to every configuration".into()) };
        let composed = compose(&load(config)?)?;
        probes.push(Probe {
            services: composed.services,
            background: Mutex::new(composed.background),
            users: users.parse()?,
            at: AtomicU64::new(1),
        });
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        for probe in &probes {
            probe.get_ready().await?;
        }
        let timing = Timing { probes, samples };
        timing.requests().await?;
        timing.background().await
    })
}

struct Probe {
    services: Arc<Services>,
    background: Mutex<Background>,
    users: u64,
    at: AtomicU64,
}

impl Probe {
    /// No work is left over from whoever used the stores before, and nothing is read for the first time.
    async fn get_ready(&self) -> Outcome {
        self.services.keys.ensure().await?;
        let mut background = self.background.lock().await;
        background.revocations.poll().await?;
        if let Some(mail) = &background.mail {
            while !mail.run().await?.is_idle() {}
        }
        Ok(())
    }

    /// The name of a user unlike the last ones: steps of a prime through all numbers.
    fn name(&self) -> LoginName {
        let at = self.at.fetch_add(7_919, Ordering::Relaxed) % self.users;
        LoginName::parse(&format!("u{}@scale.example", at + 1))
    }

    async fn user(&self) -> Outcome<User> {
        let mut tx = self.services.store.read().await?;
        let found = tx.users().find_by_login_name(&self.name()).await?;
        Ok(found.ok_or("the stores were not filled")?.0)
    }

    /// Writes a message that is due.
    async fn enqueue(&self) -> Outcome {
        let now = self.services.clock.now();
        let message = NewMessage {
            id: OutboxId(random::session_id(&*self.services.entropy).as_str().to_owned()),
            sealed: vec![7; 400],
            created_at: now,
            expires_at: now.plus(Duration::from_secs(300)),
        };
        let mut tx = self.services.store.begin().await?;
        tx.outbox().enqueue(&message).await?;
        Ok(tx.commit().await?)
    }

    /// What a worker asks of the store for one mail.
    async fn work_off(&self) -> Outcome {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let mut tx = store.begin().await?;
        tx.outbox().expire(now).await?;
        let claimed = tx.outbox().claim(1, now, Duration::from_secs(60)).await?;
        tx.commit().await?;
        let first = claimed.first().ok_or("nothing was claimed")?;
        let mut tx = store.begin().await?;
        tx.outbox().mark_sent(&first.id).await?;
        Ok(tx.commit().await?)
    }
}

struct Timing {
    probes: Vec<Probe>,
    samples: u32,
}

impl Timing {
    /// What requests and operators ask about accounts and sessions.
    async fn requests(&self) -> Outcome {
        let name = async |probe: &Probe| Ok(probe.name());
        let user = Probe::user;
        self.time("look-up of a login name", self.samples, name, async |probe, name| {
            Ok(probe.services.store.read().await?.users().find_by_login_name(&name).await?)
        })
        .await?;
        self.time("login history of a user", self.samples, user, async |probe, user| {
            Ok(probe.services.store.read().await?.login_history().list(user.id, None, 50).await?)
        })
        .await?;
        self.time("audit events of a user", self.samples, user, async |probe, user| {
            Ok(probe.services.store.read().await?.audit().list_for_user(user.id, 50).await?)
        })
        .await?;
        self.time("page of 50 users", self.samples, user, async |probe, user| {
            let page = UserPage { after: Some((user.created_at, user.id)), size: 50, ..UserPage::default() };
            Ok(probe.services.store.read().await?.users().list(&page).await?)
        })
        .await?;
        self.time("sessions of a user", self.samples, user, async |probe, user| {
            let now = probe.services.clock.now();
            Ok(probe.background.lock().await.sessions.list(user.id, now).await?)
        })
        .await?;
        self.time("is a token revoked, asked in SQL", self.samples, user, async |probe, user| {
            let entropy = &*probe.services.entropy;
            let now = probe.services.clock.now();
            let claims = AccessClaims {
                subject: user.id,
                token_id: random::token_id(entropy, &random::session_id(entropy)),
                issued_at: now,
                expires_at: now,
                epoch: user.epoch,
                role: user.role,
                amr: Vec::new(),
                auth_time: now,
                fingerprint: Fingerprint([0; 32]),
                actor: None,
            };
            let mut tx = probe.services.store.read().await?;
            Ok(tx.revocations().is_revoked(&claims).await?)
        })
        .await
    }

    /// What every replica does by itself.
    async fn background(&self) -> Outcome {
        let nothing = async |_: &Probe| Ok(());
        let few = self.samples.div_ceil(10);
        self.time("poll of revocations", self.samples, nothing, async |probe, ()| {
            Ok(probe.background.lock().await.revocations.poll().await?)
        })
        .await?;
        self.time("revocations of the last hour, at a start", few, nothing, async |probe, ()| {
            let mut background = probe.background.lock().await;
            background.revocations.start_over();
            Ok(background.revocations.poll().await?)
        })
        .await?;
        self.time("housekeeping that finds nothing", few, nothing, async |probe, ()| {
            let background = probe.background.lock().await;
            background.housekeeping.run().await?;
            Ok(background.garbage.collect(probe.services.clock.now()).await?)
        })
        .await?;
        self.time("look for mail, none due", self.samples, nothing, async |probe, ()| {
            match &probe.background.lock().await.mail {
                Some(mail) => Ok(mail.run().await?),
                None => Err("mail is off".into()),
            }
        })
        .await?;
        self.time("a mail claimed and marked sent", self.samples, Probe::enqueue, async |probe, ()| {
            probe.work_off().await
        })
        .await
    }

    /// Times an operation on every size in turn; what it needs is made ready before the clock starts.
    async fn time<R, T>(
        &self,
        name: &str,
        samples: u32,
        ready: impl AsyncFn(&Probe) -> Outcome<R>,
        operation: impl AsyncFn(&Probe, R) -> Outcome<T>,
    ) -> Outcome {
        let mut micros = vec![Vec::new(); self.probes.len()];
        // The first ones warm connections, prepared statements and caches.
        let warm = samples.div_ceil(10);
        for round in 0..samples + warm {
            for (probe, micros) in self.probes.iter().zip(&mut micros) {
                let given = ready(probe).await?;
                let begun = now();
                operation(probe, given).await?;
                if round >= warm {
                    micros.push(u64::try_from(begun.elapsed().as_micros())?);
                }
            }
        }
        for (probe, mut micros) in self.probes.iter().zip(micros) {
            micros.sort_unstable();
            let rank = |percent: usize| micros.get((micros.len() * percent).div_ceil(100).saturating_sub(1)).copied();
            let line = serde_json::json!({"operation": name, "users": probe.users, "p50": rank(50), "p99": rank(99)});
            println!("{line}");
        }
        Ok(())
    }
}
