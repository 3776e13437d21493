use std::sync::Arc;

use keystead_domain::account::LoginName;
use keystead_domain::audit::AuditEventName;
use keystead_domain::{SecretString, limits};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{
    CaptchaAction, CaptchaError, CaptchaVerifier, CeremonyKey, CeremonyKind, CeremonyStore, Clock, KeyedHash, Store,
};
use crate::service::{GuessGuard, record_with};

/// The longest solution that is looked at, in bytes. Those of providers have up to 2,048.
pub const LONGEST_SOLUTION: usize = 4096;

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaptchaRefusal {
    /// None was shown, and one is needed.
    #[error("a captcha is needed")]
    Required,
    /// A wrong, used or outdated one was shown, or one of another action or site.
    #[error("the captcha was refused")]
    Invalid,
    /// Nobody can say whether it is right; nothing is assumed.
    #[error("the captcha cannot be checked: {0}")]
    Unavailable(String),
}

impl From<Failure> for CaptchaRefusal {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.to_string())
    }
}

/// What the gate needs of the world.
#[derive(Clone)]
pub struct CaptchaDesk {
    /// Audit events, known devices.
    pub store: Arc<dyn Store>,
    /// Solutions of requests that may come again.
    pub ceremonies: Arc<dyn CeremonyStore>,
    /// Their names.
    pub hash: Arc<dyn KeyedHash>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Asks for captchas where the deployment wants them. It stands before whatever costs, and asks for a name that exists as
/// for one that does not (G01).
pub struct CaptchaGate {
    verifier: Option<Arc<dyn CaptchaVerifier>>,
    actions: Vec<CaptchaAction>,
    desk: CaptchaDesk,
}

impl CaptchaGate {
    /// A gate that wants solutions for `actions`, checked by `verifier`; without one it is always open.
    pub fn new(verifier: Option<Arc<dyn CaptchaVerifier>>, actions: Vec<CaptchaAction>, desk: CaptchaDesk) -> Self {
        Self { verifier, actions, desk }
    }

    /// Whether a captcha may be asked for before this.
    pub fn guards(&self, action: CaptchaAction) -> bool {
        self.verifier.is_some() && self.actions.contains(&action)
    }

    /// Lets a request pass that shows a right solution, that needs none, or that comes from a device its owner signed in
    /// with before ([`Self::knows`]). MUST NOT be called while a transaction is open.
    pub async fn require(
        &self,
        action: CaptchaAction,
        solution: Option<&SecretString>,
        known_device: bool,
        context: &RequestContext,
    ) -> Result<(), CaptchaRefusal> {
        let Some(verifier) = self.verifier.as_ref().filter(|_| self.actions.contains(&action) && !known_device) else {
            return Ok(());
        };
        let solution = solution.ok_or(CaptchaRefusal::Required)?;
        let repeated = self.repeated(action, solution, context);
        if let Some(key) = &repeated
            && self.desk.ceremonies.find(key, self.desk.clock.now()).await.map_err(Failure::from)?.is_some()
        {
            return Ok(());
        }
        match check(&**verifier, action, solution, context).await {
            Ok(()) => {}
            Err(CaptchaError::Unavailable(cause)) => return Err(CaptchaRefusal::Unavailable(cause)),
            Err(CaptchaError::Refused) => {
                self.note_refusal(action, context).await?;
                return Err(CaptchaRefusal::Invalid);
            }
        }
        if let Some(key) = &repeated {
            let now = self.desk.clock.now();
            let until = now.plus(limits::IDEMPOTENCY_LIFE);
            self.desk.ceremonies.insert(key, &[1], now, until).await.map_err(Failure::from)?;
        }
        Ok(())
    }

    /// Whether `device` is a device of the account that has this name. Costs nothing while the action is not guarded, and
    /// where no device is shown.
    pub async fn knows(
        &self,
        action: CaptchaAction,
        name: &LoginName,
        device: Option<&SecretString>,
    ) -> Result<bool, Failure> {
        let Some(device) = device.filter(|_| self.guards(action)) else { return Ok(false) };
        let guard = GuessGuard::new(self.desk.hash.clone());
        let device = guard.device_hash(device.expose());
        let mut tx = self.desk.store.read().await?;
        let account = tx.users().find_by_login_name(name).await?.map(|(user, _)| user.id);
        let guesser = guard.guesser(&mut *tx, account, name, Some(device), self.desk.clock.now()).await?;
        Ok(guesser.is_known_device())
    }

    /// Where it stands that this request, which may come again, showed this solution: it is used once, but by one request
    /// and not by one attempt at it.
    fn repeated(
        &self,
        action: CaptchaAction,
        solution: &SecretString,
        context: &RequestContext,
    ) -> Option<CeremonyKey> {
        let attempt = context.attempt.as_ref()?;
        let shown = format!("{} {}", action.as_str(), solution.expose());
        let id = format!("shown:{}", attempt.name_of(&*self.desk.hash, shown.as_bytes()));
        Some(CeremonyKey { kind: CeremonyKind::Captcha, id })
    }

    async fn note_refusal(&self, action: CaptchaAction, context: &RequestContext) -> Result<(), Failure> {
        let mut tx = self.desk.store.begin().await?;
        let (name, detail) = (AuditEventName::CaptchaRefused, action.as_str().to_owned());
        record_with(&mut *tx, name, (None, None), None, (context, detail), self.desk.clock.now()).await?;
        Ok(tx.commit().await?)
    }
}

async fn check(
    verifier: &dyn CaptchaVerifier,
    action: CaptchaAction,
    solution: &SecretString,
    context: &RequestContext,
) -> Result<(), CaptchaError> {
    let length = solution.expose().len();
    if length == 0 || length > LONGEST_SOLUTION {
        return Err(CaptchaError::Refused);
    }
    verifier.verify(action, solution, context.device.ip).await
}

#[cfg(test)]
mod tests;
