//! `keystead user …`.

use std::io::BufRead as _;

use keystead_application::operation::{AddUserCommand, OperatorError};
use keystead_application::ports::UserPage;
use keystead_domain::SecretString;
use keystead_domain::account::{EmailAddress, FullName, User, Username};

use super::args::{DataArgs, UserAddArgs, UserCommand, UserPasswdArgs, UserRoleArgs, UserWhoArgs};
use super::data::with_services;
use super::keys::time;
use super::outcome::{Outcome, Trouble, say};
use super::{user_export, user_import};

/// Accounts read at once by `user list`.
const PAGE: u32 = 500;

/// Runs one of them.
pub(super) fn run(command: UserCommand, json: bool) -> Outcome {
    match command {
        UserCommand::Add(args) => add(&args, json),
        UserCommand::List(data) => list(&data, json),
        UserCommand::Passwd(args) => passwd(&args, json),
        UserCommand::Role(args) => set_role(&args, json),
        UserCommand::Ban(args) => set_banned(&args, true, json),
        UserCommand::Unban(args) => set_banned(&args, false, json),
        UserCommand::Import(args) => user_import::run(&args, json),
        UserCommand::Export(args) => user_export::run(&args),
    }
}

fn add(args: &UserAddArgs, json: bool) -> Outcome {
    let command = AddUserCommand {
        email: EmailAddress::try_new(&args.email).map_err(Trouble::failed)?,
        username: args.username.as_deref().map(Username::try_new).transpose().map_err(Trouble::failed)?,
        full_name: args.full_name.as_deref().map(FullName::try_new).transpose().map_err(Trouble::failed)?,
        role: args.role,
        password: if args.password_stdin { Some(read_password()?) } else { None },
    };
    with_services(&args.data, async |composed| {
        let added = composed.services.operator.add(command).await.map_err(refused)?;
        if json {
            let link = added.activation_link.as_ref().map(SecretString::expose);
            say(serde_json::json!({ "id": added.user.id.to_string(), "activationLink": link }));
        } else {
            say(format!("added {} ({})", address(&added.user), added.user.id));
            if let Some(link) = &added.activation_link {
                say(format!("activation link, mailed too, good for a day and one use:\n{}", link.expose()));
            }
        }
        Ok(())
    })
}

fn list(data: &DataArgs, json: bool) -> Outcome {
    with_services(data, async |composed| {
        let mut page = UserPage { size: PAGE, ..UserPage::default() };
        loop {
            let users = composed.services.operator.list(&page).await.map_err(refused)?;
            for user in &users {
                show(user, json);
            }
            match users.last() {
                Some(last) if users.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) => {
                    page.after = Some((last.created_at, last.id));
                }
                _ => return Ok(()),
            }
        }
    })
}

fn passwd(args: &UserPasswdArgs, json: bool) -> Outcome {
    let password = read_password()?;
    with_services(&args.data, async |composed| {
        let user = composed.services.operator.set_password(&args.who, &password).await.map_err(refused)?;
        done(&user, "has a new password; its sessions are over", json);
        Ok(())
    })
}

fn set_role(args: &UserRoleArgs, json: bool) -> Outcome {
    with_services(&args.data, async |composed| {
        let user = composed.services.operator.set_role(&args.who, args.role).await.map_err(refused)?;
        done(&user, &format!("is {} from now on", user.role), json);
        Ok(())
    })
}

fn set_banned(args: &UserWhoArgs, banned: bool, json: bool) -> Outcome {
    with_services(&args.data, async |composed| {
        let user = composed.services.operator.set_banned(&args.who, banned).await.map_err(refused)?;
        done(&user, if banned { "is banned; its sessions are over" } else { "is not banned" }, json);
        Ok(())
    })
}

fn done(user: &User, what: &str, json: bool) {
    if json {
        show(user, true);
    } else {
        say(format!("{} {what}", address(user)));
    }
}

/// Where the person is told things; an account has at least one contact.
fn address(user: &User) -> String {
    user.address().map_or_else(|| "-".to_owned(), |address| address.to_string())
}

fn show(user: &User, json: bool) {
    let status = match user.status {
        keystead_domain::account::AccountStatus::Active => "active",
        keystead_domain::account::AccountStatus::Banned => "banned",
        keystead_domain::account::AccountStatus::Deactivated => "deactivated",
    };
    let username = user.username.as_ref().map(Username::as_str);
    if json {
        say(serde_json::json!({
            "id": user.id.to_string(), "username": username,
            "email": user.email_address().map(EmailAddress::as_str),
            "phone": user.phone.as_ref().map(|contact| contact.address.as_str()),
            "role": user.role.as_str(), "status": status, "createdAt": time(user.created_at),
        }));
    } else {
        let (id, role, made) = (user.id, user.role, time(user.created_at));
        say(format!("{id}  {role:11}  {status:11}  {made}  {}  {}", address(user), username.unwrap_or("-")));
    }
}

/// One line of standard input.
fn read_password() -> Result<SecretString, Trouble> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Trouble::failed)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    if line.is_empty() { Err(Trouble::failed("no password on standard input")) } else { Ok(SecretString::new(line)) }
}

fn refused(error: OperatorError) -> Trouble {
    Trouble::failed(error)
}
