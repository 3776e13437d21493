use keystead_domain::account::{LinkPurpose, LinkToken, User};
use keystead_domain::{SecretString, Timestamp, limits};

use super::{Postbox, TokenIssuer, to_user};
use crate::message::Notice;
use crate::ports::{StoreError, Tx};
use crate::settings::Settings;

/// Sends the owner of a new account the link that lets them choose its password, and gives it to the caller. An older link of
/// theirs is void.
pub(crate) async fn send_activation(
    tx: &mut dyn Tx,
    user: &User,
    issuer: &TokenIssuer,
    postbox: &Postbox,
    settings: &Settings,
    now: Timestamp,
) -> Result<SecretString, StoreError> {
    let life = limits::ACTIVATION_LINK_LIFE;
    let (secret, hash) = issuer.link_token();
    let token = LinkToken {
        hash,
        purpose: LinkPurpose::Activate,
        user_id: Some(user.id),
        epoch: user.epoch,
        begun_as: None,
        factor_proved: false,
        created_at: now,
        expires_at: now.plus(life),
    };
    tx.link_tokens().issue(&token).await?;
    let link = format!("{}/activate#token={}", settings.public_url, secret.expose());
    let notice = Notice::ActivateAccount { link: link.clone(), hours: life.as_secs() / 3600 };
    postbox.post(tx, &to_user(user, notice), now, life).await?;
    Ok(SecretString::new(link))
}
