//! What is measured, each case beside its limit, samples taken in turn (A B A B A B).

use std::path::Path;
use std::time::Duration;

use super::load::{Measured, Same, Script, closed_loop, with_cpu};
use super::table::{Row, Table, cell};
use super::tools::{Generator, Post};
use super::{Bench, wrk};
use crate::api::{self, Api, Tokens};
use crate::http::{Connection, Reply, request};
use crate::service::{Service, on_core};
use crate::{Outcome, sample, shell};

/// Samples of each figure.
pub(super) const SAMPLES: usize = 3;
/// Distinct tokens of [`distinct`].
const TOKENS: usize = 100_000;
pub(super) const VERIFY: &str = "/api/v1/auth/token/verify";
type Headers = Vec<(&'static str, String)>;

/// `token/verify` with one valid token, beside a bare actix-web endpoint that answers the same bytes.
pub(super) fn verify(bench: &Bench, service: &Service, table: &mut Table, connections: usize) -> Outcome {
    let tokens = Api::at(service.address()).login("bench@example.com")?;
    let headers = tokens.headers().to_vec();
    beside_bare(bench, service, &headers, connections, None, table, &format!("token/verify, {connections} connections"))
}

/// The same with many tokens in turn.
pub(super) fn distinct(bench: &Bench, service: &Service, table: &mut Table) -> Outcome {
    let case = "token/verify, 16 connections, 100,000 tokens";
    if matches!(bench.load, Generator::Oha(_)) {
        table.add(plain(case, "oha cannot rotate over tokens: install wrk", "–"));
        return Ok(());
    }
    let (headers, list) = many_tokens(service)?;
    let file = bench.folder.path().join("tokens");
    std::fs::write(&file, list.join("\n"))?;
    beside_bare(bench, service, &headers, 16, Some(&file), table, case)
}

fn beside_bare(
    bench: &Bench,
    service: &Service,
    headers: &Headers,
    connections: usize,
    tokens: Option<&Path>,
    table: &mut Table,
    case: &str,
) -> Outcome {
    let bare = start_bare(bench, service, headers)?;
    let sample_of = |server: &Service| {
        let post =
            Post { url: format!("http://{}{VERIFY}", server.address()), headers, connections, seconds: bench.seconds };
        with_cpu(server, || match tokens {
            Some(file) => wrk::run(&post, Some(file)),
            None => bench.load.run(&post),
        })
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        ours.push(sample_of(service)?);
        theirs.push(sample_of(&bare)?);
    }
    let (ours, theirs) = (Measured::median(&ours)?, Measured::median(&theirs)?);
    let ratio = ours.rate / theirs.rate;
    table.add(Row {
        case: case.into(),
        keystead: cell(&ours),
        beside: format!("bare actix-web: {}", cell(&theirs)),
        ratio: Some(ratio),
        target: if tokens.is_none() { ">= 0.70".into() } else { "reported".into() },
        met: tokens.is_none().then_some(ratio >= 0.70 && ours.failed == 0),
    });
    Ok(())
}

/// Starts the bare server with the status, header block and body that Keystead answers, and as many workers.
fn start_bare(bench: &Bench, service: &Service, headers: &Headers) -> Outcome<Service> {
    let borrowed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let reply = Connection::to(service.address()).send(&request("POST", VERIFY, &borrowed, None))?;
    let reply = reply.expect(200, "token/verify")?;
    let mut head = format!("{}\n", reply.status);
    for (name, value) in &reply.headers {
        // The framework writes these two by itself.
        if name != "content-length" && name != "date" {
            head.extend([name, ": ", value, "\n"]);
        }
    }
    let folder = bench.folder.path();
    std::fs::write(folder.join("head"), head)?;
    std::fs::write(folder.join("body"), &reply.body)?;
    let mut command = on_core(&bench.yardsticks, bench.server_core);
    command.args(["serve", VERIFY]).args([folder.join("head"), folder.join("body")]);
    command.arg(service.workers()?.max(1).to_string());
    Service::start(command, &folder.join("bare.log"))
}

/// Many access tokens of one session: a browser's, because `GET /auth/token` makes them without a rotation.
fn many_tokens(service: &Service) -> Outcome<(Headers, Vec<String>)> {
    let body = serde_json::json!({"identity": "bench@example.com", "password": api::PASSWORD}).to_string();
    let site = ("Sec-Fetch-Site", "same-origin");
    let mut connection = Connection::to(service.address());
    let login = connection.send(&request("POST", "/api/v1/auth/login", &[site], Some(&body)))?.expect(200, "login")?;
    let cookies: Vec<&str> = login
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .filter_map(|(_, value)| value.split(';').next())
        .collect();
    let client = cookies.iter().find(|cookie| cookie.contains("client=")).ok_or("login set no client cookie")?;
    let fresh = request("GET", "/api/v1/auth/token", &[site, ("Cookie", &cookies.join("; "))], None);
    let threads = 4;
    let parts: Vec<Outcome<Vec<String>>> = std::thread::scope(|scope| {
        let one = || {
            let mut connection = Connection::to(service.address());
            let mut token = || connection.send(&fresh)?.expect(200, "GET /auth/token")?.attribute("accessToken");
            (0..TOKENS / threads).map(|_| token()).collect()
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client panicked".into()))).collect()
    });
    let mut list = Vec::new();
    for part in parts {
        list.extend(part?);
    }
    let first = list.first().cloned().ok_or("no tokens")?;
    Ok((vec![("Cookie", (*client).to_owned()), ("Authorization", format!("Bearer {first}"))], list))
}

/// Registers new addresses, one after the other.
pub(super) struct Registrations {
    pub(super) client: String,
    pub(super) count: u64,
}

impl Script for Registrations {
    fn next(&mut self) -> Outcome<Vec<u8>> {
        self.count += 1;
        Ok(api::register_request(&format!("{}-{}@example.com", self.client, self.count)))
    }
}

/// Logins beside the raw Argon2 rate, registrations beside logins.
pub(super) fn login(bench: &Bench, service: &Service, table: &mut Table) -> Outcome {
    let duration = Duration::from_secs(bench.seconds);
    let clients = bench.cores() * 2;
    let (mut logins, mut raw, mut registers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..SAMPLES {
        let mut same = vec![Same(api::login_request("bench@example.com", api::PASSWORD)); clients];
        logins.push(with_cpu(service, || closed_loop(service.address(), &mut same, duration))?);
        raw.push(bench.raw_argon2()?);
        let mut new: Vec<_> =
            (0..clients).map(|client| Registrations { client: format!("new{round}-{client}"), count: 0 }).collect();
        registers.push(with_cpu(service, || closed_loop(service.address(), &mut new, duration))?);
    }
    let (logins, registers, raw) = (Measured::median(&logins)?, Measured::median(&registers)?, sample::median(&raw));
    let row = |case: &str, ours: &Measured, beside: String, limit: f64| Row {
        case: format!("{case}, {clients} connections"),
        keystead: cell(ours),
        beside,
        ratio: Some(ours.rate / limit),
        target: ">= 0.90".into(),
        met: Some(ours.rate / limit >= 0.90),
    };
    let mut login = row("login", &logins, format!("raw Argon2id on all cores: {raw:.1}/s"), raw);
    login.keystead = format!("{:.1}/s: {}", logins.rate, login.keystead);
    let mut register = row("register", &registers, format!("login: {:.1}/s", logins.rate), logins.rate);
    register.keystead = format!("{:.1}/s: {}", registers.rate, register.keystead);
    table.add(login);
    table.add(register);
    Ok(())
}

/// An audit event, sealed and linked, beside the login it is about.
pub(super) fn audit(bench: &Bench, table: &mut Table) -> Outcome {
    let folder = bench.folder.path().join("audit");
    std::fs::create_dir_all(&folder)?;
    let mut command = on_core(&bench.yardsticks, bench.server_core);
    command.arg("audit").arg(folder).arg("100");
    let printed: serde_json::Value = serde_json::from_str(&shell::read(&mut command)?)?;
    let figure =
        |name: &str| printed.get(name).and_then(serde_json::Value::as_f64).ok_or("yardsticks audit printed no figure");
    let (login, event, link) = (figure("login")?, figure("event")?, figure("link")?);
    let share = (event + link) / login;
    table.add(Row {
        case: "audit event of a login, sealed and linked".into(),
        keystead: format!("event {event:.0} us, link {link:.0} us"),
        beside: format!("login: {login:.0} us"),
        ratio: Some(share),
        target: "< 0.02".into(),
        met: Some(share < 0.02),
    });
    Ok(())
}

/// One session, refreshed over and over.
pub(super) struct Refreshes(pub(super) Tokens);

impl Script for Refreshes {
    fn next(&mut self) -> Outcome<Vec<u8>> {
        api::refresh_request(&self.0)
    }

    fn learn(&mut self, reply: &Reply) -> Outcome {
        self.0.refresh = Some(reply.attribute("refreshToken")?);
        if let Ok(client) = reply.attribute("clientId") {
            self.0.client = client;
        }
        Ok(())
    }
}

/// Refreshes of 16 sessions.
pub(super) fn refresh(bench: &Bench, service: &Service, table: &mut Table) -> Outcome {
    let mut api = Api::at(service.address());
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(Refreshes(api.login("bench@example.com")?));
    }
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        let load = || closed_loop(service.address(), &mut sessions, Duration::from_secs(bench.seconds));
        samples.push(with_cpu(service, load)?);
    }
    table.add(plain("refresh, 16 sessions", &cell(&Measured::median(&samples)?), "reported"));
    Ok(())
}

/// Verification on 8 connections, alone and while 16 connections log in without a pause.
pub(super) fn flood(bench: &Bench, service: &Service, table: &mut Table) -> Outcome {
    // Somebody else's: so many logins end all earlier sessions of their own account.
    let tokens = Api::at(service.address()).sign_up("beside@example.com")?;
    let headers = tokens.headers().to_vec();
    let verify = |seconds| {
        let url = format!("http://{}{VERIFY}", service.address());
        bench.load.run(&Post { url, headers: &headers, connections: 8, seconds }).map(|(measured, _)| measured)
    };
    let (mut idle, mut flooded, mut logins) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        idle.push(verify(bench.seconds)?);
        let mut same = vec![Same(api::login_request("bench@example.com", api::PASSWORD)); 16];
        let duration = Duration::from_secs(bench.seconds + 1);
        let (login, under) = std::thread::scope(|scope| {
            let hammer = scope.spawn(|| closed_loop(service.address(), &mut same, duration));
            let under = verify(bench.seconds);
            (hammer.join().unwrap_or_else(|_| Err("a client panicked".into())), under)
        });
        flooded.push(under?);
        logins.push(login?.0);
    }
    let (idle, flooded, logins) = (Measured::median(&idle)?, Measured::median(&flooded)?, Measured::median(&logins)?);
    let ratio = flooded.p99 / idle.p99;
    // The target is for a machine with a core to spare: one for the load, and one the hashes do not fill.
    let spare = super::available_cores() > 3;
    table.add(Row {
        case: "token/verify p99, 8 connections, while 16 hammer login".into(),
        keystead: format!("{}; logins {:.1}/s", cell(&flooded), logins.rate),
        beside: format!("idle: {}", cell(&idle)),
        ratio: Some(ratio),
        target: "p99 <= 3x with a free core".into(),
        met: spare.then_some(ratio <= 3.0),
    });
    table.add(Row {
        case: "token/verify rate in that flood".into(),
        keystead: format!("{:.0}/s", flooded.rate),
        beside: format!("idle: {:.0}/s", idle.rate),
        ratio: Some(flooded.rate / idle.rate),
        target: ">= 0.5 on shared cores".into(),
        met: Some(flooded.rate / idle.rate >= 0.5),
    });
    Ok(())
}

