//! `keystead init`.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::{SecretBytes, SecretString};

use super::args::InitArgs;
use super::outcome::{Outcome, Trouble, say};
use crate::compose;
use crate::config::{
    InitCompose, InitOptions, InitStore, MASTER_KEY_BYTES, Rendered, Risk, render_init, write_new, write_new_private,
};

/// What runs the containers, and the proxy in front of them.
const COMPOSE_FILES: [(&str, &str); 2] = [
    ("compose.yaml", include_str!("../../../../deploy/compose/compose.yaml")),
    ("nginx.conf", include_str!("../../../../deploy/compose/nginx.conf")),
];
/// What stands in those files for the service's own origin: a redirect must not go where a header says (G17).
const COMPOSE_ORIGIN: &str = "https://id.example.com$request_uri";
/// The secrets of the containers; of this name, because `docker compose` reads no other for what compose.yaml asks for.
const ENVIRONMENT: &str = ".env";
/// Where `deploy/compose/compose.yaml` puts the proxy.
const COMPOSE_PROXY: &str = "10.213.77.10";
const PORT: u16 = 8787;

/// Writes a commented configuration with fresh secrets.
pub(super) fn run(args: &InitArgs, json: bool) -> Outcome {
    let (store, compose) = store(args);
    let everywhere = if args.compose { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let options = InitOptions {
        out: args.out.clone(),
        store,
        public_url: args.public_url.clone(),
        listen: args.listen.unwrap_or_else(|| (everywhere, PORT).into()),
        smtp_url: args.smtp.clone().map(SecretString::new),
        mail_from: args.mail_from.clone(),
        master_key: SecretBytes::new(compose::fresh_bytes::<MASTER_KEY_BYTES>().to_vec()),
        compose,
    };
    let written = write(&args.out, &render_init(&options)?)?;
    let shown: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if json {
        say(serde_json::json!({ "written": shown }));
        return Ok(());
    }
    for path in &shown {
        say(format!("wrote {path}"));
    }
    let config = args.out.display();
    if args.compose {
        say(
            "next: put the certificate into tls/fullchain.pem and tls/privkey.pem beside them\n      docker compose up -d",
        );
    } else {
        say(format!("next: keystead check --config {config}\n      keystead serve --config {config}"));
    }
    Ok(())
}

/// Where the data will live, and what containers need besides.
fn store(args: &InitArgs) -> (InitStore, Option<InitCompose>) {
    let given = args.postgres.clone().zip(args.redis.clone());
    let compose = args.compose.then(|| InitCompose { proxy: COMPOSE_PROXY, ..InitCompose::default() });
    match (given, compose) {
        (Some((postgres, redis)), compose) => {
            let (postgres, redis) = (SecretString::new(postgres), SecretString::new(redis));
            (InitStore::Shared { postgres, redis }, compose)
        }
        (None, None) => (InitStore::Sqlite(args.sqlite.clone().unwrap_or_else(|| "keystead.db".into())), None),
        (None, Some(compose)) => {
            let password = || URL_SAFE_NO_PAD.encode(compose::fresh_bytes::<24>());
            let (postgres, redis) = (password(), password());
            let store = InitStore::Shared {
                postgres: SecretString::new(format!(
                    "postgres://keystead:{postgres}@postgres:5432/keystead?sslmode=disable"
                )),
                redis: SecretString::new(format!("redis://:{redis}@redis:6379")),
            };
            let compose = InitCompose {
                variables: vec![
                    ("POSTGRES_PASSWORD", SecretString::new(postgres)),
                    ("REDIS_PASSWORD", SecretString::new(redis)),
                ],
                // The network of the containers does not leave the machine.
                unsafe_allow: vec![Risk::PlainPostgres, Risk::PlainRedis],
                ..compose
            };
            (store, Some(compose))
        }
    }
}

/// Writes the files, none of them over another. Returns their paths.
fn write(out: &Path, rendered: &Rendered) -> Result<Vec<PathBuf>, Trouble> {
    let named = |path: &Path, error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Trouble::failed(format!("{} is there already; it is never overwritten", path.display()))
        }
        _ => Trouble::failed(format!("{}: {error}", path.display())),
    };
    let Some(environment) = &rendered.environment else {
        write_new_private(out, rendered.config.expose()).map_err(|error| named(out, error))?;
        return Ok(vec![out.to_owned()]);
    };
    // The container's user reads these; the secrets are in the environment file, which only the owner reads.
    let origin = format!("{}$request_uri", rendered.origin);
    let compose = COMPOSE_FILES.map(|(name, text)| (out.with_file_name(name), text.replace(COMPOSE_ORIGIN, &origin)));
    let mut files = vec![(out.to_owned(), rendered.config.expose(), 0o644)];
    files.extend(compose.iter().map(|(path, text)| (path.clone(), text.as_str(), 0o644)));
    files.push((out.with_file_name(ENVIRONMENT), environment.expose(), 0o600));
    if let Some((path, ..)) = files.iter().find(|(path, ..)| path.exists()) {
        return Err(named(path, std::io::ErrorKind::AlreadyExists.into()));
    }
    for (path, text, mode) in &files {
        write_new(path, text, *mode).map_err(|error| named(path, error))?;
    }
    Ok(files.into_iter().map(|(path, ..)| path).collect())
}
