//! Ready-made values. Change what a test is about with struct update: `User { role: Role::Admin, ..a_user() }`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use keystead_domain::account::{
    AccountStatus, Address, EmailAddress, Epoch, FullName, LinkPurpose, LinkToken, LinkTokenHash, Locale, PasswordHash,
    PendingRegistration, Role, User, UserId, Username,
};
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::limits;
use keystead_domain::token::{
    AccessClaims, Actor, Amr, ClientKind, DeviceInfo, Fingerprint, Generation, KeyId, PreAuthorizedClaims,
    PreAuthorizedPurpose, Presentation, RefreshPolicy, Revocation, RevocationTarget, Session, SessionId, TokenId,
};
use keystead_domain::{SecretString, Timestamp};

use super::factor_builders::contact;
use crate::ports::{KeyUse, LoginRecord, MacTag, Mail, NewMessage, OutboxId, StoredKey};

/// The time at which every built value was made: a point with microseconds, so that a store that rounds is noticed.
pub const START: Timestamp = Timestamp::from_micros(1_800_000_000_123_457);

/// `START` and `seconds`.
pub fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// A user's identifier, different for every number.
pub fn user_id(number: u16) -> UserId {
    let mut bytes = [0xa5; 16];
    let [high, low] = number.to_be_bytes();
    bytes[0] = high;
    bytes[1] = low;
    UserId::from_random(bytes)
}

/// An e-mail address.
///
/// # Panics
/// When the text is none.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::try_new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A username.
///
/// # Panics
/// When the text is none.
pub fn username(text: &str) -> Username {
    Username::try_new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A session's identifier.
///
/// # Panics
/// When the text is none.
pub fn session_id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap_or_else(|| panic!("{text:?} is no session id"))
}

/// A token's identifier, `<sid>.<random>`.
///
/// # Panics
/// When the text is none.
pub fn token_id(text: &str) -> TokenId {
    TokenId::parse(text).unwrap_or_else(|| panic!("{text:?} is no token id"))
}

/// A key's identifier.
///
/// # Panics
/// When the text is none.
pub fn key_id(text: &str) -> KeyId {
    KeyId::parse(text).unwrap_or_else(|| panic!("{text:?} is no key id"))
}

/// The hash [`super::FakeHasher`] makes of a password.
pub fn fake_hash(password: &str) -> PasswordHash {
    PasswordHash::new(format!("{}{password}", super::FakeHasher::PREFIX))
}

/// Where requests come from: an address and a browser.
pub fn a_device() -> DeviceInfo {
    DeviceInfo::new(Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))), Some("Mozilla/5.0 (X11; Linux x86_64)"))
}

/// Ada: active, all optional facts set but a number.
pub fn a_user() -> User {
    User {
        username: Some(username("ada")),
        full_name: FullName::try_new("Ada Lovelace").ok(),
        locale: Locale::try_new("en-GB").ok(),
        email: Some(contact(user_id(1), email("ada@example.com"))),
        ..user_number(1)
    }
}

/// A user with nothing optional set, unlike every other number's.
pub fn user_number(number: u16) -> User {
    User {
        id: user_id(number),
        email: Some(contact(user_id(number), email(&format!("user{number}@example.com")))),
        phone: None,
        username: None,
        full_name: None,
        locale: None,
        role: Role::User,
        status: AccountStatus::Active,
        epoch: Epoch::new(1),
        sessions_epoch: Epoch::new(1),
        created_at: START,
        updated_at: START,
    }
}

/// An administrator.
pub fn an_admin() -> User {
    User { role: Role::Admin, ..user_number(901) }
}

/// An administrator of administrators, who may act as Ada.
pub fn a_super_admin() -> User {
    User { role: Role::SuperAdmin, ..user_number(902) }
}

/// [`a_super_admin`], in a session of theirs, as the actor of somebody else's token.
pub fn an_actor() -> Actor {
    let admin = a_super_admin();
    Actor { subject: admin.id, session: session_id("session-of-the-actor"), epoch: admin.epoch }
}

/// Ada's claim to her address; the password is `correct horse battery staple` under [`super::FakeHasher`].
pub fn a_registration() -> PendingRegistration {
    let ada = a_user();
    PendingRegistration {
        id: ada.id,
        address: Address::Email(email("ada@example.com")),
        username: ada.username,
        full_name: ada.full_name,
        password: Some(fake_hash("correct horse battery staple")),
        srp: None,
        social: None,
        created_at: START,
        expires_at: START.plus(limits::REGISTRATION_LIFE),
    }
}

/// Ada's reset link, unused.
pub fn a_link_token() -> LinkToken {
    LinkToken {
        hash: LinkTokenHash([7; 32]),
        purpose: LinkPurpose::Reset,
        user_id: Some(user_id(1)),
        epoch: Epoch::new(1),
        begun_as: None,
        factor_proved: false,
        created_at: START,
        expires_at: START.plus(limits::RESET_LINK_LIFE),
    }
}

