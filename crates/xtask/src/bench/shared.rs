//! The service on PostgreSQL and Redis beside the same binary on SQLite; servers count as one with the service.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_test_servers::Database;

use super::cases::{Refreshes, Registrations, SAMPLES, VERIFY, plain};
use super::load::{Measured, Same, closed_loop, with_cpu};
use super::stores::{Config, Stores};
use super::table::{Row, Table, cell};
use super::tools::Post;
use super::{Bench, Case};
use crate::api::{self, Api};
use crate::service::Service;
use crate::{Outcome, sample};

pub(super) const USER: &str = "bench@example.com";
/// Refreshes a second of the fastest peer that rotates, measured on a machine of two cores.
const BEST_PEER_REFRESH: f64 = 549.0;
/// Operations whose statements are counted.
const COUNTED: u32 = 40;

/// Everything a case of this file needs.
struct Pair<'a> {
    bench: &'a Bench,
    stores: Stores,
    database: Database,
    embedded: Service,
    shared: Service,
}

/// Starts servers and two services, and measures what is wanted.
pub(super) fn run(bench: &Bench, wanted: impl Fn(Case) -> bool, table: &mut Table) -> Outcome {
    let stores = Stores::start()?;
    let folder = bench.folder.path().join("pair");
    std::fs::create_dir(&folder)?;
    let on_file = Config::embedded(&bench.keystead, &folder, Some(&stores.mail))?;
    let database = stores.postgres.fresh_database()?;
    let on_servers =
        Config::shared(&bench.keystead, folder.join("shared.toml"), &database, &stores.redis, Some(&stores.mail))?;
    let embedded = on_file.serve(bench.server_core, "embedded.log", &[])?;
    let shared = on_servers.serve(bench.server_core, "shared.log", &[])?;
    on_file.add_user(USER, &[])?;
    on_servers.add_user(USER, &[])?;
    let pair = Pair { bench, stores, database, embedded, shared };
    if wanted(Case::Verify) {
        verify(&pair, table)?;
    }
    if wanted(Case::Login) {
        latency(&pair, table)?;
        throughput(&pair, table)?;
    }
    if wanted(Case::Refresh) {
        refresh(&pair, table)?;
    }
    let Pair { stores, embedded, shared, .. } = pair;
    drop((embedded, shared));
    if wanted(Case::Statements) {
        let database = stores.postgres.fresh_database()?;
        let quiet = Config::shared(&bench.keystead, folder.join("quiet.toml"), &database, &stores.redis, None)?;
        let service = quiet.serve(bench.server_core, "quiet.log", &["store.redis_prefix=quiet"])?;
        quiet.add_user(USER, &["store.redis_prefix=quiet"])?;
        statements(&stores, &service, table)?;
    }
    Ok(())
}

/// `token/verify` with no round trip: the same rate on both.
fn verify(pair: &Pair<'_>, table: &mut Table) -> Outcome {
    let sample_of = |service: &Service| {
        let headers = Api::at(service.address()).login(USER)?.headers().to_vec();
        let url = format!("http://{}{VERIFY}", service.address());
        let post = Post { url, headers: &headers, connections: 16, seconds: pair.bench.seconds };
        with_cpu(service, || pair.bench.load.run(&post))
    };
    let (mut shared, mut embedded) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        shared.push(sample_of(&pair.shared)?);
        embedded.push(sample_of(&pair.embedded)?);
    }
    let (shared, embedded) = (Measured::median(&shared)?, Measured::median(&embedded)?);
    let ratio = shared.rate / embedded.rate;
    table.add(Row {
        case: "token/verify on PostgreSQL + Redis, 16 connections".into(),
        keystead: cell(&shared),
        beside: format!("embedded: {}", cell(&embedded)),
        ratio: Some(ratio),
        target: ">= 0.90".into(),
        met: Some(ratio >= 0.90 && shared.failed == 0),
    });
    Ok(())
}

/// One client, so that nothing waits for anything but its own stores: what a login takes beyond its hash. Taken in turn
/// second by second; the difference of each turn is a sample.
fn latency(pair: &Pair<'_>, table: &mut Table) -> Outcome {
    let turns = pair.bench.seconds * 3;
    let (mut beyond, mut beyond_embedded, mut hashes, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let login = |service: &Service| {
            let mut same = [Same(api::login_request(USER, api::PASSWORD))];
            closed_loop(service.address(), &mut same, Duration::from_secs(1)).map(|(measured, _)| measured)
        };
        let shared = login(&pair.shared)?;
        let hash = 1000.0 / pair.bench.raw_argon2_on(1, 1)?;
        beyond.push(shared.p50 - hash);
        beyond_embedded.push(login(&pair.embedded)?.p50 - hash);
        hashes.push(hash);
        whole.push(shared);
    }
    let (shared, hash, beyond) = (Measured::median(&whole)?, sample::median(&hashes), sample::median(&beyond));
    let beyond_embedded = sample::median(&beyond_embedded);
    table.add(Row {
        case: "login on PostgreSQL + Redis, one connection".into(),
        keystead: format!("{}: {beyond:.2} ms above the hash", cell(&shared)),
        beside: format!("raw Argon2id {hash:.2} ms; embedded {beyond_embedded:.2} ms above it"),
        ratio: Some(shared.p50 / hash),
        target: "p50 < 5 ms above the hash".into(),
        met: Some(beyond < 5.0 && shared.failed == 0),
    });
    Ok(())
}

