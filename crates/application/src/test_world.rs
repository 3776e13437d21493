//! The use-cases of this crate on fakes and mocks, joined as a composition joins them. For this crate's own tests.

use std::ops::Deref;
use std::sync::Arc;

use keystead_domain::account::{Address, User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::Totp;
use keystead_domain::token::{AccessClaims, Amr, Factor, OneTimeCode, StepUpClaims, StepUpMethod};
use keystead_domain::{SecretBytes, SecretString, limits};

use crate::account::{ChangeDesk, RegistrationDesk};
use crate::context::RequestContext;
use crate::factor::FactorDesk;
use crate::message::{Message, Notice};
use crate::ports::{
    CeremonyStore, Clock, PasskeyVerifier, PasswordHasher, RevocationFeed, SessionStore, Store, StoreError, Vault,
};
use crate::revocation::{AccessGate, RevocationView};
use crate::service::{
    Attempt, AuthorizedTokens, Caller, Continuation, FactorCodes, FactorGuard, GuessGuard, OneTimeCodes,
    PasskeyCeremonies, Postbox, Revoker, Secrets, SessionOpener, SignInDesk, SrpExchange, StoredCodes, TokenIssuer,
};
use crate::session::{LastSeen, LoginDesk, RefreshDesk, Standing, StepUpTools};
use crate::settings::Settings;
use crate::testing::{
    CountingEntropy, FakeCeremonies, FakeHasher, FakeKeyedHash, FakePasskeys, FakeRevocationFeed, FakeSealer,
    FakeSessions, FakeSrp, FakeStore, FakeTokens, FakeTotp, FakeVault, FixedClock, MockStore, START, UserRow, a_device,
    fake_hash,
};

/// A password every account of these tests has.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The secret of [`World::enroll_totp`].
pub(crate) const TOTP_SECRET: &[u8] = b"twenty bytes secret!";
/// Another that may be chosen.
pub(crate) const OTHER_PASSWORD: &str = "seven quiet violet lanterns";

/// What every use-case is built of. A test puts a mock where it wants to look.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) ceremonies: Arc<dyn CeremonyStore>,
    pub(crate) hasher: Arc<dyn PasswordHasher>,
    pub(crate) feed: Arc<dyn RevocationFeed>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) tokens: Arc<FakeTokens>,
    pub(crate) hash: Arc<FakeKeyedHash>,
    pub(crate) entropy: Arc<CountingEntropy>,
    pub(crate) view: Arc<RevocationView>,
    pub(crate) seen: Arc<LastSeen>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) verifier: Arc<dyn PasskeyVerifier>,
    pub(crate) settings: Settings,
}

impl Default for Parts {
    /// Fakes everywhere, and a store that must not be touched.
    fn default() -> Self {
        Self {
            store: MockStore::untouched(),
            sessions: Arc::new(FakeSessions::new()),
            ceremonies: Arc::new(FakeCeremonies::new()),
            hasher: Arc::new(FakeHasher::new()),
            feed: Arc::new(FakeRevocationFeed::new()),
            clock: Arc::default(),
            tokens: Arc::default(),
            hash: Arc::default(),
            entropy: Arc::default(),
            view: Arc::default(),
            seen: Arc::default(),
            vault: Arc::new(FakeVault::new()),
            verifier: Arc::new(FakePasskeys::default()),
            settings: Settings::default(),
        }
    }
}

impl Parts {
    /// Fakes around a prepared store.
    pub(crate) fn on(store: Arc<MockStore>) -> Self {
        Self { store, ..Self::default() }
    }

    pub(crate) fn issuer(&self) -> Arc<TokenIssuer> {
        let (signer, view) = (self.tokens.clone(), self.view.clone());
        let lifetimes = self.settings.lifetimes.clone();
        Arc::new(TokenIssuer::new(signer, self.hash.clone(), self.entropy.clone(), view, lifetimes))
    }

