//! What the use-cases need of the world, as traits. The doc comment of a method is its contract, in MUST words; every
//! MUST has a test in `keystead-testkit` that runs on every implementation.
//!
//! Not found is `Ok(None)`. A lost race for uniqueness is [`StoreError::Conflict`] and leaves the transaction usable.

mod attendance;
mod audit;
mod captcha;
mod crypto;
mod ephemeral;
mod factors;
mod keys;
mod mail;
mod outbox;
mod repositories;
mod revocation_feed;
mod social;
mod srp;
mod store;
mod world;

pub use attendance::{AttendanceFilter, AttendancePage, AttendanceRepository, LeaseRepository};
pub use audit::{AuditChain, AuditFilter, AuditLog, AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind};
pub use captcha::{CaptchaAction, CaptchaError, CaptchaVerifier};
pub use crypto::{
    ForeignHash, HashError, HashRefusal, KeyRing, KeyedHash, MacPurpose, MacTag, PasswordHasher, PasswordImport,
    ReadHash, SealError, Sealer, TokenError, TokenKind, TokenSigner, TokenVerifier, VerifiedAccess,
};
pub use ephemeral::{
    CeremonyKey, CeremonyKind, CeremonyStore, EphemeralError, RateDecision, RateHit, RateLimiter, Rotation,
    SessionStore, SessionUpdate,
};
pub use factors::{
    Assertion, ContactRepository, FactorFailureRepository, FactorRepository, PasskeyCeremony, PasskeyError,
    PasskeyRepository, PasskeyUser, PasskeyVerifier, RegisteredCredential, TotpAlgorithm, UnverifiedAnswer,
    UserVerification, Vault,
};
pub use keys::{KeyRepository, KeyUse, StoredKey};
pub use mail::{DeliveryError, Mail, Mailer, MessageRenderer, RenderError, Rendered, Sms, SmsSender};
pub use outbox::{ClaimedMessage, NewMessage, Outbox, OutboxEntry, OutboxId};
pub use repositories::{
    BudgetDecision, BudgetKey, DeviceRepository, GuessBudgets, LinkTokenRepository, LoginHistory, LoginRecord,
    RegistrationRepository, RevocationLog, UserFilter, UserPage, UserRepository,
};
pub use revocation_feed::{FeedBatch, FeedCursor, RevocationFeed};
pub use social::{SocialAnswer, SocialError, SocialProfile, SocialProvider, SocialRepository, SocialRequest};
pub use srp::{SrpAnswer, SrpChallenge, SrpRepository, SrpServer, StoredSrp};
pub use store::{Constraint, Store, StoreError, Tx};
pub use world::{Clock, Entropy};

#[cfg(any(test, feature = "testing"))]
pub use self::{
    attendance::{MockAttendanceRepository, MockLeaseRepository},
    audit::{MockAuditChain, MockAuditLog},
    captcha::MockCaptchaVerifier,
    crypto::{
        MockKeyRing, MockKeyedHash, MockPasswordHasher, MockPasswordImport, MockSealer, MockTokenSigner,
        MockTokenVerifier,
    },
    ephemeral::{MockCeremonyStore, MockRateLimiter, MockSessionStore},
    factors::{
        MockContactRepository, MockFactorFailureRepository, MockFactorRepository, MockPasskeyRepository,
        MockPasskeyVerifier, MockTotpAlgorithm, MockVault,
    },
    keys::MockKeyRepository,
    mail::{MockMailer, MockMessageRenderer, MockSmsSender},
    outbox::MockOutbox,
    repositories::{
        MockDeviceRepository, MockGuessBudgets, MockLinkTokenRepository, MockLoginHistory, MockRegistrationRepository,
        MockRevocationLog, MockUserRepository,
    },
    revocation_feed::MockRevocationFeed,
    social::{MockSocialProvider, MockSocialRepository},
    srp::{MockSrpRepository, MockSrpServer},
    world::{MockClock, MockEntropy},
};
