//! Commands that touch data, without a server.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use keystead_domain::SecretBytes;

use super::args::{ConfigArgs, DataArgs, MigrateArgs};
use super::outcome::{Outcome, Trouble, say};
use crate::compose::{self, Composed, Purpose};
use crate::config::{Config, MASTER_KEY_BYTES, encode_master_key, write_new_private};

/// The file in a data directory that says where its `keystead dev` listens.
const ADDRESS: &str = "address";
/// The file in a data directory that holds its master key.
const MASTER_KEY: &str = "master.key";

/// Every variable of the environment that is UTF-8.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Loads a configuration.
pub(super) fn load(args: &ConfigArgs) -> Result<Config, Trouble> {
    Ok(Config::load(args.sources(environment()))?)
}

/// The configuration of the data a command was pointed at.
pub(super) fn config(args: &DataArgs) -> Result<Config, Trouble> {
    if let Some(config) = args.config() {
        return load(&config);
    }
    let directory = args.data_dir.as_deref().ok_or_else(|| Trouble::failed("neither --config nor --data-dir"))?;
    let key = read_key(directory).map_err(|error| {
        let path = directory.join(MASTER_KEY);
        Trouble::failed(format!("{}: {error}; is this the directory of a `keystead dev`?", path.display()))
    })?;
    Ok(Config::for_dev(dev_address(directory), directory, &key)?)
}

/// Notes where a `keystead dev` listens, so that commands beside it make links that lead there.
pub(super) fn note_dev_address(directory: &Path, address: SocketAddr) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // As private as everything else in the directory.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(directory.join(ADDRESS))?;
    file.write_all(address.to_string().as_bytes())
}

/// Where the last `keystead dev` of a directory listened.
fn dev_address(directory: &Path) -> SocketAddr {
    let noted = std::fs::read_to_string(directory.join(ADDRESS)).ok().and_then(|text| text.trim().parse().ok());
    noted.unwrap_or_else(|| ([127, 0, 0, 1], 8787).into())
}

/// The master key of a data directory, made when there is none. The directory is its owner's alone.
pub(super) fn dev_key(directory: &Path) -> Result<SecretBytes, Trouble> {
    let named = |error: std::io::Error| Trouble::failed(format!("{}: {error}", directory.display()));
    make_private_directory(directory).map_err(named)?;
    let path = directory.join(MASTER_KEY);
    if !path.exists() {
        let key = SecretBytes::new(compose::fresh_bytes::<MASTER_KEY_BYTES>().to_vec());
        match write_new_private(&path, &encode_master_key(&key)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(named(error)),
            // Another process may have been quicker; its key is the one that counts.
            Ok(()) | Err(_) => {}
        }
    }
    read_key(directory).map_err(named)
}

fn make_private_directory(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn read_key(directory: &Path) -> std::io::Result<SecretBytes> {
    use base64::Engine as _;
    let text = std::fs::read_to_string(directory.join(MASTER_KEY))?;
    let key = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim()).map_err(std::io::Error::other)?;
    Ok(SecretBytes::new(key))
}

/// Composes the service without serving it and runs `work` with it.
pub(super) fn with_services<F, R>(args: &DataArgs, work: impl FnOnce(Composed) -> F) -> Result<R, Trouble>
where
    F: Future<Output = Result<R, Trouble>>,
{
    let config = config(args)?;
    let composed = compose::compose_for(&config, Purpose::Command)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::failed)?;
    let result = runtime.block_on(async {
        composed.services.keys.ensure().await.map_err(Trouble::failed)?;
        work(composed).await
    });
    // What is still running on its threads is let go with the process.
    runtime.shutdown_background();
    result
}

/// `keystead migrate`.
pub(super) fn migrate(args: &MigrateArgs, json: bool) -> Outcome {
    let config = config(&args.data)?;
    let applied = match &args.to {
        Some(last) => compose::migrate_to(&config, last)?,
        None => compose::migrate(&config)?,
    };
    if json {
        say(serde_json::json!({ "applied": applied }));
    } else if applied.is_empty() {
        let form = args
            .to
            .as_ref()
            .map_or_else(|| "this version's form".to_owned(), |name| format!("{name} and all before it"));
        say(format!("the database has {form} already"));
    } else {
        for name in &applied {
            say(format!("applied {name}"));
        }
    }
    Ok(())
}
