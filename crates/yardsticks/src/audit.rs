//! What the audit log costs a login.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystead_api_actix::compose::{Composed, compose};
use keystead_api_actix::config::{Config, MASTER_KEY_BYTES};
use keystead_application::context::RequestContext;
use keystead_application::operation::AddUserCommand;
use keystead_application::ports::{LoginRecord, Store};
use keystead_application::random;
use keystead_application::session::LoginCommand;
use keystead_domain::account::{EmailAddress, Role, UserId};
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::DeviceInfo;
use keystead_domain::{SecretBytes, SecretString};

use crate::{Outcome, now};

const NAME: &str = "bench@example.com";
const PASSWORD: &str = "granite-otter-sunday-93";
/// Transactions with and without an event for every login that is timed: a commit varies more than an event costs.
const TRANSACTIONS: u32 = 20;

/// Prints one line of JSON: microseconds of a login, of an event in a transaction, and of its link in the chain; medians.
pub(crate) fn run(folder: &str, samples: u32) -> Outcome {
    let key = SecretBytes::new(vec![7; MASTER_KEY_BYTES]);
    let composed = compose(&Config::for_dev(([127, 0, 0, 1], 0).into(), Path::new(folder), &key)?)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let services = Arc::clone(&composed.services);
        services.keys.ensure().await?;
        let email = EmailAddress::try_new(NAME)?;
        let password = Some(SecretString::new(PASSWORD.into()));
        let command = AddUserCommand { email, username: None, full_name: None, role: Role::User, password };
        let user = services.operator.add(command).await?.user.id;
        let (mut logins, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..samples {
            logins.push(login(&composed).await?);
            for _ in 0..TRANSACTIONS {
                without.push(transaction(&composed, user, false).await?);
                with.push(transaction(&composed, user, true).await?);
            }
        }
        let (begun, mut linked) = (now(), 0_u32);
        loop {
            let rows = composed.background.link_audit.run().await?.len();
            if rows == 0 {
                break;
            }
            linked = linked.saturating_add(u32::try_from(rows)?);
        }
        let link = begun.elapsed().as_secs_f64() * 1e6 / f64::from(linked.max(1));
        let event = (median(&mut with) - median(&mut without)).max(0.0);
        println!("{}", serde_json::json!({"login": median(&mut logins), "event": event, "link": link}));
        Ok(())
    })
}

async fn login(composed: &Composed) -> Outcome<Duration> {
    let begun = now();
    let password = SecretString::new(PASSWORD.into());
    let command = LoginCommand { identity: NAME.into(), password, device: None, captcha: None };
    composed.services.login.run(command, &RequestContext::default()).await?;
    Ok(begun.elapsed())
}

/// A transaction that writes a row, and an event besides if `audited`.
async fn transaction(composed: &Composed, user: UserId, audited: bool) -> Outcome<Duration> {
    let services = &composed.services;
    let (at, entropy) = (services.clock.now(), &*services.entropy);
    let session = random::session_id(entropy);
    let device = DeviceInfo::new(None, Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"));
    let token_id = random::token_id(entropy, &session);
    let record = LoginRecord { token_id, user_id: user, at, device: device.clone(), impersonator: None };
    let (name, actor, subject) = (AuditEventName::LoginSucceeded, Some(user), Some(user));
    let event =
        AuditEvent { name, at, actor, impersonator: None, subject, session: Some(session), device, detail: None };
    let begun = now();
    let store: &dyn Store = &*services.store;
    let mut tx = store.begin().await?;
    tx.login_history().append(&record).await?;
    if audited {
        tx.audit().append(&event).await?;
    }
    tx.commit().await?;
    Ok(begun.elapsed())
}

/// In microseconds.
fn median(samples: &mut [Duration]) -> f64 {
    samples.sort();
    samples.get(samples.len() / 2).map_or(0.0, |sample| sample.as_secs_f64() * 1e6)
}
