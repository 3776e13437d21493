//! F03-F06: a store is away. Tokens that were revoked stay refused, whoever needs the store is told so in time, and
//! everything works again without a restart.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystead_test_servers::Mode;

use super::super::Bed;
use super::super::report::Report;
use super::lag::{HOWS, person, revoke};
use super::site::Site;
use crate::api::{self, Api, Tokens};
use crate::http::{Connection, request};
use crate::{Outcome, sample};

/// Clients that probe.
const WIDTH: usize = 8;
/// How soon a request that needs the store is refused, and how soon it works again, in seconds.
const REFUSED_WITHIN: f64 = 2.0;
const WORKS_WITHIN: f64 = 5.0;
/// How slow the answer of a process about itself may be, in milliseconds.
const LIVE_WITHIN: f64 = 50.0;

/// One thing that happens to a store.
struct Fault {
    id: &'static str,
    name: &'static str,
    begin: fn(&Site) -> keystead_test_servers::Result,
    end: fn(&Site) -> keystead_test_servers::Result,
    /// Whether requests that need the store are refused meanwhile.
    refuses: bool,
}

const FAULTS: [Fault; 11] = [
    Fault { id: "F03", name: "Redis stopped", begin: |s| s.redis.stop(), end: |s| s.redis.restart(), refuses: true },
    Fault {
        id: "F03",
        name: "Redis killed",
        begin: |s| {
            s.redis.kill();
            Ok(())
        },
        end: |s| s.redis.restart(),
        refuses: true,
    },
    Fault {
        id: "F03",
        name: "Redis frozen",
        begin: |s| {
            s.redis.freeze();
            Ok(())
        },
        end: |s| {
            s.redis.thaw();
            Ok(())
        },
        refuses: true,
    },
    Fault {
        id: "F03",
        name: "Redis behind a black hole",
        begin: |s| s.to_redis.black_hole(),
        end: |s| s.to_redis.pass(),
        refuses: true,
    },
    Fault {
        id: "F04",
        name: "Redis emptied",
        begin: |s| s.redis.command(&["FLUSHALL"]).map(drop),
        end: |_| Ok(()),
        refuses: false,
    },
    Fault {
        id: "F05",
        name: "Redis 200 ms away",
        begin: |s| s.to_redis.latency(Duration::from_millis(200)),
        end: |s| s.to_redis.pass(),
        refuses: false,
    },
    Fault {
        id: "F06",
        name: "PostgreSQL stopped, fast",
        begin: |s| s.postgres.stop(Mode::Fast),
        end: |s| s.postgres.restart(),
        refuses: true,
    },
    Fault {
        id: "F06",
        name: "PostgreSQL stopped, immediate",
        begin: |s| s.postgres.stop(Mode::Immediate),
        end: |s| s.postgres.restart(),
        refuses: true,
    },
    Fault {
        id: "F06",
        name: "PostgreSQL killed",
        begin: |s| {
            s.postgres.kill();
            Ok(())
        },
        end: |s| s.postgres.restart(),
        refuses: true,
    },
    Fault {
        id: "F06",
        name: "PostgreSQL frozen",
        begin: |s| {
            s.postgres.freeze();
            Ok(())
        },
        end: |s| {
            s.postgres.thaw();
            Ok(())
        },
        refuses: true,
    },
    Fault {
        id: "F06",
        name: "PostgreSQL behind a black hole",
        begin: |s| s.to_postgres.black_hole(),
        end: |s| s.to_postgres.pass(),
        refuses: true,
    },
];

pub(in crate::prove) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let site = Site::start(bed, "outages", Duration::ZERO)?;
    for (number, fault) in FAULTS.iter().enumerate() {
        let dead = revoked(&site, number)?;
        let email = format!("alive{number}@example.com");
        person(&site, &email)?;
        let begun = sample::now();
        (fault.begin)(&site)?;
        // As long as the specification says, where it says so.
        let lasts = Duration::from_secs(if bed.full && fault.name.contains("frozen") { 30 } else { 3 });
        let stop = AtomicBool::new(false);
        let (seen, slowest, live) = std::thread::scope(|scope| {
            let probes = bed.times(200, 10_000).div_ceil(WIDTH);
            let probing: Vec<_> = (0..WIDTH)
                .map(|client| {
                    let (dead, stop, at) = (&dead, &stop, site.addresses());
                    scope.spawn(move || probe(&at, dead, client, probes, stop))
                })
                .collect();
            let asked = ask(&site, fault, &email);
            let left = lasts.saturating_sub(begun.elapsed());
            std::thread::sleep(left);
            stop.store(true, Ordering::SeqCst);
            let mut seen = BTreeMap::<u16, usize>::new();
            for client in probing {
                for (status, count) in client.join().map_err(|_| "a client panicked")?? {
                    *seen.entry(status).or_default() += count;
                }
            }
            let (slowest, live) = asked?;
            Outcome::Ok((seen, slowest, live))
        })?;
        (fault.end)(&site)?;
        let again = works_again(&site, &email)?;
        tell(fault, (&seen, slowest, live, again), report);
    }
    Ok(())
}

