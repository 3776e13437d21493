//! `keystead dev`.

use keystead_application::operation::Operator;
use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;

use super::Trouble;
use super::args::DevArgs;
use super::data::{dev_key, note_dev_address};
use super::outcome::Outcome;
use super::serve::serve;
use crate::config::Config;

/// Who the first administrator of a directory is.
const FIRST_ADMINISTRATOR: &str = "admin@keystead.localhost";

/// Serves from one directory, on this machine only.
pub(super) fn run(args: &DevArgs) -> Outcome {
    if !args.listen.ip().is_loopback() {
        // Refused before anything is made.
        let nothing = keystead_domain::SecretBytes::new(vec![0; crate::config::MASTER_KEY_BYTES]);
        Config::for_dev(args.listen, &args.data_dir, &nothing)?;
    }
    let key = dev_key(&args.data_dir)?;
    let mut config = Config::for_dev(args.listen, &args.data_dir, &key)?;
    config.limits.mode = args.limits;
    config.audit.stream = args.audit;
    let directory = args.data_dir.clone();
    serve(config, move |url, address, first| {
        if let Err(error) = note_dev_address(&directory, address) {
            tracing::warn!(%error, "links made by commands on this directory may lead elsewhere");
        }
        let directory = directory.display();
        let mut lines = vec![
            format!("  mailbox   {url}/dev/mail"),
            format!("  API       {url}/api/v1/openapi.json"),
            format!("  data      {directory}"),
            "  This is for trying out: plain http, this machine only. For real use see `keystead init`.".into(),
        ];
        if let Some(link) = first {
            lines.push(
                "  No administrator has a password yet. Whoever opens this link within a day chooses that of".into(),
            );
            lines.push(format!(
                "  {FIRST_ADMINISTRATOR}, a super-admin; it works once, and each start makes a new one:"
            ));
            lines.push(format!("  {}", link.expose()));
        }
        lines
    })
    .map_err(|error| match error {
        Trouble::Failed(text) if text.contains("in use") => Trouble::Failed(format!(
            "{text}\n  fix: end the other process, or take a free port with --listen 127.0.0.1:0"
        )),
        other => other,
    })
}

/// The link that makes the first administrator, while there is none with a password.
pub(super) async fn first_administrator(operator: &Operator) -> Option<SecretString> {
    let made = match EmailAddress::try_new(FIRST_ADMINISTRATOR) {
        Ok(email) => operator.bootstrap(email).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    made.unwrap_or_else(|error| {
        // Everything else can be tried without.
        tracing::warn!(%error, "there is no link for a first administrator");
        None
    })
}