    pub(crate) fn codes(&self) -> Arc<OneTimeCodes> {
        let (ceremonies, store) = (self.ceremonies.clone(), self.store.clone());
        Arc::new(OneTimeCodes::new(ceremonies, store, self.hash.clone(), self.entropy.clone()))
    }

    pub(crate) fn guard(&self) -> GuessGuard {
        GuessGuard::new(self.hash.clone())
    }

    pub(crate) fn postbox(&self) -> Arc<Postbox> {
        Arc::new(Postbox::new(Arc::new(FakeSealer), self.entropy.clone()))
    }

    pub(crate) fn revoker(&self) -> Arc<Revoker> {
        Arc::new(Revoker::new(self.view.clone(), self.feed.clone()))
    }

    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::new(self.hasher.clone(), self.vault.clone())
    }

    pub(crate) fn srp_exchange(&self) -> SrpExchange {
        let (server, ceremonies) = (Arc::new(FakeSrp), self.ceremonies.clone());
        let (vault, hash, entropy) = (self.vault.clone(), self.hash.clone(), self.entropy.clone());
        SrpExchange::new(server, self.secrets(), vault, hash, ceremonies, entropy)
    }

    pub(crate) fn gate(&self) -> Arc<AccessGate> {
        let (tokens, hash, clock) = (self.tokens.clone(), self.hash.clone(), self.clock.clone());
        Arc::new(AccessGate::new(tokens, hash, clock, self.view.clone(), self.store.clone(), self.seen.clone()))
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing::new(self.view.clone(), self.store.clone())
    }

    pub(crate) fn session_opener(&self) -> SessionOpener {
        let (store, sessions, settings) = (self.store.clone(), self.sessions.clone(), Arc::new(self.settings.clone()));
        SessionOpener::new(store, sessions, self.revoker(), settings)
    }

    pub(crate) fn sign_in_desk(&self) -> SignInDesk {
        SignInDesk {
            sessions: self.session_opener(),
            issuer: self.issuer(),
            codes: self.codes(),
            postbox: self.postbox(),
            guard: self.guard(),
            settings: Arc::new(self.settings.clone()),
        }
    }

    pub(crate) fn factor_guard(&self) -> FactorGuard {
        FactorGuard::new(self.hash.clone(), self.settings.factors.block)
    }

    pub(crate) fn factor_codes(&self) -> Arc<FactorCodes> {
        let (vault, hasher, entropy) = (self.vault.clone(), self.hasher.clone(), self.entropy.clone());
        Arc::new(FactorCodes::new(vault, Arc::new(FakeTotp), hasher, entropy, self.settings.factors.totp_window))
    }

    pub(crate) fn passkeys(&self) -> Arc<PasskeyCeremonies> {
        let (ceremonies, hash, verifier) = (self.ceremonies.clone(), self.hash.clone(), self.verifier.clone());
        Arc::new(PasskeyCeremonies::new(ceremonies, hash, verifier))
    }

    pub(crate) fn step_up_tools(&self) -> StepUpTools {
        let (ceremonies, store) = (self.ceremonies.clone(), self.store.clone());
        let codes = StoredCodes::new(ceremonies, store, self.hash.clone(), self.entropy.clone());
        StepUpTools {
            factors: self.factor_codes(),
            codes: Arc::new(codes),
            passkeys: self.passkeys(),
            guard: self.factor_guard(),
            entropy: self.entropy.clone(),
        }
    }

    pub(crate) fn continuation(&self) -> Continuation {
        Continuation { sessions: self.sessions.clone(), issuer: self.issuer(), revoker: self.revoker() }
    }

    pub(crate) fn factor_desk(&self) -> FactorDesk {
        FactorDesk {
            store: self.store.clone(),
            clock: self.clock.clone(),
            tools: self.step_up_tools(),
            continuation: self.continuation(),
            login: self.login_desk(),
        }
    }

    pub(crate) fn registration_desk(&self) -> RegistrationDesk {
        let settings = Arc::new(self.settings.clone());
        RegistrationDesk { postbox: self.postbox(), guard: self.guard(), settings }
    }

    pub(crate) fn login_desk(&self) -> LoginDesk {
        LoginDesk { postbox: self.postbox(), guard: self.guard(), settings: Arc::new(self.settings.clone()) }
    }

    pub(crate) fn change_desk(&self) -> ChangeDesk {
        ChangeDesk { login: self.login_desk(), revoker: self.revoker() }
    }

    pub(crate) fn refresh_desk(&self) -> RefreshDesk {
        RefreshDesk { standing: self.standing(), postbox: self.postbox(), revoker: self.revoker() }
    }
}