/// As many logins as the cores can hash, and registrations beside them.
fn throughput(pair: &Pair<'_>, table: &mut Table) -> Outcome {
    let duration = Duration::from_secs(pair.bench.seconds);
    let clients = pair.bench.cores() * 2;
    let (mut logins, mut raw, mut registers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..SAMPLES {
        let mut same = vec![Same(api::login_request(USER, api::PASSWORD)); clients];
        logins.push(with_cpu(&pair.shared, || closed_loop(pair.shared.address(), &mut same, duration))?);
        raw.push(pair.bench.raw_argon2()?);
        let mut new: Vec<_> =
            (0..clients).map(|client| Registrations { client: format!("pair{round}-{client}"), count: 0 }).collect();
        registers.push(with_cpu(&pair.shared, || closed_loop(pair.shared.address(), &mut new, duration))?);
    }
    let (logins, registers, raw) = (Measured::median(&logins)?, Measured::median(&registers)?, sample::median(&raw));
    // Server, PostgreSQL, Redis and the load generator share the cores: less is left for hashes than embedded.
    let row = |case: &str, ours: &Measured, beside: String, limit: f64, met| Row {
        case: format!("{case} on PostgreSQL + Redis, {clients} connections"),
        keystead: cell(ours),
        beside,
        ratio: Some(ours.rate / limit),
        target: if met { ">= 0.90".into() } else { "reported".into() },
        met: met.then_some(ours.rate / limit >= 0.90 && ours.failed == 0),
    };
    table.add(row("login", &logins, format!("raw Argon2id on all cores: {raw:.1}/s"), raw, false));
    table.add(row("register", &registers, format!("login: {:.1}/s", logins.rate), logins.rate, true));
    let mails = pair.stores.mail.taken();
    table.add(plain("mail sent meanwhile by the one replica", &format!("{mails} mails"), "reported"));
    Ok(())
}

/// Refreshes of 16 sessions, and what PostgreSQL had to do with them.
fn refresh(pair: &Pair<'_>, table: &mut Table) -> Outcome {
    let mut api = Api::at(pair.shared.address());
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(Refreshes(api.login(USER)?));
    }
    let duration = Duration::from_secs(pair.bench.seconds);
    let (mut samples, mut refreshed, mut rows) = (Vec::new(), 0, 0);
    // What is read in the background while nobody asks for anything is not the doing of a refresh.
    let idle = read_rows(pair, || nothing_for(duration))?.1;
    for _ in 0..SAMPLES {
        let (measured, own) = read_rows(pair, || {
            let load = || closed_loop(pair.shared.address(), &mut sessions, duration);
            with_cpu(&pair.shared, load)
        })?;
        refreshed += 1;
        rows += own.saturating_sub(idle);
        samples.push(measured);
    }
    let measured = Measured::median(&samples)?;
    let ratio = measured.rate / BEST_PEER_REFRESH;
    table.add(Row {
        case: "refresh on PostgreSQL + Redis, 16 sessions".into(),
        keystead: cell(&measured),
        beside: format!(
            "{BEST_PEER_REFRESH}/s, the best peer that rotates; PostgreSQL transactions beyond those of an idle service: {} a sample",
            rows / refreshed
        ),
        ratio: Some(ratio),
        target: ">= 3, no SQL".into(),
        // A hundredth of the refreshes would show; the polls of a service under load come a little late or early.
        met: Some(ratio >= 3.0 && measured.failed == 0 && sample::float(rows / refreshed) < measured.rate / 10.0),
    });
    Ok(())
}

/// Leaves the service to what it does by itself.
#[expect(clippy::unnecessary_wraps, reason = "stands where work may fail")]
fn nothing_for(duration: Duration) -> Outcome {
    std::thread::sleep(duration);
    Ok(())
}

/// Runs something and counts PostgreSQL's transactions meanwhile.
fn read_rows<T>(pair: &Pair<'_>, work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, u64)> {
    let before = pair.stores.transactions(&pair.database)?;
    let result = work()?;
    Ok((result, pair.stores.transactions(&pair.database)?.saturating_sub(before)))
}

