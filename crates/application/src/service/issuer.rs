use std::sync::Arc;
use std::time::Duration;

use keystead_domain::account::{Epoch, LinkTokenHash, UndoTokenHash, User, UserId};
use keystead_domain::limits;
use keystead_domain::token::{
    AccessClaims, Actor, Amr, Factor, Fingerprint, Generation, PreAuthorizedClaims, PreAuthorizedPurpose, RefreshToken,
    Session, SessionId, StepUpClaims, StepUpMethod, TokenId,
};
use keystead_domain::{SecretString, Timestamp};

use super::attempt::{Attempt, Drawn};
use super::hex::hex;
use crate::context::RequestContext;
use crate::ports::{Entropy, KeyedHash, MacPurpose, TokenError, TokenSigner};
use crate::random;
use crate::revocation::RevocationView;
use crate::settings::Lifetimes;

/// What a signed-in client gets. `None` means: keep what you have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedTokens {
    /// Access token.
    pub access: SecretString,
    /// What it says.
    pub claims: AccessClaims,
    /// Refresh token.
    pub refresh: Option<SecretString>,
    /// When the session ends whatever happens: the life of the cookies.
    pub session_expires_at: Timestamp,
    /// Client id.
    pub client_id: Option<SecretString>,
    /// Known-device token.
    pub device: Option<SecretString>,
    /// Proof of a second factor that was just shown.
    pub step_up: Option<StepUpToken>,
}

/// An OTPSession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUpToken {
    /// The token.
    pub token: SecretString,
    /// What it says.
    pub claims: StepUpClaims,
}

/// What a half-way client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreAuthorizedTokens {
    /// Pre-authorized token.
    pub token: SecretString,
    /// What it says.
    pub claims: PreAuthorizedClaims,
    /// Client id.
    pub client_id: SecretString,
}

/// A session about to begin: store it, then hand out the tokens.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The session.
    pub session: Session,
    /// Its tokens.
    pub tokens: AuthorizedTokens,
}

/// What a pre-authorized token is for.
pub(crate) struct PreAuthorizedRequest {
    pub subject: UserId,
    pub epoch: Epoch,
    pub purpose: PreAuthorizedPurpose,
    pub life: Duration,
    /// The flow this token goes on with; `None` begins one.
    pub flow: Option<SessionId>,
    pub tfa_options: Vec<Factor>,
    /// What was proved so far.
    pub amr: Vec<Amr>,
}

/// Makes every token Keystead hands out.
pub struct TokenIssuer {
    signer: Arc<dyn TokenSigner>,
    hash: Arc<dyn KeyedHash>,
    entropy: Arc<dyn Entropy>,
    view: Arc<RevocationView>,
    lifetimes: Lifetimes,
}

impl TokenIssuer {
    /// An issuer.
    pub fn new(
        signer: Arc<dyn TokenSigner>,
        hash: Arc<dyn KeyedHash>,
        entropy: Arc<dyn Entropy>,
        view: Arc<RevocationView>,
        lifetimes: Lifetimes,
    ) -> Self {
        Self { signer, hash, entropy, view, lifetimes }
    }

