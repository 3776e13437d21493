use super::{Fingerprint, SessionId, TokenId};
use crate::Timestamp;
use crate::account::{Epoch, Role, UserId};

/// A method that took part in signing in (`amr`, RFC 8176 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Amr {
    /// A password.
    Password,
    /// A one-time code.
    Otp,
    /// A code by SMS.
    Sms,
    /// A key that stays in its authenticator.
    HardwareKey,
    /// A key that may be copied to other devices.
    SoftwareKey,
    /// The authenticator verified its user.
    UserVerified,
    /// Another service vouched for the person. Not registered by RFC 8176; the value others use.
    Federated,
    /// Two or more factors.
    MultiFactor,
}

impl Amr {
    /// The registered value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Otp => "otp",
            Self::Sms => "sms",
            Self::HardwareKey => "hwk",
            Self::SoftwareKey => "swk",
            Self::UserVerified => "user",
            Self::Federated => "fed",
            Self::MultiFactor => "mfa",
        }
    }

    /// Reads a registered value.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pwd" => Some(Self::Password),
            "otp" => Some(Self::Otp),
            "sms" => Some(Self::Sms),
            "hwk" => Some(Self::HardwareKey),
            "swk" => Some(Self::SoftwareKey),
            "user" => Some(Self::UserVerified),
            "fed" => Some(Self::Federated),
            "mfa" => Some(Self::MultiFactor),
            _ => None,
        }
    }
}

/// A second factor a person enrolled, in the order they are offered (`tfaOptions`, `defaultTfa`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    /// A passkey or security key.
    Device,
    /// A time-based code.
    Totp,
    /// A code by e-mail.
    Email,
    /// A code by SMS.
    Phone,
}

impl Factor {
    /// The name in claims.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Totp => "totp",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    /// Reads the name in claims.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "device" => Some(Self::Device),
            "totp" => Some(Self::Totp),
            "email" => Some(Self::Email),
            "phone" => Some(Self::Phone),
            _ => None,
        }
    }
}

/// What an access token says (`typ: at+jwt`, RFC 9068).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`: the user.
    pub subject: UserId,
    /// `jti`; its session part is `sid`.
    pub token_id: TokenId,
    /// `iat` and `nbf`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `epoch`: the version of the user's credentials.
    pub epoch: Epoch,
    /// `role`.
    pub role: Role,
    /// `amr`.
    pub amr: Vec<Amr>,
    /// `auth_time`: when the person last proved who they are.
    pub auth_time: Timestamp,
    /// `fgp`: hash of the client id.
    pub fingerprint: Fingerprint,
    /// `act`: the administrator who acts as the subject (RFC 8693 section 4.1).
    pub actor: Option<Actor>,
}

/// Who really acts. A token that names an actor ends with the actor's session, and with every change of the actor's role,
/// standing or credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `sub`: the administrator.
    pub subject: UserId,
    /// `sid`: the session the impersonation was begun in.
    pub session: SessionId,
    /// `epoch`: the version of the administrator's credentials.
    pub epoch: Epoch,
}

impl AccessClaims {
    /// `sid`.
    pub fn session(&self) -> SessionId {
        self.token_id.session()
    }
}

/// What a half-way token is for. A route accepts only its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreAuthorizedPurpose {
    /// Proving a registration.
    Register,
    /// A login that wants a second factor.
    Login,
    /// Choosing a new password.
    Reset,
    /// A login without a password.
    Passwordless,
}

impl PreAuthorizedPurpose {
    /// The value of the claim `purpose`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::Reset => "reset",
            Self::Passwordless => "passwordless",
        }
    }

    /// Reads the claim `purpose`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "register" => Some(Self::Register),
            "login" => Some(Self::Login),
            "reset" => Some(Self::Reset),
            "passwordless" => Some(Self::Passwordless),
            _ => None,
        }
    }
}

/// What a pre-authorized token says (`typ: pre+jwt`, audience: Keystead itself).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreAuthorizedClaims {
    /// `sub`: the user, or the user to be; random for a decoy.
    pub subject: UserId,
    /// `jti`; its `sid` belongs to no session.
    pub token_id: TokenId,
    /// `iat` and `nbf`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `epoch`.
    pub epoch: Epoch,
    /// `purpose`.
    pub purpose: PreAuthorizedPurpose,
    /// `amr`: what was proved so far.
    pub amr: Vec<Amr>,
    /// `fgp`.
    pub fingerprint: Fingerprint,
    /// `otp`: keyed hash of the code that was sent, bound to this token, its purpose and the address.
    pub otp: Option<[u8; 32]>,
    /// `otp_kid`: the server key of `otp`.
    pub otp_key: Option<super::KeyId>,
    /// `tfaOptions`.
    pub tfa_options: Vec<Factor>,
    /// `defaultTfa`.
    pub default_tfa: Option<Factor>,
}

/// How a step-up was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepUpMethod {
    /// By one of the factors.
    Factor(Factor),
    /// By a recovery code.
    Recovery,
}

impl StepUpMethod {
    /// The name in claims.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Factor(factor) => factor.as_str(),
            Self::Recovery => "recovery",
        }
    }

    /// Reads the name in claims.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "recovery" { Some(Self::Recovery) } else { Factor::parse(text).map(Self::Factor) }
    }
}

/// What an OTPSession says (`typ: otp+jwt`, audience: Keystead itself): a factor was proved in this session.
///
/// It belongs to one session and one epoch, so it ends with the session and with every change of a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUpClaims {
    /// `sub`: the user.
    pub subject: UserId,
    /// `jti`; its session part is `sid`.
    pub token_id: TokenId,
    /// `iat` and `nbf`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `epoch`.
    pub epoch: Epoch,
    /// `method`: how.
    pub method: StepUpMethod,
}
