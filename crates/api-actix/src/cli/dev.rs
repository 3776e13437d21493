//! `keystead dev`.

use super::Trouble;
use super::args::DevArgs;
use super::data::{dev_key, note_dev_address};
use super::outcome::Outcome;
use super::serve::serve;
use crate::config::Config;

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
    let directory = args.data_dir.clone();
    serve(config, move |url, address| {
        if let Err(error) = note_dev_address(&directory, address) {
            tracing::warn!(%error, "links made by commands on this directory may lead elsewhere");
        }
        let directory = directory.display();
        vec![
            format!("  mailbox   {url}/dev/mail"),
            format!("  API       {url}/api/v1/openapi.json"),
            format!("  data      {directory}"),
            "  This is for trying out: plain http, this machine only. For real use see `keystead init`.".into(),
        ]
    })
    .map_err(|error| match error {
        Trouble::Failed(text) if text.contains("in use") => Trouble::Failed(format!(
            "{text}\n  fix: end the other process, or take a free port with --listen 127.0.0.1:0"
        )),
        other => other,
    })
}