/// A whole service in memory.
pub(crate) struct World {
    parts: Parts,
    /// The store behind [`Parts::store`].
    pub(crate) rows: Arc<FakeStore>,
    /// The hasher behind [`Parts::hasher`].
    pub(crate) hashing: Arc<FakeHasher>,
}

impl Deref for World {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Default for World {
    fn default() -> Self {
        let (rows, hashing) = (Arc::new(FakeStore::new()), Arc::new(FakeHasher::new()));
        Self { parts: Parts { store: rows.clone(), hasher: hashing.clone(), ..Parts::default() }, rows, hashing }
    }
}

impl World {
    /// A service with this account, whose password is [`PASSWORD`].
    pub(crate) fn with(user: User) -> Self {
        let world = Self::default();
        world.add(user);
        world
    }

    /// Adds an account whose password is [`PASSWORD`].
    pub(crate) fn add(&self, user: User) {
        let row = UserRow { user, password: Some(fake_hash(PASSWORD)) };
        self.rows.prepare(|state| drop(state.users.0.insert(row.user.id, row)));
    }

    /// A browser this user signed in with has this device token.
    pub(crate) async fn knows_device(&self, user: UserId, token: &str) {
        let (hash, now) = (self.guard().device_hash(token), self.clock.now());
        let mut tx = self.store.begin().await.unwrap();
        tx.devices().remember(user, hash, now, now.plus(limits::DEVICE_LIFE)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Gives a user a confirmed TOTP secret.
    pub(crate) fn enroll_totp(&self, user: &User) {
        let sealed = self.vault.seal(format!("totp:{}", user.id).as_bytes(), TOTP_SECRET).unwrap();
        let totp = Totp { sealed: Some(sealed), confirmed_at: Some(START), ..Totp::new(user.id) };
        self.rows.prepare(|state| drop(state.factors.totp.insert(user.id, totp)));
    }

    /// The code of that secret now, or so many steps ago.
    pub(crate) fn totp_code(&self, steps_ago: u64) -> OneTimeCode {
        FakeTotp::code(TOTP_SECRET, Totp::step(crate::ports::Clock::now(&*self.clock)) - steps_ago)
    }

    /// Keeps ceremonies here from now on.
    pub(crate) fn set_ceremonies(&mut self, ceremonies: Arc<dyn CeremonyStore>) {
        self.parts.ceremonies = ceremonies;
    }

    /// Seals with this vault from now on.
    pub(crate) fn set_vault(&mut self, vault: Arc<dyn Vault>) {
        self.parts.vault = vault;
    }

    /// Changes the deployment's figures.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.parts.settings);
    }

    /// An account as it is now.
    pub(crate) fn user(&self, user: &User) -> User {
        self.rows.state().users.0[&user.id].user.clone()
    }

    /// The password of an account, as [`FakeHasher`] writes it down.
    pub(crate) fn password(&self, user: &User) -> String {
        let row = self.rows.state().users.0[&user.id].clone();
        row.password.map_or_else(String::new, |hash| hash.as_str().trim_start_matches(FakeHasher::PREFIX).to_owned())
    }

    /// Signs a user in, past every check.
    pub(crate) async fn sign_in(&self, user: &User) -> AuthorizedTokens {
        let now = crate::ports::Clock::now(&*self.clock);
        let sign_in = self.issuer().sign_in(user, vec![Amr::Password], &browser(), now).unwrap();
        self.sessions.insert(&sign_in.session).await.unwrap();
        sign_in.tokens
    }

    /// The messages that wait, oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let rows = self.rows.state().outbox.0;
        let opened = rows.iter().map(|row| self.postbox().open(&row.message.id.0, &row.message.sealed));
        opened
            .map(
                |opened| {
                    if let crate::service::Opened::Message(message) = opened { message } else { panic!("{opened:?}") }
                },
            )
            .collect()
    }

