//! G12, Z03: every route with every kind of caller, as `keystead_api_actix::authorization::RULES` declares it; G11: a half-way
//! token opens nothing but its own next step; I01 to I04: what an administrator who acts as somebody else may do, and how long.

mod asking;
mod cast;
mod ends;
mod expected;
mod half_way;
mod impersonation;
mod paths;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use keystead_api_actix::config::{Config, RegistrationContact};

use crate::support::Service;

/// A service with every way in there is.
async fn start() -> Service {
    let change = |config: &mut Config| {
        config.login.passwordless = true;
        config.registration.contact = RegistrationContact::Both;
    };
    Service::builder().configured(change).start().await
}

/// S0: every row but those of the audit log and of counters, to be compared with later ones.
struct State(BTreeMap<String, Vec<String>>);

impl State {
    async fn of(service: &Service) -> Self {
        service.mail_settled().await;
        let mut tables = service.database().dump(&["sessions.last_seen_at"]);
        let counts = |name: &str| name.starts_with("audit") || ["guess_budgets", "rate_windows"].contains(&name);
        // SQLite counts the rows of the audit log there.
        tables.retain(|name, _| !counts(name) && name != "sqlite_sequence");
        assert!(tables.contains_key("users") && tables.contains_key("sessions"), "{:?}", tables.keys());
        Self(tables)
    }

    /// # Panics
    /// When a row came, went or changed.
    async fn is_still_that_of(&self, service: &Service) {
        let now = Self::of(service).await;
        let rows = |of: &Self| -> BTreeSet<String> {
            of.0.iter().flat_map(|(table, rows)| rows.iter().map(move |row| format!("{table}: {row}"))).collect()
        };
        let (before, after) = (rows(self), rows(&now));
        let (gone, new): (Vec<_>, Vec<_>) = (before.difference(&after).collect(), after.difference(&before).collect());
        assert!(gone.is_empty() && new.is_empty(), "gone: {gone:#?}\nnew: {new:#?}");
    }
}
