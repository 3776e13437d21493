//! `keystead doctor`: tries everything the service needs.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::args::DataArgs;
use super::data;
use super::outcome::{Outcome, Trouble, say};
use crate::compose::{self, Finding};
use crate::config::{Config, Data, MailTransport};

/// How long to wait for the mail server.
const REACH: Duration = Duration::from_secs(5);

/// Tries everything, prints a line each, fails when one failed.
pub(super) fn run(args: &DataArgs, json: bool) -> Outcome {
    let config = data::config(args)?;
    let mut findings = vec![
        ("configuration", finding(safety(&config))),
        ("migrations", finding(migrations(&config))),
        ("mail", finding(mail(&config))),
        ("templates", finding(templates(&config))),
        ("certificate", finding(certificate(&config))),
    ];
    findings.extend(shared_stores(&config)?);
    findings.push(("database", finding(store_and_keys(args))));
    for (what, finding) in &findings {
        let (state, text) = match finding {
            Finding::Good(text) => ("ok", text),
            Finding::Doubtful(text) => ("doubtful", text),
            Finding::Bad(text) => ("failed", text),
        };
        if json {
            say(serde_json::json!({ "check": what, "state": state, "detail": text }));
        } else {
            say(format!("{state:8}  {what:13}  {text}"));
        }
    }
    let failed = findings.iter().filter(|(_, finding)| matches!(finding, Finding::Bad(_))).count();
    if failed == 0 { Ok(()) } else { Err(Trouble::failed(format!("{failed} checks failed"))) }
}

fn finding(result: Result<String, String>) -> Finding {
    result.map_or_else(Finding::Bad, Finding::Good)
}

fn safety(config: &Config) -> Result<String, String> {
    let dangers = if config.dev { Vec::new() } else { config.check_safety() };
    if dangers.is_empty() {
        return Ok("valid and safe".into());
    }
    Err(dangers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn migrations(config: &Config) -> Result<String, String> {
    match compose::pending_migrations(config) {
        Ok(pending) if pending.is_empty() => Ok("the database has this version's form".into()),
        Ok(pending) if migrates_itself(config) => Ok(format!("{} to be applied at start", pending.len())),
        Ok(pending) => Err(format!("{} are missing; run `keystead migrate` (store.migrate = false)", pending.len())),
        Err(error) => Err(error.to_string()),
    }
}

fn migrates_itself(config: &Config) -> bool {
    match &config.store.data {
        Data::Embedded(_) => true,
        Data::Shared(shared) => shared.postgres.migrate,
    }
}

fn mail(config: &Config) -> Result<String, String> {
    let MailTransport::Smtp(smtp) = &config.mail.transport else {
        return Ok("no mail server is configured".into());
    };
    let reach = || {
        let address = (smtp.host.as_str(), smtp.port).to_socket_addrs()?.next();
        let address = address.ok_or_else(|| std::io::Error::other("the name has no address"))?;
        TcpStream::connect_timeout(&address, REACH)
    };
    match reach() {
        Ok(_) => Ok(format!("{}:{} answers", smtp.host, smtp.port)),
        Err(error) => Err(format!("{}:{}: {error}", smtp.host, smtp.port)),
    }
}

/// Writes every message in every language, with the operator's texts where there are any.
fn templates(config: &Config) -> Result<String, String> {
    let coverage = compose::examine_templates(config)?;
    Ok(format!("{} messages render in {}", coverage.messages, coverage.locales.join(", ")))
}

fn certificate(config: &Config) -> Result<String, String> {
    match &config.http.tls {
        None => Ok("TLS is the proxy's business".into()),
        Some(tls) => crate::server::check_tls(tls).map(|()| "readable".into()).map_err(|error| error.to_string()),
    }
}

/// What only replicas need.
fn shared_stores(config: &Config) -> Result<Vec<(&'static str, Finding)>, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::failed)?;
    Ok(runtime.block_on(compose::examine(config)))
}

/// Opens the database and the keys in it with the master key.
fn store_and_keys(args: &DataArgs) -> Result<String, String> {
    let opened = data::with_services(args, async |composed| {
        composed.services.store.ping().await.map_err(Trouble::failed)?;
        composed.services.keys.list().await.map_err(Trouble::failed)
    });
    opened.map(|keys| format!("opened, {} keys", keys.len())).map_err(|error| error.to_string())
}
