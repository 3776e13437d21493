//! One, two and three replicas on this machine: what more of them cost their stores while nothing is asked, and what they
//! answer together. The cores stay the same, so that rates show what replicas stand in each other's way, not how far they
//! scale.

use std::net::SocketAddr;
use std::time::Duration;

use super::Bench;
use super::cases::{Refreshes, SAMPLES, plain};
use super::load::{Measured, Same, closed_loop};
use super::shared::USER;
use super::stores::{Config, Stores};
use super::table::{Table, cell};
use crate::api::{self, Api};
use crate::service::Service;
use crate::{Outcome, sample};

/// Connections of the load, however many replicas there are: what three can share evenly.
const CLIENTS: usize = 12;

/// Starts them one after the other.
pub(super) fn run(bench: &Bench, table: &mut Table) -> Outcome {
    let stores = Stores::start()?;
    let database = stores.postgres.fresh_database()?;
    let folder = bench.folder.path().join("replicas");
    std::fs::create_dir(&folder)?;
    let config =
        Config::shared(&bench.keystead, folder.join("replicas.toml"), &database, &stores.redis, Some(&stores.mail))?;
    let mut replicas: Vec<Service> = Vec::new();
    for count in 1..=3 {
        replicas.push(config.serve(bench.server_core, &format!("replica-{count}.log"), &[])?);
        if count == 1 {
            config.add_user(USER, &[])?;
        }
        let addresses: Vec<SocketAddr> = replicas.iter().map(Service::address).collect();
        let idle = idle(&stores, &replicas)?;
        table.add(plain(&format!("{count} replicas, asked nothing"), &idle, "reported"));
        let refresh = together(bench, &addresses, |address| Ok(Refreshes(Api::at(address).login(USER)?)))?;
        table.add(plain(&format!("{count} replicas: refresh, {CLIENTS} sessions"), &cell(&refresh), "reported"));
        let login = together(bench, &addresses, |_| Ok(Same(api::login_request(USER, api::PASSWORD))))?;
        let held = stores.postgres.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keystead' AND backend_type = 'client backend'",
        )?;
        let login = format!("{}; {} PostgreSQL connections", cell(&login), held.trim());
        table.add(plain(&format!("{count} replicas: login, {CLIENTS} connections"), &login, "reported"));
    }
    Ok(())
}

/// What replicas that are asked nothing ask of their stores, a second.
fn idle(stores: &Stores, replicas: &[Service]) -> Outcome<String> {
    wait_for_mail(stores);
    let span = Duration::from_secs(5);
    let cpu = || replicas.iter().map(Service::cpu_seconds).sum::<Outcome<f64>>();
    let before = cpu()?;
    stores.forget_statements()?;
    stores.forget_commands()?;
    std::thread::sleep(span);
    let (statements, commands) = (stores.statements()?, stores.commands()?);
    let seconds = span.as_secs_f64();
    let calls = |counts: &std::collections::BTreeMap<String, (u64, f64)>, of: &dyn Fn(&str) -> bool| {
        let sum: u64 = counts.iter().filter(|(name, _)| of(name)).map(|(_, (calls, _))| calls).sum();
        sample::float(sum) / seconds
    };
    let transactions = calls(&statements, &|text| text.starts_with("BEGIN"));
    let selects = calls(&statements, &|text| text.starts_with("SELECT"));
    let millis: f64 = statements.values().map(|(calls, mean)| sample::float(*calls) * mean).sum();
    let scripts = calls(&commands, &|name| name == "evalsha" || name == "fcall" || name == "xread");
    Ok(format!(
        "{transactions:.1} transactions/s with {selects:.1} look-ups/s, {:.2} ms of PostgreSQL a second; {scripts:.1} commands/s to Redis; {:.1} ms of processor a second",
        millis / seconds,
        (cpu()? - before) * 1000.0 / seconds
    ))
}

/// Returns when everything that was written has been sent: nothing came for a second.
fn wait_for_mail(stores: &Stores) {
    let mut before = None;
    while before != Some(stores.mail.taken()) {
        before = Some(stores.mail.taken());
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The same load on all of them at once, clients spread evenly.
fn together<S: super::load::Script>(
    bench: &Bench,
    addresses: &[SocketAddr],
    client: impl Fn(SocketAddr) -> Outcome<S>,
) -> Outcome<Measured> {
    let duration = Duration::from_secs(bench.seconds);
    let each = CLIENTS / addresses.len();
    let mut groups = Vec::new();
    for address in addresses {
        groups.push((*address, (0..each).map(|_| client(*address)).collect::<Outcome<Vec<S>>>()?));
    }
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        let parts: Vec<Outcome<Measured>> = std::thread::scope(|scope| {
            let run = |(address, scripts): &mut (SocketAddr, Vec<S>)| closed_loop(*address, scripts, duration);
            let all: Vec<_> = groups.iter_mut().map(|group| scope.spawn(move || run(group))).collect();
            let joined =
                all.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client panicked".into())));
            joined.map(|part| part.map(|(measured, _)| measured)).collect()
        });
        let parts = parts.into_iter().collect::<Outcome<Vec<Measured>>>()?;
        let slowest = |figure: fn(&Measured) -> f64| parts.iter().map(figure).fold(0.0, f64::max);
        samples.push(Measured {
            rate: parts.iter().map(|part| part.rate).sum(),
            p50: slowest(|part| part.p50),
            p99: slowest(|part| part.p99),
            cpu_micros: None,
            failed: parts.iter().map(|part| part.failed).sum(),
        });
    }
    Measured::median(&samples)
}
