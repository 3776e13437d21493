//! `keystead key …`.

use keystead_application::ports::{KeyUse, StoredKey};
use keystead_domain::Timestamp;

use super::args::{KeyCommand, RotatedKey};
use super::data::with_services;
use super::outcome::{Outcome, Trouble, say};

/// Runs one of them.
pub(super) fn run(command: KeyCommand, json: bool) -> Outcome {
    match command {
        KeyCommand::List(data) => with_services(&data, async |composed| {
            let keys = composed.services.keys.list().await.map_err(Trouble::failed)?;
            let now = composed.services.clock.now();
            for overview in &keys {
                let state = match overview {
                    overview if overview.active => "active",
                    overview if overview.key.active_from > now => "published",
                    _ => "verifying",
                };
                show(&overview.key, state, json);
            }
            Ok(())
        }),
        KeyCommand::Rotate(args) => with_services(&args.data, async |composed| {
            let uses: &[KeyUse] = match args.key_use {
                RotatedKey::Access => &[KeyUse::SignAccess],
                RotatedKey::PreAuthorized => &[KeyUse::SignPreAuthorized],
                RotatedKey::StepUp => &[KeyUse::SignStepUp],
                RotatedKey::Mac => &[KeyUse::Mac],
                RotatedKey::Seal => &[KeyUse::Seal],
                RotatedKey::Audit => &[KeyUse::Audit],
                RotatedKey::All => &KeyUse::ALL,
            };
            let keys = composed.services.keys.rotate(uses).await.map_err(Trouble::failed)?;
            for key in &keys {
                show(key, "published", json);
            }
            Ok(())
        }),
        KeyCommand::Reseal(data) => with_services(&data, async |composed| {
            let resealed = composed.services.reseal.run().await.map_err(Trouble::failed)?;
            if json {
                say(serde_json::json!({ "resealed": resealed }));
            } else {
                say(format!("{resealed} secrets were sealed again under the newest key"));
            }
            Ok(())
        }),
    }
}

fn show(key: &StoredKey, state: &str, json: bool) {
    let (id, key_use, algorithm) = (key.id.as_str(), key.key_use.as_str(), &key.algorithm);
    let (from, until) = (time(key.active_from), key.retires_at.map(time));
    if json {
        say(serde_json::json!({
            "id": id, "use": key_use, "algorithm": algorithm, "state": state, "activeFrom": from, "retiresAt": until,
        }));
    } else {
        let until = until.map_or_else(String::new, |until| format!("  until {until}"));
        say(format!("{id:43}  {key_use:19}  {algorithm:6}  {state:9}  from {from}{until}"));
    }
}

/// RFC 3339, UTC, to the microsecond.
pub(crate) fn precise_time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros()).map_or_else(|_| at.as_micros().to_string(), |at| at.to_string())
}

/// RFC 3339, UTC, whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_seconds()).map_or_else(|_| at.as_micros().to_string(), |at| at.to_string())
}
