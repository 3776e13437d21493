use crate::Timestamp;
use crate::account::UserId;

/// The time step X (RFC 6238 section 4.1), in seconds.
pub const TOTP_STEP: u64 = 30;

/// A secret on its way to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingTotp {
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// A person's TOTP credential (RFC 6238). A new secret waits beside the old one until a code of it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totp {
    /// Whose.
    pub user_id: UserId,
    /// The confirmed secret, sealed; `None` before the first confirmation.
    pub sealed: Option<Vec<u8>>,
    /// The newest step a code was accepted for: no code is accepted twice, nor one older than an accepted one.
    pub last_step: Option<u64>,
    /// When the secret was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// A secret to be confirmed.
    pub pending: Option<PendingTotp>,
}

/// Why a code was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotpRefusal {
    /// It is of no step that is accepted now.
    Wrong,
    /// It is of a step that was used.
    Used,
}

impl Totp {
    /// A credential without a secret.
    pub const fn new(user_id: UserId) -> Self {
        Self { user_id, sealed: None, last_step: None, confirmed_at: None, pending: None }
    }

    /// The step of a time (RFC 6238 section 4.2).
    pub fn step(now: Timestamp) -> u64 {
        u64::try_from(now.as_seconds()).unwrap_or(0) / TOTP_STEP
    }

    /// The steps accepted at a time, newest first: the current one and `window` before it (RFC 6238 section 5.2).
    pub fn steps(now: Timestamp, window: u32) -> impl Iterator<Item = u64> {
        let current = Self::step(now);
        (0..=u64::from(window)).filter_map(move |back| current.checked_sub(back))
    }

    /// Uses up the step that a code matched; `None` when it matched none.
    pub fn accept(&mut self, matched: Option<u64>) -> Result<(), TotpRefusal> {
        let step = matched.ok_or(TotpRefusal::Wrong)?;
        if self.last_step.is_some_and(|last| step <= last) {
            return Err(TotpRefusal::Used);
        }
        self.last_step = Some(step);
        Ok(())
    }

    /// Puts the pending secret in the place of the old one; the step its code matched is used up.
    pub fn confirm(&mut self, matched: Option<u64>, now: Timestamp) -> Result<(), TotpRefusal> {
        let step = matched.ok_or(TotpRefusal::Wrong)?;
        let pending = self.pending.take().filter(|pending| now < pending.expires_at).ok_or(TotpRefusal::Wrong)?;
        self.sealed = Some(pending.sealed);
        self.last_step = Some(step);
        self.confirmed_at = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totp() -> Totp {
        Totp { sealed: Some(vec![1]), ..Totp::new(UserId::from_random([1; 16])) }
    }

    #[test]
    fn the_accepted_steps_are_the_current_one_and_those_of_the_window() {
        let steps = |seconds, window| Totp::steps(Timestamp::from_seconds(seconds), window).collect::<Vec<_>>();
        assert_eq!(steps(59, 1), [1, 0]);
        assert_eq!(steps(60, 1), [2, 1]);
        assert_eq!(steps(89, 0), [2]);
        assert_eq!(steps(0, 2), [0]);
    }

    #[test]
    fn a_step_is_used_once_and_never_after_a_later_one() {
        let mut totp = totp();
        assert_eq!(totp.accept(None), Err(TotpRefusal::Wrong));
        assert_eq!(totp.accept(Some(7)), Ok(()));
        assert_eq!(totp.accept(Some(7)), Err(TotpRefusal::Used));
        assert_eq!(totp.accept(Some(6)), Err(TotpRefusal::Used), "the clock stepped back");
        assert_eq!(totp.accept(Some(8)), Ok(()));
    }

    #[test]
    fn the_old_secret_stays_until_the_new_one_is_confirmed_and_the_confirming_code_is_used_up() {
        let now = Timestamp::from_seconds(600);
        let pending = PendingTotp { sealed: vec![2], expires_at: Timestamp::from_seconds(900) };
        let mut totp = Totp { pending: Some(pending.clone()), ..totp() };
        assert_eq!(totp.confirm(None, now), Err(TotpRefusal::Wrong));
        assert_eq!(totp.sealed, Some(vec![1]));
        assert_eq!(totp.confirm(Some(20), now), Ok(()));
        assert_eq!((totp.sealed.clone(), totp.pending.clone()), (Some(vec![2]), None));
        assert_eq!(totp.accept(Some(20)), Err(TotpRefusal::Used));
        let mut late = Totp { pending: Some(pending), ..Totp::new(totp.user_id) };
        assert_eq!(late.confirm(Some(30), Timestamp::from_seconds(900)), Err(TotpRefusal::Wrong));
    }
}
