//! Use-cases from ports. Names no adapter.

use std::sync::Arc;

use keystead_application::account::{
    ActivateAccount, AddSrpCredential, BeginReset, ChangePassword, DeactivateAccount, ExportAccount, ForgotPassword,
    ReadProfile, RegisterUser, ResendCode, ResetPassword, UpdateProfile, VerifyRegistration,
};
use keystead_application::admin::{Impersonate, ManageOutbox, ManageSessions, ManageUsers, NoteRefusal};
use keystead_application::audit::{LinkAudit, PruneAudit, ReadAudit, SealingStore, VerifyAudit};
use keystead_application::factor::{
    Contacts, MakeRecoveryCodes, Passkeys, ResealFactors, SocialLinks, TotpFactor, UndoContactChange,
};
use keystead_application::operation::{DeliverMail, Housekeeping, KeyKeeper, MailPolicy, Operator, PurgeAccounts};
use keystead_application::revocation::{AccessGate, RevocationKeeper, RevocationListener, RevocationView};
use keystead_application::service::{Idempotency, Revoker, StepUpGate};
use keystead_application::session::{
    AnswerSecondFactor, EndSessions, ExchangeRefreshToken, LastSeen, Login, PasskeyLogin, Passwordless, Reauthenticate,
    ReauthenticationTools, RefreshDesk, RefreshSession, SendFactorCode, SessionOverview, SrpChallenge, SrpLogin,
    Standing, StepUp,
};
use keystead_application::settings::{AccountLimits, Lifetimes, Settings};
use keystead_application::social::{SocialFlows, SocialSignIn};
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::RefreshPolicy;

use super::attendance;
use super::captcha::{self, Captchas};
use super::desks::Desks;
use super::mail::Post;
use super::{Background, Ports, Stores};
use crate::config::{Config, LimitsMode};
use crate::services::Services;

/// What an operator's figures mean to the use-cases.
fn settings(config: &Config) -> Settings {
    let off = config.limits.mode == LimitsMode::Off;
    let policy = |policy: RatePolicy| {
        let policy = config.limits.policy(&policy);
        if off { RatePolicy { limit: u32::MAX, ..policy } } else { policy }
    };
    Settings {
        public_url: config.http.public_url.as_str().to_owned(),
        registration_open: config.registration.open,
        passwords: config.passwords.policy(&config.mail.product_name),
        lifetimes: Lifetimes {
            access: config.tokens.access_life,
            session: config.tokens.session_life,
            refresh: RefreshPolicy {
                grace: limits::REFRESH_GRACE,
                idle: config.tokens.session_idle,
                rotations: policy(limits::REFRESH),
            },
        },
        max_sessions: config.tokens.max_sessions,
        limits: AccountLimits {
            login: policy(limits::LOGIN_ACCOUNT),
            login_captcha: policy(limits::LOGIN_CAPTCHA),
            forgot: policy(limits::FORGOT_ACCOUNT),
            password_change: policy(limits::PASSWORD_CHANGE),
            reauth: policy(limits::REAUTH),
            account_exists: policy(limits::ACCOUNT_EXISTS),
            code_resend: policy(limits::CODE_RESEND),
            code_resend_gap: policy(limits::CODE_RESEND_GAP),
            passwordless: policy(limits::PASSWORDLESS_ACCOUNT),
            step_up: policy(limits::STEP_UP),
            step_up_gap: policy(limits::STEP_UP_GAP),
            contact_add: policy(limits::CONTACT_ADD),
            address: policy(limits::ADDRESS),
            factor_change: policy(limits::FACTOR_CHANGE),
        },
        factors: config.factor_settings(),
        providers: config.social.providers.iter().map(|provider| provider.id.clone()).collect(),
        retention: config.retention.settings(),
    }
}

