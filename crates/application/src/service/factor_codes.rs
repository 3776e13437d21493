use std::sync::Arc;

use keystead_domain::account::{Password, UserId};
use keystead_domain::factor::{RecoveryCode, RecoveryCodeHash, Totp, TotpRefusal};
use keystead_domain::token::OneTimeCode;
use keystead_domain::{SecretBytes, Timestamp};

use crate::failure::Failure;
use crate::ports::{Entropy, PasswordHasher, Store, TotpAlgorithm, Tx, Vault};

/// TOTP codes and recovery codes, compared with what the store keeps of them.
pub struct FactorCodes {
    vault: Arc<dyn Vault>,
    totp: Arc<dyn TotpAlgorithm>,
    hasher: Arc<dyn PasswordHasher>,
    entropy: Arc<dyn Entropy>,
    /// Steps accepted before the current one.
    window: u32,
}

/// Bytes of a TOTP secret (RFC 4226 section 4, R6).
const SECRET: usize = 20;

impl FactorCodes {
    /// The service.
    pub fn new(
        vault: Arc<dyn Vault>,
        totp: Arc<dyn TotpAlgorithm>,
        hasher: Arc<dyn PasswordHasher>,
        entropy: Arc<dyn Entropy>,
        window: u32,
    ) -> Self {
        Self { vault, totp, hasher, entropy, window }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> &dyn TotpAlgorithm {
        &*self.totp
    }

    /// Draws a TOTP secret: it, and what is kept of it.
    pub(crate) fn new_secret(&self, user: UserId) -> Result<(SecretBytes, Vec<u8>), Failure> {
        let mut secret = vec![0; SECRET];
        self.entropy.fill(&mut secret);
        let secret = SecretBytes::new(secret);
        let sealed = self.vault.seal(&place(user), secret.expose()).map_err(sealing)?;
        Ok((secret, sealed))
    }

    /// Seals a credential's secrets under the active key. `None` when they are.
    pub(crate) fn resealed(&self, totp: &Totp) -> Result<Option<Totp>, Failure> {
        let context = place(totp.user_id);
        let again = |sealed: &[u8]| {
            if !self.vault.is_outdated(sealed) {
                return Ok(None);
            }
            let plain = self.vault.open(&context, sealed).map_err(sealing)?;
            self.vault.seal(&context, plain.expose()).map(Some).map_err(sealing)
        };
        let secret = totp.sealed.as_deref().map(again).transpose()?.flatten();
        let pending = totp.pending.as_ref().map(|pending| again(&pending.sealed)).transpose()?.flatten();
        if secret.is_none() && pending.is_none() {
            return Ok(None);
        }
        let mut next = totp.clone();
        next.sealed = secret.or(next.sealed);
        if let (Some(waiting), Some(sealed)) = (next.pending.as_mut(), pending) {
            waiting.sealed = sealed;
        }
        Ok(Some(next))
    }

    /// The accepted step a code of this sealed secret is of.
    fn matched(&self, user: UserId, sealed: &[u8], code: &OneTimeCode, now: Timestamp) -> Result<Option<u64>, Failure> {
        let secret = self.vault.open(&place(user), sealed).map_err(sealing)?;
        let steps: Vec<u64> = Totp::steps(now, self.window).collect();
        Ok(self.totp.matching_step(secret.expose(), code, &steps))
    }

    /// Whether a TOTP code would be accepted now. Uses nothing up.
    pub(crate) async fn is_totp(
        &self,
        store: &dyn Store,
        user: UserId,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(mut totp) = store.read().await?.factors().totp(user).await? else { return Ok(false) };
        let Some(sealed) = totp.sealed.clone() else { return Ok(false) };
        Ok(totp.accept(self.matched(user, &sealed, code, now)?).is_ok())
    }

    /// Compares a TOTP code and uses its step up, in the caller's transaction, which holds the user.
    pub(crate) async fn accept_totp(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<Result<(), TotpRefusal>, Failure> {
        let Some(mut totp) = tx.factors().totp(user).await? else { return Ok(Err(TotpRefusal::Wrong)) };
        let Some(sealed) = totp.sealed.clone() else { return Ok(Err(TotpRefusal::Wrong)) };
        let accepted = totp.accept(self.matched(user, &sealed, code, now)?);
        if accepted.is_ok() {
            tx.factors().put_totp(&totp).await?;
        }
        Ok(accepted)
    }

    /// Compares a code with the secret that waits to be confirmed, and puts it in the place of the old one.
    pub(crate) async fn confirm_totp(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(mut totp) = tx.factors().totp(user).await? else { return Ok(false) };
        let Some(sealed) = totp.pending.as_ref().map(|pending| pending.sealed.clone()) else { return Ok(false) };
        let confirmed = totp.confirm(self.matched(user, &sealed, code, now)?, now).is_ok();
        if confirmed {
            tx.factors().put_totp(&totp).await?;
        }
        Ok(confirmed)
    }

    /// Draws a recovery code that none of `others` shares a row with, and what is kept of it.
    pub(crate) async fn new_recovery_code(
        &self,
        others: &[RecoveryCodeHash],
    ) -> Result<(RecoveryCode, RecoveryCodeHash), Failure> {
        let code = loop {
            let mut bytes = [0; 16];
            self.entropy.fill(&mut bytes);
            let code = RecoveryCode::from_random(bytes);
            if others.iter().all(|other| other.selector != code.selector()) {
                break code;
            }
        };
        let secret = as_password(&code)?;
        let hash = self.hasher.hash(&secret).await?;
        let kept = RecoveryCodeHash { selector: code.selector().to_owned(), hash };
        Ok((code, kept))
    }

    /// Whether this is a recovery code of the person that was not used. One hash, whether there is such a row or not. The
    /// caller consumes it, and that decides between parallel uses.
    pub(crate) async fn is_recovery_code(
        &self,
        store: &dyn Store,
        user: UserId,
        code: &RecoveryCode,
    ) -> Result<bool, Failure> {
        let kept = store.read().await?.factors().recovery_code(user, code.selector()).await?;
        let secret = as_password(code)?;
        if let Some(kept) = kept {
            return Ok(self.hasher.verify(&secret, &kept.hash).await?);
        }
        self.hasher.verify_dummy(&secret).await?;
        Ok(false)
    }
}

fn as_password(code: &RecoveryCode) -> Result<Password, Failure> {
    Password::for_verification(code.secret()).ok_or_else(|| Failure::Internal("a recovery code is no secret".into()))
}

fn place(user: UserId) -> Vec<u8> {
    format!("totp:{user}").into_bytes()
}

fn sealing(error: crate::ports::SealError) -> Failure {
    Failure::Internal(format!("a TOTP secret: {error}"))
}