/// From the start of the process to the first 200 of `/health/ready`, keys and schema in place.
pub(super) fn cold_start(bench: &Bench, table: &mut Table) -> Outcome {
    drop(bench.start("cold")?);
    let mut starts = Vec::new();
    for _ in 0..10 {
        let (took, service) = sample::timed(|| bench.start("cold"));
        service?.kill();
        starts.push(took);
    }
    let median = sample::median(&starts);
    let slowest = sample::percentile(&starts, 100);
    let mut row =
        plain("cold start to the first 200", &format!("{median:.0} ms (slowest of 10: {slowest:.0})"), "< 300 ms");
    row.met = Some(median < 300.0);
    table.add(row);
    Ok(())
}

/// Resident set of a service that has nothing to do, in KiB.
pub(super) fn idle_memory(service: &Service) -> Outcome<u64> {
    std::thread::sleep(Duration::from_secs(1));
    service.resident_kib()
}

/// Idle and peak memory of the service that did all of the above.
pub(super) fn memory(bench: &Bench, service: &Service, idle_kib: u64, table: &mut Table) -> Outcome {
    let mib = |kib: u64| sample::float(kib) / 1024.0;
    let mut idle = plain("idle memory", &format!("{:.1} MiB", mib(idle_kib)), "< 40 MiB");
    idle.met = Some(mib(idle_kib) < 40.0);
    table.add(idle);
    let peak = service.peak_kib()?;
    table.add(plain("peak memory of this run", &format!("{:.1} MiB", mib(peak)), "reported"));
    let size = std::fs::metadata(&bench.keystead)?.len() / 1024;
    let mut binary = plain("binary", &format!("{:.1} MiB", mib(size)), "<= 40 MiB");
    binary.met = Some(mib(size) <= 40.0);
    table.add(binary);
    Ok(())
}

/// A figure beside nothing.
pub(super) fn plain(case: &str, figure: &str, target: &str) -> Row {
    Row {
        case: case.into(),
        keystead: figure.into(),
        beside: "–".into(),
        ratio: None,
        target: target.into(),
        met: None,
    }
}