/// Adds what was seen of one fault.
fn tell(fault: &Fault, seen: (&BTreeMap<u16, usize>, f64, f64, f64), report: &mut Report) {
    let (seen, slowest, live, again) = seen;
    let probes: usize = seen.values().sum();
    let refused = seen.get(&401).unwrap_or(&0) + seen.get(&503).unwrap_or(&0);
    let accepted = probes - refused;
    let promise = format!("{}: revoked tokens accepted: none", fault.name);
    report.add("G05", &promise, format!("{accepted} of {probes} probes; {seen:?}"), accepted == 0 && probes > 0);
    let promise = format!("{}: refused in 2 s, alive in 50 ms (p99), back in 5 s", fault.name);
    let figures = format!("slowest refusal {slowest:.2} s, alive p99 {live:.1} ms, back after {again:.2} s");
    let holds = slowest < REFUSED_WITHIN && again < WORKS_WITHIN && live < LIVE_WITHIN;
    report.add(fault.id, &promise, figures, holds);
}

/// Tokens revoked in every way, which both replicas refuse.
fn revoked(site: &Site, number: usize) -> Outcome<Vec<Tokens>> {
    let mut dead = Vec::new();
    for (place, (how, _)) in HOWS.iter().enumerate() {
        let email = format!("dead{number}-{place}@example.com");
        let tokens = person(site, &email)?;
        revoke(site, &email, &tokens, *how)?;
        let deadline = sample::now() + Duration::from_secs(1);
        while site.api(1).send(&api::verify_token_request(&tokens))?.status != 401 {
            if sample::now() > deadline {
                return Err("a revocation was not seen within a second".into());
            }
        }
        dead.push(tokens);
    }
    Ok(dead)
}

/// Shows the revoked tokens to both replicas, at least so often and until told to stop.
fn probe(
    at: &[std::net::SocketAddr],
    dead: &[Tokens],
    client: usize,
    least: usize,
    stop: &AtomicBool,
) -> Outcome<BTreeMap<u16, usize>> {
    let mut replicas: Vec<Connection> = at.iter().map(|address| Connection::to(*address)).collect();
    let requests: Vec<Vec<u8>> = dead.iter().map(api::verify_token_request).collect();
    let mut seen = BTreeMap::new();
    for (count, request) in requests.iter().cycle().skip(client).enumerate() {
        if count >= least && stop.load(Ordering::SeqCst) {
            break;
        }
        let replica = (client + count / requests.len()) % replicas.len();
        let Some(replica) = replicas.get_mut(replica) else { break };
        *seen.entry(replica.send(request)?.status).or_insert(0) += 1;
        // Thousands a second would only measure how fast a token is refused.
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(seen)
}

/// Logins on both replicas while the store is away, and questions whether the process lives. Returns the slowest of the
/// former in seconds and the 99th percentile of the latter in milliseconds.
fn ask(site: &Site, fault: &Fault, email: &str) -> Outcome<(f64, f64)> {
    let mut slowest: f64 = 0.0;
    let mut lives = Vec::new();
    let live = request("GET", "/health/live", &[], None);
    for n in [0, 1, 0, 1] {
        let mut api = site.api(n);
        let (took, reply) = sample::timed(|| api.send(&api::login_request(email, api::PASSWORD)));
        let reply = reply?;
        let is_refusal = reply.status == 503 && reply.header("retry-after").is_some();
        if fault.refuses {
            slowest = slowest.max(took / 1000.0);
            if !is_refusal {
                return Err(format!("{}: a login was answered {}", fault.name, reply.status).into());
            }
        } else if !(is_refusal || reply.status == 200) {
            return Err(format!("{}: a login was answered {}", fault.name, reply.status).into());
        }
        for _ in 0..50 {
            let (took, reply) = sample::timed(|| api.send(&live));
            reply?.expect(200, "/health/live")?;
            lives.push(took);
        }
    }
    Ok((slowest, sample::percentile(&lives, 99)))
}

/// Seconds until both replicas sign in, refresh and vouch for tokens again.
fn works_again(site: &Site, email: &str) -> Outcome<f64> {
    let begun = sample::now();
    let works = |mut api: Api| -> Outcome<bool> {
        let login = api.send(&api::login_request(email, api::PASSWORD))?;
        if login.status != 200 {
            return Ok(false);
        }
        let tokens = Tokens::read(&login, None)?;
        let refreshed = api.send(&api::refresh_request(&tokens)?)?;
        Ok(refreshed.status == 200 && api.send(&api::verify_token_request(&tokens))?.status == 200)
    };
    for n in [0, 1] {
        while !works(site.api(n))? {
            if begun.elapsed() > Duration::from_mins(1) {
                return Err("it did not work again within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}
