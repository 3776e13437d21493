use keystead_domain::account::User;

use super::standing_of;
use crate::ports::{StoreError, Tx};
use crate::settings::Settings;

/// How a person signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaysIn {
    /// A password, an SRP credential, or both.
    pub secret: bool,
    /// Passkeys.
    pub passkeys: usize,
    /// Those of them that verify their user, as one must that signs in alone.
    pub passkeys_alone: usize,
    /// Accounts elsewhere.
    pub links: usize,
    /// Those of them whose provider is configured.
    pub links_in_use: usize,
    /// Whether a second factor is enrolled.
    pub second_factor: bool,
    /// Codes to a contact, where the service takes those in the place of a password.
    pub codes: bool,
}

impl WaysIn {
    /// Those of a person.
    pub(crate) async fn of(tx: &mut dyn Tx, user: &User, settings: &Settings) -> Result<Self, StoreError> {
        let passkeys = tx.passkeys().list(user.id).await?;
        let links = tx.social().list(user.id).await?;
        let factors = &settings.factors;
        Ok(Self {
            secret: tx.users().password(user.id).await?.is_some() || tx.srp().get(user.id).await?.is_some(),
            passkeys: passkeys.len(),
            passkeys_alone: passkeys.iter().filter(|passkey| passkey.user_verified).count(),
            links: links.len(),
            links_in_use: links.iter().filter(|link| settings.providers.contains(&link.provider)).count(),
            second_factor: standing_of(tx, user, settings).await?.is_enrolled(),
            codes: factors.passwordless && user.contacts().any(|contact| factors.reaches(contact.address.kind())),
        })
    }

    /// Whether the person never enrolled anything: neither a way in, be it of no use for now, nor a second factor. Only then
    /// may a link alone let somebody in (G11).
    pub(crate) fn are_none(self) -> bool {
        !self.secret && self.passkeys == 0 && self.links == 0 && !self.second_factor
    }

    /// Whether one of them, by itself, leads in.
    pub(crate) fn lead_in(self) -> bool {
        self.secret || self.passkeys_alone > 0 || self.links_in_use > 0 || self.codes
    }
}