    /// Lives of what is issued.
    pub fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// A new session of a user, with every token of it: becoming authorized always makes a new sid, jti and client id.
    pub fn sign_in(
        &self,
        user: &User,
        amr: Vec<Amr>,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<SignIn, TokenError> {
        let (client_id, fingerprint) = self.client_id();
        let begun = self.session(user, fingerprint, context, now);
        let session = Session { amr, auth_time: self.auth_time(now), ..begun };
        let mut tokens = self.access(&session, now)?;
        tokens.refresh = Some(self.refresh(&session)?);
        tokens.client_id = Some(client_id);
        tokens.device = Some(random::secret(&*self.entropy));
        Ok(SignIn { session, tokens })
    }

    /// A fresh access token of a session.
    pub fn access(&self, session: &Session, now: Timestamp) -> Result<AuthorizedTokens, TokenError> {
        let claims = AccessClaims {
            subject: session.user_id,
            token_id: random::token_id(&*self.entropy, &session.id),
            issued_at: now,
            expires_at: now.plus(self.lifetimes.access).min(session.expires_at),
            epoch: session.epoch,
            role: session.role,
            amr: session.amr.clone(),
            auth_time: session.auth_time,
            fingerprint: session.fingerprint,
            actor: None,
        };
        self.signed(claims, session.expires_at)
    }

    /// A session in which an administrator acts as a user, and its only token: bound to the administrator's client and
    /// session, and over when that is.
    pub(crate) fn impersonate(
        &self,
        user: &User,
        admin: &AccessClaims,
        until: Timestamp,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<SignIn, TokenError> {
        let expires_at = now.plus(limits::IMPERSONATION_LIFE).min(until);
        let session = Session {
            amr: admin.amr.clone(),
            auth_time: admin.auth_time,
            expires_at,
            impersonator: Some(admin.subject),
            ..self.session(user, admin.fingerprint, context, now)
        };
        let claims = AccessClaims {
            subject: user.id,
            token_id: random::token_id(&*self.entropy, &session.id),
            issued_at: now,
            expires_at,
            epoch: user.epoch,
            role: user.role,
            amr: admin.amr.clone(),
            auth_time: admin.auth_time,
            fingerprint: admin.fingerprint,
            actor: Some(Actor { subject: admin.subject, session: admin.session(), epoch: admin.epoch }),
        };
        let tokens = self.signed(claims, expires_at)?;
        Ok(SignIn { session, tokens })
    }

    /// A session of a user that begins now, at this client.
    fn session(&self, user: &User, fingerprint: Fingerprint, context: &RequestContext, now: Timestamp) -> Session {
        Session {
            id: random::session_id(&*self.entropy),
            user_id: user.id,
            client: context.client,
            fingerprint,
            head: Generation::FIRST,
            head_key: self.hash.mac(MacPurpose::Refresh, &[]).key,
            previous_key: None,
            rotated_at: None,
            rotations_since: now,
            rotations: 0,
            epoch: user.epoch,
            role: user.role,
            amr: Vec::new(),
            auth_time: now,
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus(self.lifetimes.session),
            checked_at: now,
            device: context.device.clone(),
            impersonator: None,
            ended: None,
        }
    }

    /// What was signed in to before everybody was signed out is over. Tokens have whole seconds: whoever signs in in that very
    /// second, but afterwards, did so in the next one.
    fn auth_time(&self, now: Timestamp) -> Timestamp {
        match self.view.everybody() {
            Some(until) if now.as_seconds() <= until.as_seconds() => Timestamp::from_seconds(until.as_seconds() + 1),
            _ => now,
        }
    }

    fn signed(&self, claims: AccessClaims, session_expires_at: Timestamp) -> Result<AuthorizedTokens, TokenError> {
        Ok(AuthorizedTokens {
            access: self.signer.sign_access(&claims)?,
            claims,
            refresh: None,
            session_expires_at,
            client_id: None,
            device: None,
            step_up: None,
        })
    }

    /// The refresh token of a session's head: the same text every time, derived and never stored.
    pub fn refresh(&self, session: &Session) -> Result<SecretString, TokenError> {
        let mac = self.refresh_mac(session).ok_or(TokenError)?;
        let token = RefreshToken {
            key: session.head_key.clone(),
            session: session.id.clone(),
            generation: session.head,
            mac: hex(&mac),
        };
        Ok(SecretString::new(token.to_text()))
    }

    fn refresh_mac(&self, session: &Session) -> Option<[u8; 32]> {
        let generation = session.head.number().to_be_bytes();
        self.hash.mac_with(&session.head_key, MacPurpose::Refresh, &[session.id.as_str().as_bytes(), &generation])
    }

    /// Reads a refresh token and checks its mac. Nothing is looked up and nothing changes: a forged one is only refused.
    pub fn read_refresh(&self, text: &str) -> Option<RefreshToken> {
        let token = RefreshToken::parse(text).ok()?;
        let mac = unhex(&token.mac)?;
        let generation = token.generation.number().to_be_bytes();
        let parts: [&[u8]; 2] = [token.session.as_str().as_bytes(), &generation];
        self.hash.verify(&token.key, MacPurpose::Refresh, &parts, &mac).then_some(token)
    }

    /// A pre-authorized token. `seal_code` makes the `otp` claim once the token's identifier is known.
    pub(crate) fn pre_authorized(
        &self,
        request: PreAuthorizedRequest,
        context: &RequestContext,
        now: Timestamp,
        seal_code: impl FnOnce(&TokenId) -> Option<crate::ports::MacTag>,
    ) -> Result<PreAuthorizedTokens, TokenError> {
        let (client_id, fingerprint) = match &context.client_id {
            Some(id) => (id.clone(), self.fingerprint(id)),
            None => self.client_id(),
        };
        // The guesses at a code are counted per token: attempts at one request must share that count.
        let drawn = Drawn::of(context.attempt.as_ref(), b"token", &*self.hash, &*self.entropy);
        let session = request.flow.unwrap_or_else(|| random::session_id(&drawn));
        let token_id = random::token_id(&drawn, &session);
        let (otp, otp_key) = seal_code(&token_id).map(|tag| (tag.bytes, tag.key)).unzip();
        let claims = PreAuthorizedClaims {
            subject: request.subject,
            token_id,
            issued_at: now,
            expires_at: now.plus(request.life),
            epoch: request.epoch,
            purpose: request.purpose,
            amr: request.amr,
            fingerprint,
            otp,
            otp_key,
            default_tfa: request.tfa_options.first().copied(),
            tfa_options: request.tfa_options,
        };
        let token = self.signer.sign_pre_authorized(&claims)?;
        Ok(PreAuthorizedTokens { token, claims, client_id })
    }

    /// A proof that a second factor was shown in a session.
    pub fn step_up(
        &self,
        user: (UserId, Epoch),
        session: &SessionId,
        method: StepUpMethod,
        now: Timestamp,
    ) -> Result<StepUpToken, TokenError> {
        self.step_up_until(user, session, method, now, now.plus(limits::STEP_UP_LIFE))
    }

    /// The proof again, for a later epoch, ending when it would have ended.
    pub(crate) fn step_up_again(
        &self,
        proof: &StepUpClaims,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<StepUpToken, TokenError> {
        let session = proof.token_id.session();
        self.step_up_until((proof.subject, epoch), &session, proof.method, now, proof.expires_at)
    }

    fn step_up_until(
        &self,
        (subject, epoch): (UserId, Epoch),
        session: &SessionId,
        method: StepUpMethod,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<StepUpToken, TokenError> {
        let token_id = random::token_id(&*self.entropy, session);
        let claims = StepUpClaims { subject, token_id, issued_at: now, expires_at, epoch, method };
        Ok(StepUpToken { token: self.signer.sign_step_up(&claims)?, claims })
    }

    fn client_id(&self) -> (SecretString, Fingerprint) {
        let client_id = random::secret(&*self.entropy);
        let fingerprint = self.fingerprint(&client_id);
        (client_id, fingerprint)
    }

    fn fingerprint(&self, client_id: &SecretString) -> Fingerprint {
        Fingerprint(self.hash.digest(client_id.expose().as_bytes()))
    }

    /// An identifier for a user to be; the same one for every attempt at a request.
    pub fn new_user_id(&self, attempt: Option<&Attempt>) -> UserId {
        random::user_id(&Drawn::of(attempt, b"user", &*self.hash, &*self.entropy))
    }

    /// A secret to be mailed, and what the store keeps of it.
    pub fn link_token(&self) -> (SecretString, LinkTokenHash) {
        let token = random::secret(&*self.entropy);
        let hash = self.link_hash(token.expose());
        (token, hash)
    }

    /// A secret to be mailed to an address that was lost, and what the store keeps of it.
    pub(crate) fn undo_token(&self) -> (SecretString, UndoTokenHash) {
        let (token, LinkTokenHash(hash)) = self.link_token();
        (token, UndoTokenHash(hash))
    }

    /// What the store keeps of a mailed secret.
    pub fn link_hash(&self, token: &str) -> LinkTokenHash {
        LinkTokenHash(self.hash.digest(token.as_bytes()))
    }

    /// Whether a refreshed session went too long without a look at the users table. One that was looked at in the future was
    /// so by a clock that was wrong, or by a hand at the session store.
    pub fn needs_recheck(session: &Session, now: Timestamp) -> bool {
        now.since(session.checked_at) > limits::SESSION_RECHECK || session.checked_at.since(now) > limits::LEEWAY
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_compared_after_an_hour_and_when_its_last_time_cannot_be() {
        let session = crate::testing::a_session();
        let at = session.checked_at;
        let moment = std::time::Duration::from_micros(1);
        for (now, needed) in [
            (at.plus(limits::SESSION_RECHECK), false),
            (at.plus(limits::SESSION_RECHECK + moment), true),
            (at.minus(limits::LEEWAY), false),
            (at.minus(limits::LEEWAY + moment), true),
        ] {
            assert_eq!(TokenIssuer::needs_recheck(&session, now), needed, "{now:?}");
        }
    }

    #[test]
    fn a_mac_has_one_spelling() {
        let bytes: Vec<u8> = (0..32).map(|n| n * 8).collect();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes.clone()));
        assert_eq!(unhex(&hex(&bytes).to_uppercase()), None);
        assert_eq!(unhex("00"), None);
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}
