//! H06: two thousand clients that take their time, and one that does not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::Bed;
use super::report::Report;
use crate::api::{self, Api};
use crate::bench::load::{Measured, Same, closed_loop};
use crate::http::request;
use crate::{Outcome, sample};

/// Slow connections open at once, a third of each kind.
const SLOW: usize = 2000;
/// Between two bytes of a slow connection.
const PACE: Duration = Duration::from_secs(1);
/// Measurements of each state, taken in turn.
const ROUNDS: usize = 5;
/// How often a slow client asks for the OpenAPI document before it reads: more than any socket holds.
const QUESTIONS: usize = 40;

/// How a client takes its time.
#[derive(Clone, Copy)]
enum Kind {
    /// One byte of a header after the other.
    Head,
    /// One byte of a body after the other.
    Body,
    /// One byte of an answer after the other.
    Read,
}

impl Kind {
    const fn of(number: usize) -> Self {
        match number % 3 {
            0 => Self::Head,
            1 => Self::Body,
            _ => Self::Read,
        }
    }

    /// What it says at once.
    fn first(self) -> Vec<u8> {
        match self {
            Self::Head => b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".to_vec(),
            Self::Body => b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\n\r\n{"
                .to_vec(),
            Self::Read => request("GET", "/api/v1/openapi.json", &[], None).repeat(QUESTIONS),
        }
    }
}

/// What the slow clients saw.
#[derive(Default)]
struct Seen {
    opened: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
}

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let service = bed.start("slow")?;
    let at = service.address();
    let tokens = Api::at(at).sign_up("quick@example.com")?;
    let duration = Duration::from_secs(bed.times(3, 10) as u64);
    let base = service.resident_kib()?;
    let verify = api::verify_token_request(&tokens);
    let headers = tokens.headers();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let status = request("GET", "/api/v1/auth/status", &headers, None);
    let measure = || -> Outcome<[Measured; 2]> {
        let one = |bytes: &Vec<u8>| closed_loop(at, &mut [Same(bytes.clone())], duration).map(|(measured, _)| measured);
        Ok([one(&verify)?, one(&status)?])
    };

    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let seen = Seen::default();
    for _ in 0..ROUNDS {
        alone.push(measure()?);
        beside.push(with_slow_clients(at, &seen, measure)?);
    }
    let opened = seen.opened.load(Ordering::Relaxed);
    let (ended, refused) = (seen.ended.load(Ordering::Relaxed), seen.refused.load(Ordering::Relaxed));
    report.note(
        "H06",
        "slow connections",
        format!("{SLOW} at once: {opened} opened, {ended} ended by the service, {refused} refused"),
    );
    for (what, pick) in [("token verification", 0), ("login status", 1)] {
        judge(what, &column(&alone, pick), &column(&beside, pick), report);
    }
    let (peak, base) = (service.peak_kib()?, base);
    let each = sample::float(peak.saturating_sub(base)) / sample::float(SLOW as u64);
    report.note(
        "H06",
        "memory",
        format!("{} MiB, peak {} MiB: {each:.0} KiB a slow connection", base / 1024, peak / 1024),
    );
    Ok(())
}

fn column(rounds: &[[Measured; 2]], pick: usize) -> Vec<Measured> {
    rounds.iter().filter_map(|round| round.get(pick).cloned()).collect()
}

fn judge(what: &str, alone: &[Measured], beside: &[Measured], report: &mut Report) {
    let middle =
        |rounds: &[Measured], of: fn(&Measured) -> f64| sample::median(&rounds.iter().map(of).collect::<Vec<_>>());
    let (p50, p50_beside) = (middle(alone, |m| m.p50), middle(beside, |m| m.p50));
    let (p99, p99_beside) = (middle(alone, |m| m.p99), middle(beside, |m| m.p99));
    let failed: u64 = alone.iter().chain(beside).map(|round| round.failed).sum();
    let ratio = p99_beside / p99;
    let seen = format!(
        "p50 {p50:.3} -> {p50_beside:.3} ms ({:.2}x), p99 {p99:.3} -> {p99_beside:.3} ms ({ratio:.2}x), {failed} failed",
        p50_beside / p50
    );
    report.add("H06", &format!("{what}: p99 beside {SLOW} slow clients within 2x"), seen, ratio <= 2.0 && failed == 0);
}

/// Runs `work` while [`SLOW`] connections are held open; those the service ends are opened again.
fn with_slow_clients<T>(at: SocketAddr, seen: &Seen, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let (stop, open) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| hold(at, seen, &stop, &open));
        let deadline = sample::now() + Duration::from_secs(30);
        while open.load(Ordering::Relaxed) < SLOW as u64 && sample::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let result = if open.load(Ordering::Relaxed) < SLOW as u64 {
            Err("the slow connections were not taken".into())
        } else {
            work()
        };
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn hold(at: SocketAddr, seen: &Seen, stop: &AtomicBool, open: &AtomicU64) {
    let mut streams: Vec<Option<TcpStream>> = (0..SLOW).map(|_| None).collect();
    let pause = PACE / u32::try_from(SLOW).unwrap_or(u32::MAX);
    let mut due = sample::now();
    while !stop.load(Ordering::Relaxed) {
        for (number, stream) in streams.iter_mut().enumerate() {
            match stream {
                None => *stream = begin(at, Kind::of(number), seen),
                Some(held) if !goes_on(held, Kind::of(number)) => {
                    seen.ended.fetch_add(1, Ordering::Relaxed);
                    *stream = begin(at, Kind::of(number), seen);
                }
                Some(_) => {}
            }
            due += pause;
            // Everybody connects at once first, and then each at its own moment.
            if open.load(Ordering::Relaxed) == SLOW as u64 {
                std::thread::sleep(due.saturating_duration_since(sample::now()));
            }
        }
        due = due.max(sample::now());
        open.store(streams.iter().flatten().count() as u64, Ordering::Relaxed);
    }
}

fn begin(at: SocketAddr, kind: Kind, seen: &Seen) -> Option<TcpStream> {
    let opened = TcpStream::connect_timeout(&at, Duration::from_secs(5)).and_then(|mut stream| {
        stream.set_nonblocking(true)?;
        // What the sockets do not take is not said; it is slow anyway.
        match stream.write(&kind.first()) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(stream),
        }
    });
    let counter = if opened.is_ok() { &seen.opened } else { &seen.refused };
    counter.fetch_add(1, Ordering::Relaxed);
    opened.ok()
}

/// One byte more. Whether the connection is still there.
fn goes_on(mut stream: &TcpStream, kind: Kind) -> bool {
    let mut byte = [0];
    let moved = match kind {
        Kind::Head | Kind::Body => match stream.read(&mut byte) {
            // An answer to half a request is a refusal, and the end.
            Ok(_) => return false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.write(b"a"),
            Err(error) => Err(error),
        },
        Kind::Read => match stream.read(&mut byte) {
            Ok(0) => return false,
            other => other,
        },
    };
    moved.is_ok() || moved.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_slow_is_the_limit_and_no_request_may_fail() {
        let of = |p99: f64, failed| vec![Measured { rate: 1.0, p50: 1.0, p99, cpu_micros: None, failed }; ROUNDS];
        let holds = |beside: &[Measured]| {
            let mut report = Report::default();
            judge("x", &of(1.0, 0), beside, &mut report);
            report.holds()
        };
        assert!(holds(&of(2.0, 0)));
        assert!(!holds(&of(2.1, 0)));
        assert!(!holds(&of(1.0, 1)));
    }
}
