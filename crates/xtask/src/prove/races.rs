//! G02 and G03: 64 requests at the same moment, over and over.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

use serde_json::json;

use super::Bed;
use super::report::Report;
use crate::Outcome;
use crate::api::{self, Api, Tokens, post};
use crate::http::{Connection, Reply};
use crate::inbox::Inbox;

/// How many requests race.
const WIDTH: usize = 64;

/// What the requests race at: one service, or replicas, and where their mail arrives.
pub(super) struct Field {
    /// Where the replicas listen.
    pub(super) addresses: Vec<SocketAddr>,
    /// Where mail arrives; without one it stays in the service's development mailbox.
    pub(super) inbox: Option<Arc<Inbox>>,
    /// Where it is, in words.
    pub(super) name: &'static str,
}

impl Field {
    /// The replica of the n-th client.
    fn address(&self, n: usize) -> SocketAddr {
        let address = self.addresses.get(n % self.addresses.len().max(1));
        address.copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn api(&self) -> Api {
        Api::with_mail(self.address(0), self.inbox.clone())
    }

    /// A client of another replica than [`Self::api`]'s, where there is one.
    fn other_api(&self) -> Api {
        Api::with_mail(self.address(1), self.inbox.clone())
    }
}

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let service = bed.start("races")?;
    race_at(&Field { addresses: vec![service.address()], inbox: None, name: "embedded" }, bed, report)
}

/// Every race on one field.
pub(super) fn race_at(field: &Field, bed: &Bed, report: &mut Report) -> Outcome {
    let rounds = bed.times(10, 100);
    field.api().sign_up("racer@example.com")?;
    refresh(field, rounds, report)?;
    reuse(field, rounds, report)?;
    verify(field, rounds, report)?;
    reset(field, rounds, report)
}

/// Sends all requests at once, each on an open connection of its own, to one replica after the other.
fn race(field: &Field, requests: &[Vec<u8>]) -> Outcome<Vec<Reply>> {
    let start = &Barrier::new(requests.len());
    let one = |(n, request): (usize, &Vec<u8>)| -> Outcome<Reply> {
        let connection = Connection::open(field.address(n));
        // Also after an error: the others wait for everybody.
        start.wait();
        connection?.send(request)
    };
    let replies: Vec<Outcome<Reply>> = std::thread::scope(|scope| {
        let all: Vec<_> = requests.iter().enumerate().map(|request| scope.spawn(move || one(request))).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client panicked".into()))).collect()
    });
    replies.into_iter().collect()
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

/// One refresh token, 64 times: one rotation, the same successor for all, and it works.
fn refresh(field: &Field, rounds: usize, report: &mut Report) -> Outcome {
    let mut held = 0;
    let mut tokens = field.api().login("racer@example.com")?;
    for _ in 0..rounds {
        let replies = race(field, &vec![api::refresh_request(&tokens)?; WIDTH])?;
        let successors: BTreeSet<String> =
            replies.iter().filter_map(|reply| reply.attribute("refreshToken").ok()).collect();
        let one = count(&replies, 200) == WIDTH && successors.len() == 1;
        let next = successors
            .into_iter()
            .next()
            .filter(|_| one)
            .map(|refresh| Tokens { refresh: Some(refresh), ..tokens.clone() });
        match next.map(|next| field.other_api().refresh(&next)) {
            Some(Ok(rotated)) => {
                held += 1;
                tokens = rotated;
            }
            _ => tokens = field.api().login("racer@example.com")?,
        }
    }
    let seen = format!("{}: {held} of {rounds} rounds of {WIDTH}", field.name);
    report.add("G03", "parallel refreshes: all answered, one successor, the session lives", seen, held == rounds);
    Ok(())
}

/// An old refresh token kills its session.
fn reuse(field: &Field, rounds: usize, report: &mut Report) -> Outcome {
    let mut held = 0;
    for _ in 0..rounds {
        let mut api = field.api();
        let first = api.login("racer@example.com")?;
        let second = api.refresh(&first)?;
        let third = field.other_api().refresh(&second)?;
        let replayed = api.send(&api::refresh_request(&first)?)?.status;
        let after = api.send(&api::refresh_request(&third)?)?.status;
        held += usize::from((replayed, after) == (401, 401));
    }
    let seen = format!("{}: {held} of {rounds}", field.name);
    report.add("G03", "a refresh token older than the last ends the session", seen, held == rounds);
    Ok(())
}

/// One mailed code, 64 times: one winner.
fn verify(field: &Field, rounds: usize, report: &mut Report) -> Outcome {
    let mut held = 0;
    for round in 0..rounds {
        let email = format!("verify{round}@example.com");
        let mut api = field.api();
        let pending = api.register(&email)?;
        let code = api.mailed(&email, std::time::Duration::from_secs(20), api::code_in)?;
        let request = post("/auth/register/verify", Some(&pending), Some(&json!({"code": code})));
        let replies = race(field, &vec![request; WIDTH])?;
        let refused = replies.iter().filter(|reply| (400..500).contains(&reply.status)).count();
        held += usize::from(count(&replies, 200) == 1 && refused == WIDTH - 1 && api.login(&email).is_ok());
    }
    let seen = format!("{}: {held} of {rounds} rounds of {WIDTH}", field.name);
    report.add("G02", "one verification code: one winner, the others refused", seen, held == rounds);
    Ok(())
}

/// One reset link, then one reset: one winner each. Resets hash, so some of the losers may meet a full queue (503).
fn reset(field: &Field, rounds: usize, report: &mut Report) -> Outcome {
    let (mut begun, mut done) = (0, 0);
    for round in 0..rounds {
        let email = format!("reset{round}@example.com");
        let mut api = field.api();
        api.sign_up(&email)?;
        let link = api.forgot(&email)?;
        let replies = race(field, &vec![api::begin_reset_request(&link); WIDTH])?;
        begun += usize::from(count(&replies, 200) == 1 && replies.iter().all(|reply| reply.status < 500));

        let link = api.forgot(&email)?;
        let tokens = api.begin_reset(&link)?;
        let passwords: Vec<String> = (0..WIDTH).map(|n| format!("{}-{n}", api::PASSWORD)).collect();
        let requests: Vec<_> = passwords
            .iter()
            .map(|password| post("/auth/password/reset", Some(&tokens), Some(&json!({"newPassword": password}))))
            .collect();
        let replies = race(field, &requests)?;
        let winners: Vec<&String> = replies
            .iter()
            .zip(&passwords)
            .filter(|(reply, _)| reply.status == 204)
            .map(|(_, password)| password)
            .collect();
        if let [winner] = winners.as_slice() {
            done += usize::from(api.send(&api::login_request(&email, winner))?.status == 200);
        }
    }
    let rounds_of = |held| format!("{}: {held} of {rounds} rounds of {WIDTH}", field.name);
    report.add("G02", "one reset link: one winner", rounds_of(begun), begun == rounds);
    report.add("G02", "one reset: one winner, and the winner's password counts", rounds_of(done), done == rounds);
    Ok(())
}
