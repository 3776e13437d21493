//! `keystead init`.

use keystead_domain::{SecretBytes, SecretString};

use super::args::InitArgs;
use super::outcome::{Outcome, Trouble, say};
use crate::compose;
use crate::config::{InitOptions, MASTER_KEY_BYTES, render_init, write_new_private};

/// Writes a commented configuration with fresh secrets.
pub(super) fn run(args: &InitArgs, json: bool) -> Outcome {
    let options = InitOptions {
        out: args.out.clone(),
        sqlite: args.sqlite.clone(),
        public_url: args.public_url.clone(),
        listen: args.listen,
        smtp_url: args.smtp.clone().map(SecretString::new),
        mail_from: args.mail_from.clone(),
        master_key: SecretBytes::new(compose::fresh_bytes::<MASTER_KEY_BYTES>().to_vec()),
    };
    let text = render_init(&options)?;
    let shown = args.out.display();
    write_new_private(&args.out, text.expose()).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Trouble::failed(format!("{shown} is there already; it is never overwritten"))
        }
        _ => Trouble::failed(format!("{shown}: {error}")),
    })?;
    if json {
        say(serde_json::json!({ "written": shown.to_string() }));
    } else {
        say(format!("wrote {shown}\nnext: keystead check --config {shown}\n      keystead serve --config {shown}"));
    }
    Ok(())
}
