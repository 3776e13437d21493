use std::sync::Arc;

use keystead_domain::account::Role;
use keystead_domain::factor::{SecondFactorPolicy, Standing};
use keystead_domain::token::{AccessClaims, StepUpClaims};
use keystead_domain::{SecretString, Timestamp, limits};

use crate::ports::{Clock, TokenVerifier};

/// Somebody signed in, and what they proved besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What the access token says.
    pub claims: AccessClaims,
    /// What the step-up proof says, if a good one was shown.
    pub proof: Option<StepUpClaims>,
    /// The token of a browser signed in with before, if it was shown.
    pub device: Option<SecretString>,
}

/// Why something sensitive is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproved {
    /// A second factor must be shown first.
    MfaRequired,
    /// The person must prove again who they are first.
    ReauthRequired,
}

/// Reads step-up proofs, and decides whether what a caller proved is enough.
pub struct StepUpGate {
    verifier: Arc<dyn TokenVerifier>,
    clock: Arc<dyn Clock>,
}

impl StepUpGate {
    /// A gate.
    pub fn new(verifier: Arc<dyn TokenVerifier>, clock: Arc<dyn Clock>) -> Self {
        Self { verifier, clock }
    }

    /// What a proof says, if it counts now and was given to this session in this epoch.
    pub fn read(&self, proof: &str, access: &AccessClaims) -> Option<StepUpClaims> {
        let claims = self.verifier.verify_step_up(proof).ok()?;
        let now = self.clock.now();
        let timely = now >= claims.issued_at.minus(limits::LEEWAY) && now < claims.expires_at.plus(limits::LEEWAY);
        let fits = claims.subject == access.subject
            && claims.token_id.session() == access.session()
            && claims.epoch == access.epoch;
        // Whoever acts as somebody else proves nothing in their name.
        (timely && fits && access.actor.is_none()).then_some(claims)
    }
}

impl Caller {
    /// Refuses a caller who is to prove a second factor ("M" in the route table) and did not.
    pub(crate) fn require_factor(&self) -> Result<(), Unproved> {
        if self.proof.is_some() && self.claims.actor.is_none() { Ok(()) } else { Err(Unproved::MfaRequired) }
    }

    /// Refuses a caller who is to prove a second factor if they enrolled one, and who they are otherwise ("M if enrolled").
    pub(crate) fn require(
        &self,
        standing: &Standing,
        policy: SecondFactorPolicy,
        now: Timestamp,
    ) -> Result<(), Unproved> {
        if self.claims.actor.is_some() {
            return Err(Unproved::MfaRequired);
        }
        if self.proof.is_some() {
            return Ok(());
        }
        // A stolen token of an administrator must not become a factor of the thief's: they prove a code at least, where codes
        // can be sent to them.
        let is_reachable = !standing.answers().is_empty();
        let proves = standing.is_enrolled() || (self.claims.role >= Role::Admin && is_reachable);
        if proves && policy != SecondFactorPolicy::Never {
            return Err(Unproved::MfaRequired);
        }
        if now.since(self.claims.auth_time) > limits::REAUTH_WINDOW {
            return Err(Unproved::ReauthRequired);
        }
        Ok(())
    }
}