/// Joins ports and use-cases.
#[expect(clippy::many_single_char_names, reason = "short names for the five ports nearly every use-case takes")]
#[expect(clippy::too_many_lines, reason = "a line for each use-case; a reader looks for one")]
pub(super) fn join(
    config: &Config,
    ports: Ports,
    stores: Stores,
    post: Post,
    captchas: Captchas,
) -> (Services, Background) {
    // Every event is sealed where it is written, by whichever use-case.
    let sealing = |store| Arc::new(SealingStore::new(store, ports.hash.clone(), ports.entropy.clone()));
    let (store, watch) = (sealing(stores.store.clone()), sealing(stores.watch.clone()));
    let stores = Stores { store, watch, ..stores };
    let view = Arc::new(RevocationView::default());
    let revoker = Arc::new(Revoker::new(view.clone(), stores.feed.clone()));
    let captcha = captcha::gate(config, &ports, &stores, captchas.verifier);
    let social = (ports.social.clone(), stores.ceremonies.clone(), ports.hash.clone(), ports.entropy.clone());
    let social = Arc::new(SocialFlows::new(social.0, social.1, social.2, social.3));
    let desks = Desks::new(settings(config), &ports, &stores, revoker, view.clone());
    let Ports { hasher, ring, signer, verifier, hash, sealer, entropy, clock, .. } = ports;
    let Stores { store, watch, sessions, ceremonies, limiter, feed, garbage, is_alone } = stores;
    let Desks { settings, postbox, guard, issuer, codes, secrets, srp, revoker, tools, .. } = desks;
    let Desks { registration, sign_in, login, continuation, change, factor, admin, .. } = desks;
    let (lifetimes, retention) = (settings.lifetimes.clone(), settings.retention.clone());
    let listener = RevocationListener::new(feed, view.clone());
    let seen = Arc::new(LastSeen::default());
    let step_up_gate = StepUpGate::new(verifier.clone(), clock.clone());
    let gate =
        Arc::new(AccessGate::new(verifier, hash.clone(), clock.clone(), view.clone(), store.clone(), seen.clone()));
    let standing = Standing::new(view.clone(), store.clone());
    let refresh = RefreshDesk { standing: standing.clone(), postbox: postbox.clone(), revoker: revoker.clone() };
    let keys = Arc::new(KeyKeeper::new(watch.clone(), ring, clock.clone(), lifetimes.access, lifetimes.session));
    let reseal = Arc::new(ResealFactors::new(store.clone(), tools.factors.clone(), secrets.clone()));
    let (s, n, h, c, i, d) = (&store, &sessions, &hasher, &clock, &issuer, &sign_in);
    let (f, k, b, x) = (&tools.factors, &tools.passkeys, &tools.guard, &secrets);
    let made_of = attendance::Parts {
        store: s,
        clock: c,
        entropy: &entropy,
        guard: &guard,
        postbox: &postbox,
        settings: &settings,
    };
    let (attendance, reminders) = attendance::attendance(&config.attendance, &made_of);
    let proofs =
        ReauthenticationTools { hasher: hasher.clone(), passkeys: tools.passkeys.clone(), exchange: srp.clone() };
    let services = Services {
        step_up_gate,
        social: SocialSignIn::new(
            s.clone(),
            c.clone(),
            social.clone(),
            d.clone(),
            registration.clone(),
            revoker.clone(),
        ),
        register: RegisterUser::new(s.clone(), x.clone(), c.clone(), i.clone(), codes.clone(), registration.clone()),
        verify_registration: VerifyRegistration::new(
            s.clone(),
            d.sessions.clone(),
            c.clone(),
            i.clone(),
            codes.clone(),
            guard.clone(),
        ),
        resend_code: ResendCode::new(s.clone(), c.clone(), i.clone(), codes, registration),
        login: Login::new(s.clone(), h.clone(), c.clone(), d.clone()).with_captcha(captcha.clone()),
        captcha: captcha.clone(),
        captchas: captchas.source,
        srp_challenge: SrpChallenge::new(s.clone(), c.clone(), srp.clone()),
        srp_login: SrpLogin::new(s.clone(), c.clone(), srp.clone(), d.clone()).with_captcha(captcha.clone()),
        second_factor: AnswerSecondFactor::new(s.clone(), c.clone(), f.clone(), b.clone(), d.clone()),
        send_factor_code: SendFactorCode::new(s.clone(), c.clone(), d.clone()),
        passkey_login: PasskeyLogin::new(s.clone(), c.clone(), k.clone(), b.clone(), d.clone()),
        passwordless: Passwordless::new(s.clone(), c.clone(), b.clone(), d.clone()),
        step_up: StepUp::new(s.clone(), c.clone(), i.clone(), tools.clone(), login.clone()),
        reauthenticate: Reauthenticate::new(s.clone(), n.clone(), c.clone(), i.clone(), proofs, login.clone()),
        activate: ActivateAccount::new(s.clone(), d.sessions.clone(), x.clone(), c.clone(), i.clone(), login.clone()),
        refresh: RefreshSession::new(n.clone(), s.clone(), c.clone(), i.clone(), hash.clone(), refresh),
        exchange: ExchangeRefreshToken::new(n.clone(), c.clone(), i.clone(), gate.clone(), standing),
        end_sessions: EndSessions::new(s.clone(), n.clone(), c.clone(), i.clone(), revoker.clone()),
        forgot_password: ForgotPassword::new(s.clone(), c.clone(), i.clone(), login.clone()),
        begin_reset: BeginReset::new(s.clone(), c.clone(), d.clone()),
        reset_password: ResetPassword::new(s.clone(), n.clone(), x.clone(), c.clone(), revoker, login.clone()),
        add_srp: AddSrpCredential::new(s.clone(), c.clone(), secrets.clone(), continuation.clone(), login.clone()),
        change_password: ChangePassword::new(s.clone(), secrets.clone(), c.clone(), continuation, login),
        totp: TotpFactor::new(factor.clone()),
        recovery_codes: MakeRecoveryCodes::new(factor.clone()),
        passkeys: Passkeys::new(factor.clone()),
        contacts: Contacts::new(factor.clone()),
        social_links: SocialLinks::new(factor.clone(), social),
        undo_contact: UndoContactChange::new(factor),
        reseal: reseal.clone(),
        read_profile: ReadProfile::new(s.clone()),
        update_profile: UpdateProfile::new(s.clone(), c.clone()),
        deactivate: DeactivateAccount::new(s.clone(), n.clone(), c.clone(), change.clone()),
        export: ExportAccount::new(s.clone(), n.clone(), c.clone()),
        overview: SessionOverview::new(s.clone(), n.clone(), c.clone(), lifetimes.refresh),
        manage_users: ManageUsers::new(admin.clone()),
        manage_sessions: ManageSessions::new(admin.clone()),
        impersonate: Impersonate::new(admin.clone(), config.admin.notify_impersonation),
        manage_outbox: ManageOutbox::new(admin),
        read_audit: ReadAudit::new(s.clone()),
        verify_audit: VerifyAudit::new(s.clone(), hash.clone()),
        attendance,
        refusals: NoteRefusal::new(s.clone(), c.clone()),
        operator: Operator::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), change),
        gate,
        keys: keys.clone(),
        signer,
        store: s.clone(),
        limiter,
        guard,
        idempotency: Idempotency::new(ceremonies, hash.clone(), sealer, entropy.clone(), c.clone()),
        clock: c.clone(),
        entropy,
    };
    let mail = post.map(|(channels, renderer)| {
        DeliverMail::new(s.clone(), channels, renderer, postbox, c.clone(), MailPolicy::default())
    });
    let background = Background {
        revocations: RevocationKeeper::new(watch, c.clone(), view.clone()),
        listener,
        housekeeping: Housekeeping::new(s.clone(), c.clone(), view.clone(), lifetimes.session, retention.logins),
        link_audit: LinkAudit::new(s.clone(), hash.clone(), c.clone()),
        prune_audit: PruneAudit::new(s.clone(), hash, c.clone(), retention.audit),
        purge: PurgeAccounts::new(s.clone(), c.clone(), retention.deactivated),
        reminders,
        view,
        mail,
        keys,
        reseal,
        seen,
        sessions: n.clone(),
        clock: c.clone(),
        garbage,
        is_alone,
    };
    (services, background)
}
