use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{Passkey, PasskeyId, PasskeyName};
use keystead_domain::token::Factor;

use super::desk::{Change, FactorDesk, FactorError, Made};
use crate::context::RequestContext;
use crate::message::Notice;
use crate::ports::{Constraint, PasskeyUser, StoreError, UserVerification};
use crate::random;
use crate::service::{AuthorizedTokens, Caller, Place, WaysIn, record};

/// A passkey that was just registered, and the tokens the session goes on with.
#[derive(Clone, Debug)]
pub struct RegisteredPasskey {
    /// The passkey.
    pub passkey: Passkey,
    /// What its maker is called, if known.
    pub vendor: Option<&'static str>,
    /// The tokens.
    pub tokens: AuthorizedTokens,
}

/// The passkeys of a person.
pub struct Passkeys {
    desk: FactorDesk,
}

impl Passkeys {
    /// The use-case with its dependencies.
    pub fn new(desk: FactorDesk) -> Self {
        Self { desk }
    }

    /// The passkeys, oldest first, with the names of their makers.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<(Passkey, Option<&'static str>)>, FactorError> {
        let passkeys = self.desk.store.read().await?.passkeys().list(caller.claims.subject).await?;
        let vendor = |passkey: Passkey| {
            let vendor = self.desk.tools.passkeys.verifier().vendor(passkey.aaguid);
            (passkey, vendor)
        };
        Ok(passkeys.into_iter().map(vendor).collect())
    }

    /// Begins a registration: `PublicKeyCredentialCreationOptionsJSON`.
    pub async fn options(&self, caller: &Caller) -> Result<String, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let mut opened = desk.open(caller, now).await?;
        let existing = opened.tx.passkeys().list(opened.user.id).await?;
        let most = desk.login.settings.factors.passkeys;
        if existing.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(FactorError::TooMany { most });
        }
        let user = &opened.user;
        let name = user.label();
        let display_name = user.full_name.as_ref().map_or_else(|| name.clone(), ToString::to_string);
        let described = PasskeyUser { id: user.id, name, display_name };
        opened.tx.commit().await?;
        let existing: Vec<_> = existing.into_iter().map(|passkey| passkey.credential_id).collect();
        // One that verifies its user can sign in alone.
        let verification = UserVerification::Preferred;
        let ceremony = desk.tools.passkeys.verifier().begin_registration(&described, &existing, verification);
        let place = Place::Registration(caller.claims.session());
        Ok(desk.tools.passkeys.begin(&place, ceremony, now).await?)
    }

    /// Registers a passkey. `answer`: `RegistrationResponseJSON`; `name`: what its owner calls it, else its maker's name.
    pub async fn register(
        &self,
        caller: &Caller,
        answer: &str,
        name: Option<PasskeyName>,
        context: &RequestContext,
    ) -> Result<RegisteredPasskey, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let ceremonies = &desk.tools.passkeys;
        let place = Place::Registration(caller.claims.session());
        let mut opened = desk.open(caller, now).await?;
        let existing = opened.tx.passkeys().list(opened.user.id).await?.len();
        drop(opened.tx);
        let Some((_, state)) = ceremonies.take(&place, answer, now).await? else {
            return Err(FactorError::PasskeyInvalid);
        };
        let verifier = ceremonies.verifier();
        let found = verifier.finish_registration(answer, &state).map_err(|_| FactorError::PasskeyInvalid)?;
        let vendor = verifier.vendor(found.aaguid);
        let numbered = || PasskeyName::try_new(&format!("Passkey {}", existing + 1)).ok();
        let name = name.or_else(|| vendor.and_then(|vendor| PasskeyName::try_new(vendor).ok())).or_else(numbered);
        let name = name.ok_or(FactorError::PasskeyInvalid)?;
        opened = desk.open(caller, now).await?;
        let most = desk.login.settings.factors.passkeys;
        let existing = opened.tx.passkeys().list(opened.user.id).await?.len();
        if existing >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(FactorError::TooMany { most });
        }
        let passkey = Passkey {
            id: PasskeyId::new(random::user_id(&*desk.tools.entropy).as_uuid()),
            user_id: opened.user.id,
            credential_id: found.credential_id,
            name,
            credential: found.credential,
            counter: found.counter,
            aaguid: found.aaguid,
            backup_eligible: found.backup_eligible,
            backed_up: found.backed_up,
            user_verified: found.user_verified,
            created_at: now,
            last_used_at: None,
        };
        match opened.tx.passkeys().insert(&passkey).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::PasskeyCredential)) => return Err(FactorError::PasskeyExists),
            Err(other) => return Err(other.into()),
        }
        let factor = Factor::Device.as_str().to_owned();
        let made = Made {
            change: Change::Added,
            event: AuditEventName::PasskeyAdded,
            notice: Some(Notice::FactorAdded { factor, occasion: context.occasion(now) }),
            proved: Some(Factor::Device),
        };
        let tokens = desk.close(opened, caller, made, context, now).await?;
        Ok(RegisteredPasskey { passkey, vendor, tokens })
    }

    /// Gives a passkey another name.
    pub async fn rename(
        &self,
        caller: &Caller,
        id: PasskeyId,
        name: PasskeyName,
        context: &RequestContext,
    ) -> Result<(Passkey, Option<&'static str>), FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let mut opened = desk.open(caller, now).await?;
        let user = opened.user.id;
        let passkeys = opened.tx.passkeys().list(user).await?;
        let passkey = passkeys.into_iter().find(|passkey| passkey.id == id).ok_or(FactorError::NotFound)?;
        let renamed = Passkey { name, ..passkey };
        opened.tx.passkeys().update(&renamed).await?;
        let session = caller.claims.session();
        let who = (Some(user), Some(user));
        record(&mut *opened.tx, AuditEventName::PasskeyRenamed, who, Some(&session), context, now).await?;
        opened.tx.commit().await?;
        let vendor = desk.tools.passkeys.verifier().vendor(renamed.aaguid);
        Ok((renamed, vendor))
    }

    /// Removes a passkey.
    pub async fn remove(
        &self,
        caller: &Caller,
        id: PasskeyId,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let policy = desk.login.settings.factors.second_factor;
        let mut opened = desk.open(caller, now).await?;
        let user = opened.user.id;
        let passkeys = opened.tx.passkeys().list(user).await?;
        if !passkeys.iter().any(|passkey| passkey.id == id) {
            return Err(FactorError::NotFound);
        }
        let is_last = passkeys.len() == 1;
        if is_last && !opened.standing.may_lose(Factor::Device, policy) {
            return Err(FactorError::LastFactor);
        }
        opened.tx.passkeys().delete(user, id).await?;
        // Dropped without a commit, it is back.
        if is_last && !WaysIn::of(&mut *opened.tx, &opened.user, &desk.login.settings).await?.lead_in() {
            return Err(FactorError::LastFactor);
        }
        let factor = Factor::Device.as_str().to_owned();
        let made = Made {
            change: Change::Removed,
            event: AuditEventName::PasskeyRemoved,
            notice: Some(Notice::FactorRemoved { factor, occasion: context.occasion(now) }),
            proved: None,
        };
        desk.close(opened, caller, made, context, now).await
    }
}
