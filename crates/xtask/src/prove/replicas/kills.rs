//! F01, F02, F19: replicas are killed, in turn, at any moment of one kind of work, and started again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::Bed;
use super::super::report::Report;
use super::journeys::{self, Journey};
use super::site::Site;
use crate::sample::Chance;
use crate::{Outcome, sample};

/// How long the mail server takes for a message, so that kills hit workers while they send.
const MAIL_PAUSE: Duration = Duration::from_millis(20);
/// How long a mail may take: the lease of the dead worker has to lapse first.
pub(super) const MAIL_PATIENCE: Duration = Duration::from_secs(90);

/// One kind of work and how many clients do it.
struct Work {
    id: &'static str,
    promise: &'static str,
    name: &'static str,
    clients: usize,
    journey: Journey,
}

const WORKS: [Work; 4] = [
    Work {
        id: "F01",
        promise: "registrations: each acknowledged one exists once, has its mail, verifies and logs in",
        name: "register",
        clients: 4,
        journey: journeys::register,
    },
    Work {
        id: "F02",
        promise: "refreshes: every rotation is one generation, no session is lost",
        name: "refresh",
        clients: 6,
        journey: journeys::refresh,
    },
    Work {
        id: "F02",
        promise: "resets: a link counts once, the new password counts and the old one does not",
        name: "reset",
        clients: 6,
        journey: journeys::reset,
    },
    Work {
        id: "F19",
        promise: "mails: each acknowledged one is sent, none twice but by a kill and then the same",
        name: "mail",
        clients: 4,
        journey: journeys::mail,
    },
];

pub(in crate::prove) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let mut chance = bed.chance();
    for work in &WORKS {
        let mut site = Site::start(bed, work.name, MAIL_PAUSE)?;
        one_kind(bed, work, &mut site, &mut chance, report)?;
    }
    Ok(())
}

/// What clients share while replicas die.
pub(super) struct Ground {
    /// Told to come to an end.
    pub(super) stop: AtomicBool,
    /// Steps that were acknowledged.
    pub(super) steps: AtomicU64,
    /// What should not have been.
    pub(super) violations: Mutex<Vec<String>>,
}

impl Ground {
    /// Whether clients go on.
    pub(super) fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// Something was acknowledged.
    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
    }

    /// Something should not have been.
    pub(super) fn violation(&self, what: String) {
        println!("violation: {what}");
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

fn one_kind(bed: &Bed, work: &Work, site: &mut Site, chance: &mut Chance, report: &mut Report) -> Outcome {
    let kills = bed.times(8, 200);
    let ground = Ground { stop: AtomicBool::new(false), steps: AtomicU64::new(0), violations: Mutex::new(Vec::new()) };
    let travellers: Vec<_> = (0..work.clients).map(|number| journeys::Traveller::new(site, number)).collect();
    std::thread::scope(|scope| {
        let clients: Vec<_> = travellers
            .into_iter()
            .map(|traveller| {
                let ground = &ground;
                scope.spawn(move || (work.journey)(traveller, ground))
            })
            .collect();
        let killing = kill_in_turn(site, kills, chance, &ground);
        ground.stop.store(true, Ordering::SeqCst);
        let mut checks = Vec::new();
        for client in clients {
            match client.join().map_err(|_| "a client panicked")? {
                Ok(check) => checks.push(check),
                Err(error) => ground.violation(error.to_string()),
            }
        }
        killing?;
        let stranded = site.stranded(MAIL_PATIENCE)?;
        if stranded > 0 {
            ground.violation(format!("{stranded} mails stranded"));
        }
        for check in checks {
            check(site, &ground)?;
        }
        Outcome::Ok(())
    })?;
    let repeated = repeated_mails(site);
    if repeated > kills {
        ground.violation(format!("{repeated} mails came twice"));
    }
    let violations = ground.violations.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    let steps = ground.steps.load(Ordering::SeqCst);
    let seen = format!("{kills} kills, {steps} acknowledged, {violations} violations, {repeated} mails repeated");
    report.add(work.id, work.promise, seen, violations == 0 && steps > 0);
    Ok(())
}

/// Kills one replica, then the other, each after something was acknowledged and at a random moment of what comes next.
fn kill_in_turn(site: &mut Site, kills: usize, chance: &mut Chance, ground: &Ground) -> Outcome {
    for kill in 0..kills {
        let before = ground.steps.load(Ordering::SeqCst);
        let deadline = sample::now() + MAIL_PATIENCE;
        while ground.steps.load(Ordering::SeqCst) == before {
            if sample::now() > deadline {
                return Err("nothing was acknowledged for a long time".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(chance.between(0, 120_000)));
        site.kill(kill % 2);
        site.restart(kill % 2)?;
    }
    Ok(())
}

/// Mails that were taken more than once.
fn repeated_mails(site: &Site) -> usize {
    let mails = site.inbox().all();
    let ids: std::collections::BTreeSet<&str> = mails.iter().map(|mail| mail.id.as_str()).collect();
    mails.len() - ids.len()
}