    /// The templates of the messages that wait, oldest first.
    pub(crate) fn notices(&self) -> Vec<&'static str> {
        self.messages().iter().map(|message| message.notice.template()).collect()
    }

    /// The newest code that was mailed.
    pub(crate) fn mailed_code(&self) -> String {
        let mut codes = self.messages().into_iter().rev().filter_map(|message| match message.notice {
            Notice::VerifyEmail { code, .. }
            | Notice::VerifyContact { code, .. }
            | Notice::LoginCode { code, .. }
            | Notice::ResetCode { code, .. }
            | Notice::PasswordlessCode { code, .. }
            | Notice::StepUpCode { code, .. } => Some(code),
            _ => None,
        });
        codes.next().expect("no code was mailed")
    }

    /// The secret of the newest link that was mailed.
    pub(crate) fn mailed_token(&self) -> String {
        let mut links = self.messages().into_iter().rev().filter_map(|message| match message.notice {
            Notice::ResetPassword { link, .. }
            | Notice::ActivateAccount { link, .. }
            | Notice::ContactLost { link, .. } => Some(link),
            _ => None,
        });
        let link = links.next().expect("no link was mailed");
        link.split_once("#token=").expect("a link carries its token in the fragment").1.to_owned()
    }

    /// What the audit log holds, oldest first.
    pub(crate) fn events(&self) -> Vec<AuditEventName> {
        self.rows.state().audit.rows.iter().map(|row| row.event.name).collect()
    }

    /// Whether these claims are still let in by the store's log; the view is asked by the gate's own tests.
    pub(crate) async fn is_revoked(&self, claims: &AccessClaims) -> bool {
        let mut tx = self.store.read().await.unwrap();
        tx.revocations().is_revoked(claims).await.unwrap()
    }
}

/// A caller who proved nothing but their session.
pub(crate) fn caller(claims: &AccessClaims) -> Caller {
    Caller { claims: claims.clone(), proof: None, device: None }
}

/// A caller who proved a TOTP code in this session, too.
pub(crate) fn proved(claims: &AccessClaims) -> Caller {
    let proof = StepUpClaims {
        subject: claims.subject,
        token_id: claims.token_id.clone(),
        issued_at: claims.issued_at,
        expires_at: claims.issued_at.plus(limits::STEP_UP_LIFE),
        epoch: claims.epoch,
        method: StepUpMethod::Factor(Factor::Totp),
    };
    Caller { claims: claims.clone(), proof: Some(proof), device: None }
}

/// An address.
pub(crate) fn to(text: &str) -> Address {
    Address::Email(crate::testing::email(text))
}

/// A request from a browser that shows no client id.
pub(crate) fn browser() -> RequestContext {
    RequestContext { device: a_device(), ..RequestContext::default() }
}

/// The same browser with a request that may come again.
pub(crate) fn again(seed: u8) -> RequestContext {
    RequestContext { attempt: Some(Attempt::new(SecretBytes::new(vec![seed; 32]))), ..browser() }
}

/// A secret as it was typed.
pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

/// A store that is down.
pub(crate) fn down() -> StoreError {
    StoreError::Unavailable("disk".to_owned())
}
