//! G02 and G03: 64 requests at the same moment, over and over.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Barrier;

use serde_json::json;

use super::Bed;
use super::report::Report;
use crate::Outcome;
use crate::api::{self, Api, Tokens, post};
use crate::http::{Connection, Reply};

/// How many requests race.
const WIDTH: usize = 64;

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let service = bed.start("races")?;
    let rounds = bed.times(10, 100);
    let at = service.address();
    Api::at(at).sign_up("racer@example.com")?;
    refresh(at, rounds, report)?;
    reuse(at, rounds, report)?;
    verify(at, rounds, report)?;
    reset(at, rounds, report)
}

/// Sends all requests at once, each on an open connection of its own.
fn race(at: SocketAddr, requests: &[Vec<u8>]) -> Outcome<Vec<Reply>> {
    let start = Barrier::new(requests.len());
    let one = |request: &Vec<u8>| -> Outcome<Reply> {
        let connection = Connection::open(at);
        // Also after an error: the others wait for everybody.
        start.wait();
        connection?.send(request)
    };
    let replies: Vec<Outcome<Reply>> = std::thread::scope(|scope| {
        let all: Vec<_> = requests.iter().map(|request| scope.spawn(|| one(request))).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client panicked".into()))).collect()
    });
    replies.into_iter().collect()
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

/// One refresh token, 64 times: one rotation, the same successor for all, and it works.
fn refresh(at: SocketAddr, rounds: usize, report: &mut Report) -> Outcome {
    let mut held = 0;
    let mut tokens = Api::at(at).login("racer@example.com")?;
    for _ in 0..rounds {
        let replies = race(at, &vec![api::refresh_request(&tokens)?; WIDTH])?;
        let successors: BTreeSet<String> =
            replies.iter().filter_map(|reply| reply.attribute("refreshToken").ok()).collect();
        let one = count(&replies, 200) == WIDTH && successors.len() == 1;
        let next = successors
            .into_iter()
            .next()
            .filter(|_| one)
            .map(|refresh| Tokens { refresh: Some(refresh), ..tokens.clone() });
        match next.map(|next| Api::at(at).refresh(&next)) {
            Some(Ok(rotated)) => {
                held += 1;
                tokens = rotated;
            }
            _ => tokens = Api::at(at).login("racer@example.com")?,
        }
    }
    let seen = format!("{held} of {rounds} rounds of {WIDTH}");
    report.add("G03", "parallel refreshes: all answered, one successor, the session lives", seen, held == rounds);
    Ok(())
}

/// An old refresh token kills its session.
fn reuse(at: SocketAddr, rounds: usize, report: &mut Report) -> Outcome {
    let mut held = 0;
    for _ in 0..rounds {
        let mut api = Api::at(at);
        let first = api.login("racer@example.com")?;
        let second = api.refresh(&first)?;
        let third = api.refresh(&second)?;
        let replayed = api.send(&api::refresh_request(&first)?)?.status;
        let after = api.send(&api::refresh_request(&third)?)?.status;
        held += usize::from((replayed, after) == (401, 401));
    }
    let seen = format!("{held} of {rounds}");
    report.add("G03", "a refresh token older than the last ends the session", seen, held == rounds);
    Ok(())
}

/// One mailed code, 64 times: one winner.
fn verify(at: SocketAddr, rounds: usize, report: &mut Report) -> Outcome {
    let mut held = 0;
    for round in 0..rounds {
        let email = format!("verify{round}@example.com");
        let mut api = Api::at(at);
        let pending = api.register(&email)?;
        let code = api.mailed(&email, std::time::Duration::from_secs(20), api::code_in)?;
        let request = post("/auth/register/verify", Some(&pending), Some(&json!({"code": code})));
        let replies = race(at, &vec![request; WIDTH])?;
        let refused = replies.iter().filter(|reply| (400..500).contains(&reply.status)).count();
        held += usize::from(count(&replies, 200) == 1 && refused == WIDTH - 1 && api.login(&email).is_ok());
    }
    let seen = format!("{held} of {rounds} rounds of {WIDTH}");
    report.add("G02", "one verification code: one winner, the others refused", seen, held == rounds);
    Ok(())
}

/// One reset link, then one reset: one winner each. Resets hash, so some of the losers may meet a full queue (503).
fn reset(at: SocketAddr, rounds: usize, report: &mut Report) -> Outcome {
    let (mut begun, mut done) = (0, 0);
    for round in 0..rounds {
        let email = format!("reset{round}@example.com");
        let mut api = Api::at(at);
        api.sign_up(&email)?;
        let link = api.forgot(&email)?;
        let replies = race(at, &vec![api::begin_reset_request(&link); WIDTH])?;
        begun += usize::from(count(&replies, 200) == 1 && replies.iter().all(|reply| reply.status < 500));

        let link = api.forgot(&email)?;
        let tokens = api.begin_reset(&link)?;
        let passwords: Vec<String> = (0..WIDTH).map(|n| format!("{}-{n}", api::PASSWORD)).collect();
        let requests: Vec<_> = passwords
            .iter()
            .map(|password| post("/auth/password/reset", Some(&tokens), Some(&json!({"newPassword": password}))))
            .collect();
        let replies = race(at, &requests)?;
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
    let rounds_of = |held| format!("{held} of {rounds} rounds of {WIDTH}");
    report.add("G02", "one reset link: one winner", rounds_of(begun), begun == rounds);
    report.add("G02", "one reset: one winner, and the winner's password counts", rounds_of(done), done == rounds);
    Ok(())
}
