//! G14: ten times the logins the machine can hash.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Bed;
use super::report::Report;
use crate::api::{self, Api};
use crate::bench::available_cores;
use crate::bench::load::{Same, closed_loop};
use crate::http::Connection;
use crate::{Outcome, sample};

/// Clients that log in at a fixed pace, enough that waiting ones do not slow the pace.
const CLIENTS: u32 = 128;
/// How long the service may take to be as it was.
const NORMAL_AGAIN: Duration = Duration::from_secs(5);
/// Memory of one hash, in MiB (19,456 KiB).
const HASH_MIB: f64 = 19.0;

/// One login attempt.
struct Attempt {
    status: u16,
    retry_after: bool,
    millis: f64,
}

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let service = bed.start("overload")?;
    let at = service.address();
    // Two accounts: so many logins end all earlier sessions of their own.
    let tokens = Api::at(at).sign_up("beside@example.com")?;
    Api::at(at).sign_up("crowd@example.com")?;
    let seconds = Duration::from_secs(bed.times(5, 60) as u64);
    let base_mib = mib(service.resident_kib()?);
    let login = api::login_request("crowd@example.com", api::PASSWORD);

    let mut honest = vec![Same(login.clone()); available_cores() * 2];
    let (capacity, _) = closed_loop(at, &mut honest, seconds)?;
    let mut probes = vec![Same(api::verify_token_request(&tokens)); 2];
    let (idle, _) = closed_loop(at, &mut probes, seconds)?;
    let usual = usual_login(at, &login)?;

    let pause = Duration::from_secs_f64(f64::from(CLIENTS) / (10.0 * capacity.rate));
    let stop = AtomicBool::new(false);
    let (attempts, flooded, stopped) = std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (login, stop) = (&login, &stop);
                scope.spawn(move || paced(at, login, pause, pause * n / CLIENTS, stop))
            })
            .collect();
        let flooded = closed_loop(at, &mut probes, seconds);
        stop.store(true, Ordering::Relaxed);
        let stopped = sample::now();
        let attempts: Vec<Attempt> = crowd.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect();
        (attempts, flooded, stopped)
    });
    let recovered = recovery(at, &login, usual, stopped);
    let (flooded, _) = flooded?;
    let seen = format!("{:.2} s until a login takes what it took before ({usual:.0} ms)", recovered.as_secs_f64());
    report.add("G14", "normal again in less than 5 s", seen, recovered < NORMAL_AGAIN);
    judge(&attempts, report);
    let offered = sample::float(attempts.len() as u64) / seconds.as_secs_f64();
    report.note(
        "G14",
        "load",
        format!("{offered:.0} logins/s offered, {:.0}/s is what the machine hashes", capacity.rate),
    );

    let ratio = flooded.p99 / idle.p99;
    let seen = format!("p99 {:.2} ms, idle {:.2} ms: {ratio:.1}x", flooded.p99, idle.p99);
    if available_cores() > 3 {
        report.add("G14", "verification p99 within 2x of idle", seen, ratio <= 2.0);
    } else {
        report.note("G14", "verification p99 (the load shares the cores)", seen);
    }
    let peak = mib(service.peak_kib()?);
    let limit = base_mib + sample::float(available_cores() as u64) * HASH_MIB + 64.0;
    let seen = format!("peak {peak:.0} MiB, base {base_mib:.0} MiB, limit {limit:.0} MiB");
    report.add("G14", "memory <= base + permits x hash memory + 64 MiB", seen, peak <= limit);
    Ok(())
}

/// What a login takes while nobody else wants one, in milliseconds: the middle of several.
fn usual_login(at: SocketAddr, login: &[u8]) -> Outcome<f64> {
    let mut connection = Connection::to(at);
    let mut millis = Vec::new();
    for _ in 0..9 {
        let (took, reply) = sample::timed(|| connection.send(login));
        reply?.expect(200, "login")?;
        millis.push(took);
    }
    Ok(sample::median(&millis))
}

/// How long it took since then until logins succeed, three in a row, each in at most twice the usual time. Gives up after a
/// minute.
fn recovery(at: SocketAddr, login: &[u8], usual: f64, stopped: Instant) -> Duration {
    let mut connection = Connection::to(at);
    loop {
        let since = stopped.elapsed();
        let normal = (0..3).all(|_| {
            let (took, reply) = sample::timed(|| connection.send(login));
            reply.is_ok_and(|reply| reply.status == 200) && took <= usual * 2.0
        });
        if normal || since > Duration::from_mins(1) {
            return since;
        }
    }
}

/// Logs in at a fixed pace, whatever the answers, until told to stop.
fn paced(at: SocketAddr, login: &[u8], pause: Duration, offset: Duration, stop: &AtomicBool) -> Vec<Attempt> {
    let mut connection = Connection::to(at);
    let mut attempts = Vec::new();
    let mut due = sample::now() + offset;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(sample::now()));
        let (millis, reply) = sample::timed(|| connection.send(login));
        // No answer at all counts as status 0: it is no documented answer to overload.
        attempts.push(reply.map_or(Attempt { status: 0, retry_after: false, millis }, |reply| Attempt {
            status: reply.status,
            retry_after: reply.header("retry-after").is_some(),
            millis,
        }));
        due += pause;
    }
    attempts
}

fn judge(attempts: &[Attempt], report: &mut Report) {
    let excess: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.status != 200).collect();
    let proper = excess.iter().filter(|attempt| attempt.status == 503 && attempt.retry_after).count();
    let seen = format!("{proper} of {}, {} logged in", excess.len(), attempts.len() - excess.len());
    report.add("G14", "excess logins get 503 with Retry-After", seen, !excess.is_empty() && proper == excess.len());
    let millis: Vec<f64> = excess.iter().map(|attempt| attempt.millis).collect();
    let (p99, worst) = (sample::percentile(&millis, 99), sample::percentile(&millis, 100));
    report.add("G14", "in less than 100 ms (p99)", format!("p99 {p99:.1} ms, worst {worst:.1} ms"), p99 < 100.0);
}

fn mib(kib: u64) -> f64 {
    sample::float(kib) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_refusal_than_503_breaks_the_promise() {
        let attempt = |status, retry_after| Attempt { status, retry_after, millis: 1.0 };
        let holds = |attempts: &[Attempt]| {
            let mut report = Report::default();
            judge(attempts, &mut report);
            report.holds()
        };
        assert!(holds(&[attempt(200, false), attempt(503, true)]));
        assert!(!holds(&[attempt(503, false)]));
        assert!(!holds(&[attempt(503, true), attempt(0, false)]));
        assert!(!holds(&[attempt(200, false)]));
        assert!(!holds(&[Attempt { status: 503, retry_after: true, millis: 150.0 }]));
    }
}
