//! Proofs on PostgreSQL and Redis with two replicas: races, the lag of revocations, outages of a store, replicas that die.

mod journeys;
pub(super) mod kills;
pub(super) mod lag;
pub(super) mod outages;
mod site;

use std::time::Duration;

use super::Bed;
use super::races::{Field, race_at};
use super::report::Report;
use crate::Outcome;
use site::Site;

/// G02, G03 over two replicas.
pub(super) fn races(bed: &Bed, report: &mut Report) -> Outcome {
    let site = Site::start(bed, "races", Duration::ZERO)?;
    let field = Field { addresses: site.addresses(), inbox: Some(site.inbox()), name: "two replicas" };
    race_at(&field, bed, report)?;
    let deadlocks = site.postgres.log().matches("deadlock detected").count();
    report.add("G02", "no deadlock in the PostgreSQL log", format!("{deadlocks}"), deadlocks == 0);
    Ok(())
}
