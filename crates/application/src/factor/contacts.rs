use keystead_domain::account::{Address, Contact, ContactId, ContactUndo, PendingContact, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::OneTimeCode;
use keystead_domain::{SecretString, Timestamp, limits};

use super::desk::{Change, FactorDesk, FactorError, Made, Opened};
use crate::context::RequestContext;
use crate::message::Notice;
use crate::ports::{CeremonyKind, StoreError};
use crate::random;
use crate::service::{AuthorizedTokens, Caller, Compared, IssuedCode, record, slot_of_contact, to_address};

/// A contact as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactView {
    /// Identifier.
    pub id: ContactId,
    /// The address.
    pub address: Address,
    /// Whether its owner proved to hold it.
    pub verified: bool,
    /// Whether codes sent there are a second factor.
    pub otp_enabled: bool,
    /// When an unproved one lapses.
    pub expires_at: Option<Timestamp>,
}

impl From<Contact<Address>> for ContactView {
    fn from(contact: Contact<Address>) -> Self {
        let Contact { id, address, otp_enabled } = contact;
        Self { id, address, verified: true, otp_enabled, expires_at: None }
    }
}

impl From<PendingContact> for ContactView {
    fn from(contact: PendingContact) -> Self {
        let PendingContact { id, address, expires_at, .. } = contact;
        Self { id, address, verified: false, otp_enabled: false, expires_at: Some(expires_at) }
    }
}

/// The contacts of a person: at most one of each kind. Adding one of a kind they have replaces it, once it is proved.
///
/// ```text
/// add ── code to the new address ── verify ──> it is theirs; the old address is told, and can undo for three days
/// ```
pub struct Contacts {
    desk: FactorDesk,
}

impl Contacts {
    /// The use-case with its dependencies.
    pub fn new(desk: FactorDesk) -> Self {
        Self { desk }
    }

