//! `keystead openapi`, `keystead debug …`.

use std::io::Read as _;

use super::args::{DebugCommand, DocsPage, VerifyJwsArgs};
use super::outcome::{Outcome, Trouble, say};
use crate::authorization::authorization_markdown;
use crate::compose::verify_jws;
use crate::{config, http, limits_doc, routes};

/// Prints the OpenAPI document.
pub(super) fn openapi() {
    say(routes::openapi_document().trim_end());
}

/// Runs one of the tools.
pub(super) fn run(command: DebugCommand, json: bool) -> Outcome {
    match command {
        DebugCommand::VerifyJws(args) => verify(&args, json),
        DebugCommand::Docs(args) => {
            let page = match args.page {
                DocsPage::ApiErrors => http::errors_markdown(),
                DocsPage::Limits => limits_doc::markdown(),
                DocsPage::Configuration => config::reference_markdown(),
                DocsPage::Authorization => authorization_markdown(),
            };
            say(page.trim_end());
            Ok(())
        }
    }
}

fn verify(args: &VerifyJwsArgs, json: bool) -> Outcome {
    let path = args.jwks.display();
    let jwks = std::fs::read(&args.jwks).map_err(|error| Trouble::failed(format!("{path}: {error}")))?;
    let mut token = args.token.clone().unwrap_or_default();
    if args.token.is_none() {
        std::io::stdin().lock().read_to_string(&mut token).map_err(Trouble::failed)?;
    }
    let (header, payload) = verify_jws(&jwks, token.trim()).map_err(Trouble::failed)?;
    if json {
        say(serde_json::json!({ "header": header, "payload": payload }));
    } else {
        say(format!("the signature is good\nheader  {header}\npayload {payload}"));
    }
    Ok(())
}
