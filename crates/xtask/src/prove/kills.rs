//! G13: SIGKILL at random moments while addresses are registered; whatever was answered 201 must be there afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use super::Bed;
use super::report::Report;
use crate::Outcome;
use crate::api::{self, Api, Tokens};

/// Clients that register at the same time.
const CLIENTS: u64 = 4;
/// How long a mail may take after a kill: the lease of the dead worker has to lapse first.
const MAIL_PATIENCE: Duration = Duration::from_secs(150);

/// A registration the service answered 201.
struct Acknowledged {
    email: String,
    pending: Tokens,
}

/// What became of the acknowledged registrations.
#[derive(Default)]
struct Tally {
    acknowledged: u64,
    no_mail: u64,
    not_verified: u64,
    no_login: u64,
}

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let kills = bed.times(20, 1000);
    let mut chance = bed.chance();
    let mut tally = Tally::default();
    let mut service = bed.start("kills")?;
    for round in 0..kills {
        let moment = Duration::from_millis(chance.between(5, 400));
        let at = service.address();
        // The clients end by themselves when the connection breaks.
        let acknowledged = std::thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CLIENTS).map(|client| scope.spawn(move || register_until_killed(at, round, client))).collect();
            std::thread::sleep(moment);
            service.kill();
            clients.into_iter().flat_map(|client| client.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        service = bed.start("kills")?;
        for one in &acknowledged {
            check(service.address(), one, &mut tally);
        }
    }
    let (all, lost) = (tally.acknowledged, tally.no_mail + tally.not_verified + tally.no_login);
    let seen = format!(
        "{kills} kills, {all} acknowledged, {lost} lost (mail {}, code {}, login {})",
        tally.no_mail, tally.not_verified, tally.no_login
    );
    report.add("G13", "acknowledged registrations have their mail, verify and log in", seen, all > 0 && lost == 0);
    Ok(())
}

/// Registers new addresses one after the other and keeps a journal of those that were answered 201.
fn register_until_killed(at: SocketAddr, round: usize, client: u64) -> Vec<Acknowledged> {
    let mut api = Api::at(at);
    let mut journal = Vec::new();
    for number in 0_u64.. {
        let email = format!("kill{round}-{client}-{number}@example.com");
        let Ok(reply) = api.send(&api::register_request(&email)) else { break };
        if let (201, Ok(pending)) = (reply.status, Tokens::read(&reply, None)) {
            journal.push(Acknowledged { email, pending });
        }
    }
    journal
}

fn check(at: SocketAddr, one: &Acknowledged, tally: &mut Tally) {
    tally.acknowledged += 1;
    let mut api = Api::at(at);
    let Ok(code) = api.mailed(&one.email, MAIL_PATIENCE, api::code_in) else {
        println!("no mail: {}", one.email);
        tally.no_mail += 1;
        return;
    };
    if let Err(error) = api.verify(&one.pending, &code) {
        println!("not verified: {}: {error}", one.email);
        tally.not_verified += 1;
    } else if let Err(error) = api.login(&one.email) {
        println!("no login: {}: {error}", one.email);
        tally.no_login += 1;
    }
}
