use std::sync::Arc;

use keystead_domain::account::{
    AccountStatus, Address, ClaimedIdentity, Contact, ContactKind, EmailAddress, Epoch, FullName, PendingRegistration,
    Role, User, UserId,
};
use keystead_domain::audit::AuditEventName;
use keystead_domain::social::{ProviderId, SocialIdentity};
use keystead_domain::token::{Amr, PreAuthorizedPurpose, TokenId};
use keystead_domain::{Timestamp, limits};

use super::flow::{SocialFlows, label};
use super::sign_in::SocialSignInError;
use crate::account::RegistrationDesk;
use crate::context::RequestContext;
use crate::ports::{SocialProfile, StoreError, Tx};
use crate::service::{
    AuthorizedTokens, IssuedCode, PreAuthorizedRequest, PreAuthorizedTokens, SignInDesk, record, record_sign_in,
    record_with,
};

/// Makes accounts for people who come with an account elsewhere.
pub(super) struct Newcomer {
    pub flows: Arc<SocialFlows>,
    pub desk: SignInDesk,
    pub registration: RegistrationDesk,
}

impl Newcomer {
    fn may_register(&self) -> Result<(), SocialSignInError> {
        let settings = &self.registration.settings;
        if !settings.registration_open {
            return Err(SocialSignInError::RegistrationClosed);
        }
        let kind = ContactKind::Email;
        let accepted = settings.factors.registration.contains(&kind) && settings.factors.reaches(kind);
        if accepted { Ok(()) } else { Err(SocialSignInError::ContactNotAccepted(kind)) }
    }

    /// Makes an account of an address that the provider vouches for, and signs its owner in. `None`: somebody else made
    /// it meanwhile. Every claim to the address ends, as with any proof of it (G08).
    pub(super) async fn make(
        &self,
        mut tx: Box<dyn Tx>,
        provider: &ProviderId,
        profile: &SocialProfile,
        email: EmailAddress,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Option<AuthorizedTokens>, SocialSignInError> {
        self.may_register()?;
        let id = self.desk.issuer.new_user_id(None);
        let claim = claim(id, provider, profile, email, now);
        tx.registrations().insert(&claim).await?;
        let Some(claim) = tx.registrations().consume(id, now).await? else { return Ok(None) };
        let user = new_user(claim, now);
        match tx.users().insert(&user, None).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Ok(None),
            Err(other) => return Err(other.into()),
        }
        let identity = self.flows.identity(id, provider, profile, now);
        match tx.social().insert(&SocialIdentity { last_used_at: Some(now), ..identity }).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Ok(None),
            Err(other) => return Err(other.into()),
        }
        let sign_in = self.desk.issuer.sign_in(&user, vec![Amr::Federated], context, now)?;
        let event = AuditEventName::UserCreated;
        record_sign_in(&mut *tx, &self.desk.guard, &user, &sign_in, event, context, now).await?;
        let (event, session) = (AuditEventName::SocialLinked, Some(&sign_in.session.id));
        record_with(&mut *tx, event, (Some(id), Some(id)), session, (context, provider.to_string()), now).await?;
        tx.commit().await?;
        self.desk.sessions.open(&sign_in.session, context, now).await?;
        Ok(Some(sign_in.tokens))
    }

    /// Keeps a claim to an address that nobody vouches for, and sends the code that proves it. A taken address gets a
    /// decoy, as with any registration (G01).
    pub(super) async fn claim(
        &self,
        mut tx: Box<dyn Tx>,
        provider: &ProviderId,
        profile: &SocialProfile,
        email: EmailAddress,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<PreAuthorizedTokens, SocialSignInError> {
        self.may_register()?;
        let (code, decoy) = (self.desk.codes.draw(None), self.desk.codes.draw_decoy());
        let address = Address::Email(email.clone());
        let claim = claim(self.desk.issuer.new_user_id(None), provider, profile, email, now);
        let (issued, message) = self
            .registration
            .code_or_notice(&mut *tx, &address, claim.full_name.as_ref(), code, decoy, context, now)
            .await?;
        let request = PreAuthorizedRequest {
            subject: claim.id,
            epoch: Epoch::default(),
            purpose: PreAuthorizedPurpose::Register,
            life: limits::PRE_AUTHORIZED_LIFE,
            flow: None,
            tfa_options: Vec::new(),
            amr: Vec::new(),
        };
        let (codes, purpose) = (&self.desk.codes, PreAuthorizedPurpose::Register);
        let seal = |token: &TokenId| Some(codes.seal(token, purpose, address.as_str(), &issued));
        let tokens = self.desk.issuer.pre_authorized(request, context, now, seal)?;
        tx.registrations().insert(&claim).await?;
        self.registration.postbox.post(&mut *tx, &message, now, limits::CODE_LIFE).await?;
        let event = match issued {
            IssuedCode::Real(_) => AuditEventName::RegistrationStarted,
            IssuedCode::Decoy(_) => AuditEventName::RegistrationOfTakenAddress,
        };
        record(&mut *tx, event, (None, Some(claim.id)), None, context, now).await?;
        tx.commit().await?;
        codes.open(&tokens.claims, now).await?;
        Ok(tokens)
    }
}

fn claim(
    id: UserId,
    provider: &ProviderId,
    profile: &SocialProfile,
    email: EmailAddress,
    now: Timestamp,
) -> PendingRegistration {
    PendingRegistration {
        id,
        address: Address::Email(email),
        username: None,
        full_name: profile.name.as_deref().and_then(|name| FullName::try_new(name).ok()),
        password: None,
        srp: None,
        social: Some(ClaimedIdentity {
            provider: provider.clone(),
            subject: profile.subject.clone(),
            label: label(profile),
        }),
        created_at: now,
        expires_at: now.plus(limits::REGISTRATION_LIFE),
    }
}

fn new_user(claim: PendingRegistration, now: Timestamp) -> User {
    let mut user = User {
        id: claim.id,
        email: None,
        phone: None,
        username: None,
        full_name: claim.full_name,
        locale: None,
        role: Role::User,
        status: AccountStatus::Active,
        epoch: Epoch::default(),
        sessions_epoch: Epoch::default(),
        created_at: now,
        updated_at: now,
    };
    user.set_contact(Contact { id: claim.id.into(), address: claim.address, otp_enabled: false });
    user
}
