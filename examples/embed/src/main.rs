//! Keystead inside another program: a service that speaks lines instead of HTTP.
//!
//! ```text
//! cargo run -p keystead-example-embed -- ./embed-data
//! register ada@example.com correct horse battery staple
//! verify 123456
//! login ada@example.com correct horse battery staple
//! whoami
//! logout
//! ```
//!
//! `services.rs` joins the use-cases with the adapters; this file is what a transport does with them.

mod mail;
mod services;

use std::error::Error;
use std::path::PathBuf;

use keystead_application::account::{RegisterUserCommand, VerifyRegistrationCommand};
use keystead_application::context::RequestContext;
use keystead_application::service::AuthorizedTokens;
use keystead_application::session::{LoginCommand, LogoutProof};
use keystead_domain::SecretString;
use keystead_domain::account::{Address, EmailAddress};
use keystead_domain::token::{AccessClaims, ClientKind, DeviceInfo, OneTimeCode, PreAuthorizedPurpose};
use tokio::io::{AsyncBufReadExt, BufReader};

use services::Services;

/// What a client keeps between its requests. Here it is one variable; over a network it travels with each request.
#[derive(Default)]
struct Client {
    /// Proves that a token was given to this client: tokens carry its hash.
    id: Option<SecretString>,
    /// The half-way token of a registration.
    half_way: Option<SecretString>,
    /// The access token.
    access: Option<SecretString>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("usage: embed FOLDER")?.into();
    let (services, background) = services::compose(&folder)?;
    services.keys.ensure().await?;
    // Mail, revocations and keys need somebody who looks after them beside the requests.
    tokio::spawn(background.run());
    println!("ready");

    let mut client = Client::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match answer(&services, &mut client, &line).await {
            Ok(text) => println!("{text}"),
            Err(error) => println!("refused: {error}"),
        }
    }
    Ok(())
}

/// One request: reads it, runs a use-case, says what came of it. Every error type of a use-case lists what can go wrong;
/// a real transport matches on the variants and gives each its own status.
async fn answer(services: &Services, client: &mut Client, line: &str) -> Result<String, Box<dyn Error>> {
    let context = RequestContext {
        client: ClientKind::Native,
        device: DeviceInfo::new(None, Some("the embed example")),
        client_id: client.id.clone(),
        // There are no administrators here who act as somebody else.
        impersonator: None,
        // Nobody said which languages they read.
        languages: None,
        // Nothing is sent again here; a transport that takes an `Idempotency-Key` sets it.
        attempt: None,
    };
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "register" => {
            let (email, password) = credentials(rest)?;
            let address = Address::Email(EmailAddress::try_new(email)?);
            let secret = Some(password.into());
            let command = RegisterUserCommand { address, username: None, full_name: None, secret };
            let tokens = services.register.run(command, &context).await?;
            client.id = Some(tokens.client_id);
            client.half_way = Some(tokens.token);
            Ok("a code is in the mail".into())
        }
        "verify" => {
            let token = client.half_way.as_ref().ok_or("register first")?;
            let id = client.id.as_ref().map(SecretString::expose);
            let claims = services.gate.pre_authorized(token.expose(), id, &[PreAuthorizedPurpose::Register])?;
            let code = OneTimeCode::parse(rest).ok_or("a code has six digits")?;
            let command = VerifyRegistrationCommand { claims, code, username: None };
            let tokens = services.verify_registration.run(command, &context).await?;
            Ok(signed_in(client, tokens))
        }
        "login" => {
            let (identity, password) = credentials(rest)?;
            let command = LoginCommand { identity: identity.into(), password, device: None, captcha: None };
            // With second factors, `Admission::Asked` would lead to `AnswerSecondFactor`.
            let tokens =
                services.login.run(command, &context).await?.authorized().ok_or("a second factor is asked for")?;
            Ok(signed_in(client, tokens))
        }
        "whoami" => {
            let claims = authenticate(services, client).await?;
            Ok(format!("you are {}, {}", claims.subject, claims.role))
        }
        "logout" => {
            let claims = authenticate(services, client).await?;
            services.end_sessions.log_out(LogoutProof::Access(&claims), false, &context).await?;
            Ok("goodbye".into())
        }
        _ => Err("register, verify, login, whoami or logout".into()),
    }
}

/// What every request of a signed-in client passes first: no database, no network while the revocation view is fresh.
async fn authenticate(services: &Services, client: &Client) -> Result<AccessClaims, Box<dyn Error>> {
    let token = client.access.as_ref().ok_or("log in first")?;
    let id = client.id.as_ref().map(SecretString::expose);
    Ok(services.gate.authenticate(token.expose(), id).await?.claims().clone())
}

fn signed_in(client: &mut Client, tokens: AuthorizedTokens) -> String {
    // Becoming authorized always makes a new client id.
    client.id = tokens.client_id;
    client.access = Some(tokens.access);
    client.half_way = None;
    format!("welcome, {}", tokens.claims.subject)
}

fn credentials(text: &str) -> Result<(&str, SecretString), Box<dyn Error>> {
    let (name, password) = text.split_once(' ').ok_or("an address and a password")?;
    Ok((name, SecretString::new(password.to_owned())))
}
