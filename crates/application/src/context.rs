//! What a use-case is told about the request it serves.

use keystead_domain::SecretString;
use keystead_domain::account::UserId;
use keystead_domain::token::{ClientKind, DeviceInfo};

use crate::message::Occasion;
use crate::service::Attempt;

/// Who asks, from where. Made by the transport; trusted by use-cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// What the client said it is.
    pub client: ClientKind,
    /// Address and `User-Agent`.
    pub device: DeviceInfo,
    /// The client id the request came with. A half-way token is bound to it, so that beginning a flow in a browser does
    /// not take the cookie of the session it already has; becoming authorized always makes a new one.
    pub client_id: Option<SecretString>,
    /// The administrator who acts as the signed-in user.
    pub impersonator: Option<UserId>,
    /// Set when the client may send the request again: it came with an `Idempotency-Key`.
    pub attempt: Option<Attempt>,
    /// What the person reads: the list of `Accept-Language`, as sent.
    pub languages: Option<String>,
}

impl RequestContext {
    /// The request as the owner of an account is told about it.
    pub fn occasion(&self, now: keystead_domain::Timestamp) -> Occasion {
        Occasion {
            ip: self.device.ip.map(|ip| ip.to_string()),
            user_agent: self.device.user_agent.clone(),
            at: now.as_seconds(),
        }
    }
}