    /// Proved contacts first, then those to be proved.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<ContactView>, FactorError> {
        let now = self.desk.clock.now();
        let mut tx = self.desk.store.read().await?;
        let user = tx.users().get(caller.claims.subject).await?.ok_or(FactorError::SessionOver)?;
        let pending = tx.contacts().list(user.id, now).await?;
        let pending = pending.into_iter().filter(|contact| contact.epoch == user.epoch);
        Ok(user.contacts().map(ContactView::from).chain(pending.map(ContactView::from)).collect())
    }

    /// Begins to add an address. Whether somebody else holds it is told to nobody but them (G01).
    pub async fn add(
        &self,
        caller: &Caller,
        address: Address,
        context: &RequestContext,
    ) -> Result<ContactView, FactorError> {
        let desk = &self.desk;
        let settings = &desk.login.settings;
        let kind = address.kind();
        if !settings.factors.reaches(kind) {
            return Err(FactorError::Unavailable(kind));
        }
        let now = desk.clock.now();
        let code = desk.tools.codes.draw();
        let decoy = desk.tools.codes.draw_decoy();
        let mut opened = desk.open(caller, now).await?;
        let (guard, user) = (&desk.login.guard, opened.user.clone());
        let tickets = [
            guard.account(settings.limits.contact_add, user.id),
            guard.name(settings.limits.address, &address.clone().into()),
        ];
        for ticket in tickets {
            if let Err(again_at) = guard.reserve(&mut *opened.tx, &ticket, now).await? {
                return Err(FactorError::Limited { again_at });
            }
        }
        let holder = opened.tx.users().find_by_login_name(&address.clone().into()).await?.map(|(holder, _)| holder);
        let minutes = limits::CODE_LIFE.as_secs() / 60;
        let (issued, message) = match &holder {
            Some(holder) if holder.id != user.id => {
                let notice = Notice::AccountExists { occasion: context.occasion(now) };
                (decoy, to_address(holder, address.clone(), notice))
            }
            _ => {
                let notice = Notice::VerifyContact { code: code.expose().to_owned(), minutes };
                let message = to_address(&user, address.clone(), notice);
                (IssuedCode::Real(code), message.or_in(context.languages.as_deref()))
            }
        };
        let pending = PendingContact {
            id: ContactId::new(random::user_id(&*desk.tools.entropy).as_uuid()),
            user_id: user.id,
            address,
            epoch: user.epoch,
            created_at: now,
            expires_at: now.plus(limits::PENDING_CONTACT_LIFE),
        };
        opened.tx.contacts().insert(&pending).await?;
        desk.login.postbox.post(&mut *opened.tx, &message, now, limits::CODE_LIFE).await?;
        let (who, session) = ((Some(user.id), Some(user.id)), caller.claims.session());
        record(&mut *opened.tx, AuditEventName::ContactChangeStarted, who, Some(&session), context, now).await?;
        opened.tx.commit().await?;
        let times = (now, now.plus(limits::CODE_LIFE));
        let (place, about) = (pending.id.to_string(), pending.address.as_str());
        desk.tools.codes.issue(CeremonyKind::Contact, &place, about, Some(&issued), times).await?;
        Ok(pending.into())
    }

    /// Proves an address with the code that was sent there.
    pub async fn verify(
        &self,
        caller: &Caller,
        id: ContactId,
        code: &OneTimeCode,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let mut opened = desk.open(caller, now).await?;
        let user = opened.user.clone();
        let pending = self.pending(&mut opened, id, now).await?;
        drop(opened);
        let ticket = desk.count(caller, slot_of_contact(pending.address.kind()), now).await?;
        let (kind, place) = (CeremonyKind::Contact, id.to_string());
        let codes = &desk.tools.codes;
        let spent = match codes.find(kind, &place, now).await {
            Ok(Some(stored)) => codes.spend(kind, &place, &stored, code, now).await,
            Ok(None) => Ok(Compared::Wrong),
            Err(failure) => Err(failure),
        };
        if desk.tools.guard.or_give_back(&*desk.store, &ticket, spent).await? != Compared::Right {
            return desk.refuse(&user, &ticket, context, now).await;
        }
        let mut opened = desk.open(caller, now).await?;
        let pending = self.pending(&mut opened, id, now).await?;
        if !opened.tx.contacts().delete(user.id, id).await? {
            return Err(FactorError::NotFound);
        }
        desk.tools.guard.succeed(&mut *opened.tx, &ticket).await?;
        let had = opened.user.contact(pending.address.kind());
        let otp_enabled = had.as_ref().is_some_and(|contact| contact.otp_enabled);
        let is_new = had.is_none();
        let had = had.filter(|contact| contact.address != pending.address);
        let contact = Contact { id, address: pending.address, otp_enabled };
        let masked = contact.address.masked();
        let before = opened.user.address();
        opened.user.set_contact(contact.clone());
        opened.user.updated_at = now;
        match opened.tx.users().update(&opened.user).await {
            Ok(()) => {}
            // Somebody else proved to hold it meanwhile.
            Err(StoreError::Conflict(_)) => return Err(FactorError::CodeInvalid),
            Err(other) => return Err(other.into()),
        }
        // The owner is told at the addresses they had: the new one may be a thief's.
        let occasion = context.occasion(now);
        match had {
            Some(lost) => self.tell_lost(&mut opened, lost, context, now).await?,
            // Nobody gets this link: it only says how new the contact is.
            None if is_new => drop(self.keep_undo(&mut opened, contact, now).await?),
            None => {}
        }
        let told = before.filter(|address| opened.user.contacts().any(|contact| contact.address == *address));
        if let Some(address) = told {
            let notice = Notice::ContactAdded { address: masked, occasion };
            desk.login.postbox.notify_at(&mut *opened.tx, (&user, address), notice, now).await?;
        }
        let made = Made { change: Change::Added, event: AuditEventName::ContactChanged, notice: None, proved: None };
        desk.close(opened, caller, made, context, now).await
    }

    /// Makes codes to a contact a second factor, or no longer.
    pub async fn set_otp(
        &self,
        caller: &Caller,
        id: ContactId,
        enabled: bool,
        context: &RequestContext,
    ) -> Result<(ContactView, AuthorizedTokens), FactorError> {
        let desk = &self.desk;
        let factors = &desk.login.settings.factors;
        let now = desk.clock.now();
        let mut opened = desk.open(caller, now).await?;
        let mut contact = own(&opened.user, id)?;
        let (kind, factor) = (contact.address.kind(), contact.address.kind().factor());
        if enabled && !factors.usable_channels().contains(&kind) {
            return Err(FactorError::Unavailable(kind));
        }
        if !enabled && contact.otp_enabled && !opened.standing.may_lose(factor, factors.second_factor) {
            return Err(FactorError::LastFactor);
        }
        let changed = contact.otp_enabled != enabled;
        contact.otp_enabled = enabled;
        opened.user.set_contact(contact.clone());
        opened.user.updated_at = now;
        opened.tx.users().update(&opened.user).await?;
        let (name, occasion) = (factor.as_str().to_owned(), context.occasion(now));
        let (change, event, notice) = match (changed, enabled) {
            (_, true) => {
                (Change::Added, AuditEventName::ContactOtpEnabled, Notice::FactorAdded { factor: name, occasion })
            }
            (true, false) => {
                (Change::Removed, AuditEventName::ContactOtpDisabled, Notice::FactorRemoved { factor: name, occasion })
            }
            (false, false) => {
                (Change::Added, AuditEventName::ContactOtpDisabled, Notice::FactorRemoved { factor: name, occasion })
            }
        };
        let made = Made { change, event, notice: changed.then_some(notice), proved: None };
        let tokens = desk.close(opened, caller, made, context, now).await?;
        Ok((contact.into(), tokens))
    }

    /// Removes a contact, or gives an unproved one up.
    pub async fn remove(
        &self,
        caller: &Caller,
        id: ContactId,
        context: &RequestContext,
    ) -> Result<Option<AuthorizedTokens>, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let policy = desk.login.settings.factors.second_factor;
        let mut opened = desk.open(caller, now).await?;
        let Ok(contact) = own(&opened.user, id) else {
            if !opened.tx.contacts().delete(opened.user.id, id).await? {
                return Err(FactorError::NotFound);
            }
            opened.tx.commit().await?;
            return Ok(None);
        };
        if opened.user.contacts().count() == 1 {
            return Err(FactorError::LastContact);
        }
        let kind = contact.address.kind();
        if contact.otp_enabled && !opened.standing.may_lose(kind.factor(), policy) {
            return Err(FactorError::LastFactor);
        }
        opened.user.remove_contact(kind);
        opened.user.updated_at = now;
        opened.tx.users().update(&opened.user).await?;
        let change = if contact.otp_enabled { Change::Removed } else { Change::Added };
        self.tell_lost(&mut opened, contact, context, now).await?;
        let made = Made { change, event: AuditEventName::ContactRemoved, notice: None, proved: None };
        desk.close(opened, caller, made, context, now).await.map(Some)
    }

    async fn pending(&self, opened: &mut Opened, id: ContactId, now: Timestamp) -> Result<PendingContact, FactorError> {
        let pending = opened.tx.contacts().get(opened.user.id, id, now).await?;
        pending.filter(|pending| pending.epoch == opened.user.epoch).ok_or(FactorError::NotFound)
    }

    /// Tells an address that it is no longer the person's, with a link that undoes it: unless it came in within the life of
    /// such a link. Whoever replaces an address twice would else hold a link of their own.
    async fn tell_lost(
        &self,
        opened: &mut Opened,
        lost: Contact<Address>,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), FactorError> {
        if opened.tx.contacts().has_undo(opened.user.id, lost.address.kind(), now).await? {
            return Ok(());
        }
        let to = lost.address.clone();
        let secret = self.keep_undo(opened, lost, now).await?;
        let link = format!("{}/undo-contact#token={}", self.desk.login.settings.public_url, secret.expose());
        let hours = limits::CONTACT_UNDO_LIFE.as_secs() / 3600;
        let notice = Notice::ContactLost { link, hours, occasion: context.occasion(now) };
        Ok(self.desk.login.postbox.notify_at(&mut *opened.tx, (&opened.user, to), notice, now).await?)
    }

    /// Keeps what undoes the change of a contact. Returns the secret of its link.
    async fn keep_undo(
        &self,
        opened: &mut Opened,
        contact: Contact<Address>,
        now: Timestamp,
    ) -> Result<SecretString, FactorError> {
        let (secret, hash) = self.desk.continuation.issuer.undo_token();
        let kind = contact.address.kind();
        let other = opened.user.contacts().find(|contact| contact.address.kind() != kind).map(|contact| contact.id);
        let (user_id, expires_at) = (opened.user.id, now.plus(limits::CONTACT_UNDO_LIFE));
        let undo = ContactUndo { hash, user_id, contact, other, created_at: now, expires_at };
        opened.tx.contacts().insert_undo(&undo).await?;
        Ok(secret)
    }
}

/// The person's contact with this identifier.
fn own(user: &User, id: ContactId) -> Result<Contact<Address>, FactorError> {
    user.contacts().find(|contact| contact.id == id).ok_or(FactorError::NotFound)
}
