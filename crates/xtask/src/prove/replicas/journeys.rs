//! What clients do while replicas die: each step is asked for until it is answered, and what was acknowledged is checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::kills::{Ground, MAIL_PATIENCE};
use super::site::{Client, Site};
use crate::api::{self, Tokens, post};
use crate::inbox::Inbox;
use crate::{Outcome, sample};

/// Looks, after everything is over, whether what was acknowledged is there.
pub(super) type Check = Box<dyn FnOnce(&Site, &Ground) -> Outcome + Send>;
/// One kind of work, until told to stop.
pub(super) type Journey = fn(Traveller, &Ground) -> Outcome<Check>;

/// One client and where its mail arrives.
pub(super) struct Traveller {
    client: Client,
    inbox: Arc<Inbox>,
    number: usize,
}

impl Traveller {
    /// The client of this number.
    pub(super) fn new(site: &Site, number: usize) -> Self {
        Self { client: site.client(), inbox: site.inbox(), number }
    }

    /// The first mail to an address in which something is found.
    fn mailed<T>(&self, email: &str, find: impl Fn(&[String]) -> Option<T>) -> Outcome<T> {
        let deadline = sample::now() + MAIL_PATIENCE;
        loop {
            let texts: Vec<String> = self.inbox.to(email).into_iter().map(|mail| mail.text).collect();
            if let Some(found) = find(&texts) {
                return Ok(found);
            }
            if sample::now() > deadline {
                return Err(format!("no such mail to {email}").into());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Registers an address.
    fn register(&mut self, email: &str) -> Outcome<Tokens> {
        let body = json!({"email": email, "password": api::PASSWORD});
        Tokens::read(&self.client.post_once("/auth/register", email, &body)?.expect(201, "register")?, None)
    }

    /// Registers an address, proves it, signs in.
    fn sign_up(&mut self, email: &str) -> Outcome<Tokens> {
        let pending = self.register(email)?;
        let code = self.mailed(email, |texts| texts.iter().find_map(|text| api::code_in(text)))?;
        // Refused: the code was taken, and the answer died with its replica.
        self.client.ask(&post("/auth/register/verify", Some(&pending), Some(&json!({"code": code}))))?;
        Tokens::read(&self.client.login(email, api::PASSWORD)?.expect(200, "login")?, None)
    }

    /// Asks for a link and returns the newest of `count` different ones.
    fn forgot(&mut self, email: &str, count: usize) -> Outcome<String> {
        let key = format!("{email}-{count}");
        self.client.post_once("/auth/password/forgot", &key, &json!({"identity": email}))?.expect(202, "forgot")?;
        self.mailed(email, |texts| links(texts).get(count - 1).cloned())
    }
}

/// The different links in some mails, in the order they came.
fn links(texts: &[String]) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for link in texts.iter().filter_map(|text| api::link_token_in(text)) {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// Registers one person after the other.
pub(super) fn register(mut traveller: Traveller, ground: &Ground) -> Outcome<Check> {
    let mut journal = Vec::new();
    for count in 0_u64.. {
        if !ground.goes_on() {
            break;
        }
        let email = format!("new{}-{count}@example.com", traveller.number);
        let pending = traveller.register(&email)?;
        journal.push((email, pending));
        ground.step();
    }
    Ok(Box::new(move |site, ground| {
        for (email, pending) in &journal {
            let claims = format!("SELECT count(*) FROM pending_registrations WHERE email = '{email}'");
            if site.count(&claims)? != 1 {
                ground.violation(format!("{email} was not registered exactly once"));
            }
            let mails = traveller.inbox.to(email);
            let ids: BTreeSet<&str> = mails.iter().map(|mail| mail.id.as_str()).collect();
            let code = mails.first().and_then(|mail| api::code_in(&mail.text));
            let (1, Some(code)) = (ids.len(), code) else {
                ground.violation(format!("{} different mails to {email}", ids.len()));
                continue;
            };
            let proof = post("/auth/register/verify", Some(pending), Some(&json!({"code": code})));
            let proved = traveller.client.ask(&proof)?.status;
            let signed_in = traveller.client.login(email, api::PASSWORD)?.status;
            if (proved, signed_in) != (200, 200) {
                ground.violation(format!("{email}: verified with {proved}, logged in with {signed_in}"));
            }
        }
        Ok(())
    }))
}

/// Rotates one session over and over.
pub(super) fn refresh(mut traveller: Traveller, ground: &Ground) -> Outcome<Check> {
    let email = format!("rotating{}@example.com", traveller.number);
    let mut tokens = traveller.sign_up(&email)?;
    while ground.goes_on() {
        let next = traveller.client.refresh(&tokens)?;
        let (before, after) = (generation(&tokens)?, generation(&next)?);
        if after != before + 1 {
            ground.violation(format!("{email}: generation {after} after {before}"));
        }
        tokens = next;
        ground.step();
    }
    Ok(Box::new(move |_, ground| {
        if traveller.client.refresh(&tokens).is_err() {
            ground.violation(format!("{email}: the session is lost"));
        }
        Ok(())
    }))
}

/// The third part of a refresh token.
fn generation(tokens: &Tokens) -> Outcome<u64> {
    Ok(tokens.refresh_token()?.split('.').nth(2).ok_or("a refresh token without a generation")?.parse()?)
}

/// Forgets a password and sets another, over and over.
pub(super) fn reset(mut traveller: Traveller, ground: &Ground) -> Outcome<Check> {
    let email = format!("forgetful{}@example.com", traveller.number);
    traveller.sign_up(&email)?;
    let mut password = api::PASSWORD.to_owned();
    for count in 1.. {
        if !ground.goes_on() {
            break;
        }
        let link = traveller.forgot(&email, count)?;
        ground.step();
        let begun = traveller.client.ask(&api::begin_reset_request(&link))?;
        let again = traveller.client.ask(&api::begin_reset_request(&link))?.status;
        if again != 401 {
            ground.violation(format!("{email}: a link was taken twice ({again})"));
        }
        // Refused the first time: it was taken, and the answer died with its replica.
        if begun.status != 200 {
            continue;
        }
        let grant = Tokens::read(&begun, None)?;
        let new = format!("{}-{count}", api::PASSWORD);
        let reset = post("/auth/password/reset", Some(&grant), Some(&json!({"newPassword": new})));
        let (done, with_new) = (traveller.client.ask(&reset)?.status, traveller.client.login(&email, &new)?.status);
        let with_old = traveller.client.login(&email, &password)?.status;
        if !matches!(done, 204 | 401) || (with_new, with_old) != (200, 401) {
            ground.violation(format!("{email}: reset {done}, new password {with_new}, old password {with_old}"));
        }
        password = new;
        ground.step();
    }
    Ok(Box::new(move |_, ground| {
        if traveller.client.login(&email, &password)?.status != 200 {
            ground.violation(format!("{email}: the last password does not count"));
        }
        Ok(())
    }))
}

/// Asks for mails without waiting for them.
pub(super) fn mail(mut traveller: Traveller, ground: &Ground) -> Outcome<Check> {
    let email = format!("reader{}@example.com", traveller.number);
    traveller.sign_up(&email)?;
    let mut asked = 0;
    while ground.goes_on() {
        asked += 1;
        let key = format!("{email}-{asked}");
        let body = json!({"identity": email});
        traveller.client.post_once("/auth/password/forgot", &key, &body)?.expect(202, "forgot")?;
        ground.step();
        // About as fast as the two workers send.
        std::thread::sleep(std::time::Duration::from_millis(40));
    }
    Ok(Box::new(move |_, ground| {
        let texts: Vec<String> = traveller.inbox.to(&email).into_iter().map(|mail| mail.text).collect();
        let found = links(&texts).len();
        if found != asked {
            ground.violation(format!("{email}: {asked} mails were promised, {found} came"));
        }
        Ok(())
    }))
}