/// What PostgreSQL and Redis are asked per operation, on a service that sends no mail.
fn statements(stores: &Stores, service: &Service, table: &mut Table) -> Outcome {
    let mut api = Api::at(service.address());
    let mut tokens = api.login(USER)?;
    // Scripts are loaded, statements prepared, caches warm.
    tokens = api.refresh(&tokens)?;
    let counted = Counted { stores, idle: Costs::of(stores, || nothing_for(Duration::from_secs(3)))? };
    let get = |path: &'static str| move |api: &mut Api, tokens: &api::Tokens| get(api, path, tokens);
    counted.add(table, "login", || api.login(USER).map(drop))?;
    let mut count = 0;
    counted.add(table, "register", || {
        count += 1;
        api.register(&format!("counted{count}@example.com")).map(drop)
    })?;
    counted.add(table, "refresh", || {
        tokens = api.refresh(&tokens)?;
        Ok(())
    })?;
    counted.add(table, "token/verify", || {
        api.send(&api::verify_token_request(&tokens))?.expect(200, "token/verify").map(drop)
    })?;
    counted.add(table, "GET /users/me", || get("/api/v1/users/me")(&mut api, &tokens))?;
    counted.add(table, "GET /sessions", || get("/api/v1/sessions")(&mut api, &tokens))?;
    counted.add(table, "password/forgot", || {
        api.send(&api::forgot_request("nobody@example.com"))?.expect(202, "password/forgot").map(drop)
    })
}

pub(super) fn get(api: &mut Api, path: &str, tokens: &api::Tokens) -> Outcome {
    let headers = tokens.headers();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    api.send(&crate::http::request("GET", path, &headers, None))?.expect(200, path).map(drop)
}

/// Calls of statements and commands, and how long they were counted.
struct Costs {
    statements: BTreeMap<String, (u64, f64)>,
    commands: BTreeMap<String, (u64, f64)>,
    millis: f64,
}

impl Costs {
    fn of(stores: &Stores, work: impl FnOnce() -> Outcome) -> Outcome<Self> {
        stores.forget_statements()?;
        stores.forget_commands()?;
        let (millis, done) = sample::timed(work);
        done?;
        Ok(Self { statements: stores.statements()?, commands: stores.commands()?, millis })
    }
}

struct Counted<'a> {
    stores: &'a Stores,
    idle: Costs,
}

impl Counted<'_> {
    fn add(&self, table: &mut Table, case: &str, mut work: impl FnMut() -> Outcome) -> Outcome {
        let costs = Costs::of(self.stores, || (0..COUNTED).try_for_each(|_| work()))?;
        let share = costs.millis / self.idle.millis;
        let statements = per_operation(&costs.statements, &self.idle.statements, share);
        let commands = per_operation(&costs.commands, &self.idle.commands, share);
        // The former are sent together with BEGIN; the latter PostgreSQL asks itself, to check foreign keys.
        let own = ["SET LOCAL", "SELECT 1 FROM ONLY"];
        let asked = statements.iter().filter(|(text, ..)| own.iter().all(|own| !text.starts_with(own)));
        let (trips, millis) =
            asked.fold((0.0, 0.0), |(trips, millis), (_, calls, mean)| (trips + calls, millis + calls * mean));
        let commits: f64 = statements.iter().filter(|(text, ..)| text == "COMMIT").map(|(_, calls, _)| calls).sum();
        let redis: Vec<String> = commands.iter().map(|(name, calls, _)| format!("{name} {calls:.1}")).collect();
        println!("{case}:");
        for (text, calls, mean) in &statements {
            println!("  {calls:5.2} x {mean:.3} ms  {}", text.chars().take(150).collect::<String>());
        }
        table.add(plain(
            &format!("{case}: what it asks PostgreSQL and Redis"),
            &format!(
                "{trips:.1} round trips of SQL, {commits:.1} commits, {millis:.2} ms in PostgreSQL; Redis: {}",
                redis.join(", ")
            ),
            "reported",
        ));
        Ok(())
    }
}

/// Calls per operation beyond those of an idle service, and the mean cost of one.
fn per_operation(
    counted: &BTreeMap<String, (u64, f64)>,
    idle: &BTreeMap<String, (u64, f64)>,
    share: f64,
) -> Vec<(String, f64, f64)> {
    let row = |(text, (calls, cost)): (&String, &(u64, f64))| {
        let background = idle.get(text).map_or(0.0, |(calls, _)| sample::float(*calls) * share);
        (text.clone(), (sample::float(*calls) - background) / f64::from(COUNTED), *cost)
    };
    // Polls come a little more or less often than in the idle time.
    counted.iter().map(row).filter(|(_, calls, _)| *calls > 0.2).collect()
}