/// A message to send; alive for an hour.
pub fn a_message(id: &str) -> NewMessage {
    NewMessage {
        id: OutboxId(id.to_owned()),
        sealed: format!("sealed {id}").into_bytes(),
        created_at: START,
        expires_at: after(3600),
    }
}

/// A successful login of Ada's.
pub fn an_audit_event() -> AuditEvent {
    AuditEvent {
        name: AuditEventName::LoginSucceeded,
        at: START,
        actor: Some(user_id(1)),
        impersonator: None,
        subject: Some(user_id(1)),
        session: Some(session_id("session-1")),
        device: a_device(),
        detail: None,
    }
}

/// A keyed hash that nobody made.
pub fn a_mac_tag() -> MacTag {
    MacTag { key: key_id("audit-1"), bytes: [0xa1; 32] }
}

/// The end of one session.
pub fn a_revocation() -> Revocation {
    Revocation { target: RevocationTarget::Session(session_id("session-1")), at: START }
}

/// A login of Ada's.
pub fn a_login() -> LoginRecord {
    LoginRecord {
        token_id: token_id("session-1.token-1"),
        user_id: user_id(1),
        at: START,
        device: a_device(),
        impersonator: None,
    }
}

/// A key that signs access tokens, its private part sealed by nobody.
pub fn a_key(id: &str) -> StoredKey {
    StoredKey {
        id: key_id(id),
        key_use: KeyUse::SignAccess,
        algorithm: "EdDSA".to_owned(),
        sealed: vec![0, 1, 2, 0xff],
        created_at: START,
        active_from: START.plus(limits::KEY_PREPUBLISH),
        retires_at: None,
    }
}

/// The default grace and idle time.
pub fn a_refresh_policy() -> RefreshPolicy {
    RefreshPolicy { grace: limits::REFRESH_GRACE, idle: limits::SESSION_IDLE, rotations: limits::REFRESH }
}

/// The refresh token of a generation of [`a_session`], shown by its own client; `mac-2` signs a new head.
pub fn a_presentation(generation: u64, now: Timestamp) -> Presentation {
    let session = a_session();
    Presentation {
        generation: Generation::new(generation),
        client: session.client,
        fingerprint: Some(session.fingerprint),
        key: key_id("mac-2"),
        now,
        policy: a_refresh_policy(),
    }
}

/// A browser session of Ada's, just made.
pub fn a_session() -> Session {
    session_number(1)
}

/// A session of Ada's with an identifier unlike every other number's.
pub fn session_number(number: u16) -> Session {
    Session {
        id: session_id(&format!("session-{number}")),
        user_id: user_id(1),
        client: ClientKind::Browser,
        fingerprint: Fingerprint([9; 32]),
        head: Generation::FIRST,
        head_key: key_id("mac-1"),
        previous_key: None,
        rotated_at: None,
        rotations_since: START,
        rotations: 0,
        epoch: Epoch::new(1),
        role: Role::User,
        amr: vec![Amr::Password],
        auth_time: START,
        created_at: START,
        last_seen_at: START,
        expires_at: START.plus(limits::SESSION_LIFE),
        checked_at: START,
        device: a_device(),
        impersonator: None,
        ended: None,
    }
}

/// What Ada's access token in [`a_session`] says.
pub fn access_claims() -> AccessClaims {
    AccessClaims {
        subject: user_id(1),
        token_id: token_id("session-1.token-1"),
        issued_at: Timestamp::from_seconds(START.as_seconds()),
        expires_at: Timestamp::from_seconds(START.as_seconds()).plus(limits::ACCESS_TOKEN_LIFE),
        epoch: Epoch::new(1),
        role: Role::User,
        amr: vec![Amr::Password],
        auth_time: Timestamp::from_seconds(START.as_seconds()),
        fingerprint: Fingerprint([9; 32]),
        actor: None,
    }
}

/// What a token that proves Ada's registration says.
pub fn pre_authorized_claims() -> PreAuthorizedClaims {
    PreAuthorizedClaims {
        subject: user_id(1),
        token_id: token_id("half-way-1.token-1"),
        issued_at: Timestamp::from_seconds(START.as_seconds()),
        expires_at: Timestamp::from_seconds(START.as_seconds()).plus(limits::PRE_AUTHORIZED_LIFE),
        epoch: Epoch::new(1),
        purpose: PreAuthorizedPurpose::Register,
        amr: Vec::new(),
        fingerprint: Fingerprint([9; 32]),
        otp: Some([5; 32]),
        otp_key: Some(key_id("mac-1")),
        tfa_options: Vec::new(),
        default_tfa: None,
    }
}

/// A rendered mail to Ada.
pub fn a_mail() -> Mail {
    Mail {
        message_id: "message-1@keystead.example".to_owned(),
        to: email("ada@example.com"),
        subject: "Hello".to_owned(),
        text: SecretString::new("Hello, Ada.".to_owned()),
        html: SecretString::new("<p>Hello, Ada.</p>".to_owned()),
    }
}
