//! `keystead serve` and `keystead check`.

use std::net::SocketAddr;

use keystead_domain::SecretString;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::args::ConfigArgs;
use super::data::load;
use super::dev::first_administrator;
use super::logging;
use super::outcome::{Outcome, Trouble, say};
use crate::compose::{self, compose};
use crate::config::Config;
use crate::server;

/// Serves the real thing.
pub(super) fn run(args: &ConfigArgs) -> Outcome {
    let config = load(args)?;
    refuse_unsafe(&config)?;
    serve(config, |_, _, _| Vec::new())
}

fn refuse_unsafe(config: &Config) -> Outcome {
    let dangers = config.check_safety();
    if dangers.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = dangers.iter().map(ToString::to_string).collect();
    Err(Trouble::Config(texts.join("\n")))
}

/// The folder of the database is made by nobody else.
fn missing_folder(config: &Config) -> Option<String> {
    let parent = config.store.sqlite()?.path.parent();
    let folder = parent.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())?;
    let folder = folder.display();
    Some(format!("error: store.url: the folder {folder} does not exist\n  fix: make it, or name another one"))
}

/// Says everything that is wrong, unsafe or worth knowing.
pub(super) fn check(args: &ConfigArgs, json: bool) -> Outcome {
    let config = load(args)?;
    let mut dangers: Vec<String> = config.check_safety().iter().map(ToString::to_string).collect();
    dangers.extend(missing_folder(&config));
    dangers.extend(compose::examine_templates(&config).err().map(|error| format!("error: mail templates: {error}")));
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    if json {
        say(serde_json::json!({ "unsafe": dangers, "warnings": warnings }));
    } else {
        warnings.iter().for_each(say);
        if dangers.is_empty() {
            let pending = compose::pending_migrations(&config)?;
            if !pending.is_empty() {
                say(format!("{} migrations will be applied at start", pending.len()));
            }
            say("the configuration is valid and safe to serve");
        }
    }
    if dangers.is_empty() { Ok(()) } else { Err(Trouble::Config(dangers.join("\n"))) }
}

/// Binds, composes, serves until told to end. `more` are lines to print below the address; in `keystead dev` it is given the
/// link that makes a first administrator, while there is none.
pub(super) fn serve(
    mut config: Config,
    more: impl FnOnce(&str, SocketAddr, Option<SecretString>) -> Vec<String> + 'static,
) -> Outcome {
    logging::start(&config.log, config.audit.stream)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = recorder()?;
    let (listener, address) = server::bind(config.http.listen)
        .map_err(|error| Trouble::failed(format!("{}: {error}", config.http.listen)))?;
    config.set_bound_address(address);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let composed = compose(&config)?;
    actix_web::rt::System::new().block_on(async move {
        composed.services.keys.ensure().await.map_err(Trouble::failed)?;
        let first = if config.dev { first_administrator(&composed.services.operator).await } else { None };
        let running = server::start(&config, listener, composed, Some(metrics)).await.map_err(Trouble::failed)?;
        let scheme = if config.http.tls.is_some() { "https" } else { "http" };
        say(format!("keystead listening on {scheme}://{address}"));
        for line in more(&format!("{scheme}://{address}"), address, first) {
            say(line);
        }
        running.run().await.map_err(Trouble::failed)
    })
}

fn recorder() -> Result<PrometheusHandle, Trouble> {
    let buckets = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
    PrometheusBuilder::new().set_buckets(&buckets).map_err(Trouble::failed)?.install_recorder().map_err(Trouble::failed)
}
