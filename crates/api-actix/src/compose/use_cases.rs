//! Use-cases from ports. Names no adapter.

use std::sync::Arc;

use keystead_application::account::{
    ActivateAccount, BeginReset, ChangeDesk, ChangePassword, DeactivateAccount, ExportAccount, ForgotPassword,
    ReadProfile, RegisterUser, RegistrationDesk, ResendCode, ResetPassword, UpdateProfile, VerifyRegistration,
};
use keystead_application::operation::{DeliverMail, Housekeeping, KeyKeeper, MailPolicy, Operator};
use keystead_application::ports::{MailRenderer, Mailer};
use keystead_application::revocation::{AccessGate, RevocationKeeper, RevocationListener, RevocationView};
use keystead_application::service::{GuessGuard, Idempotency, OneTimeCodes, Postbox, Revoker, TokenIssuer};
use keystead_application::session::{
    EndSessions, ExchangeRefreshToken, LastSeen, Login, LoginDesk, Reauthenticate, RefreshDesk, RefreshSession,
    SessionOverview, Standing,
};
use keystead_application::settings::{AccountLimits, Lifetimes, Settings};
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::RefreshPolicy;

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
    let refresh = policy(limits::REFRESH);
    Settings {
        public_url: config.http.public_url.as_str().to_owned(),
        registration_open: config.registration.open,
        passwords: config.passwords.policy(),
        lifetimes: Lifetimes {
            access: config.tokens.access_life,
            session: config.tokens.session_life,
            refresh: RefreshPolicy {
                grace: limits::REFRESH_GRACE,
                idle: config.tokens.session_idle,
                rotations: refresh.limit,
                rotation_window: refresh.window,
            },
        },
        limits: AccountLimits {
            login: policy(limits::LOGIN_ACCOUNT),
            forgot: policy(limits::FORGOT_ACCOUNT),
            password_change: policy(limits::PASSWORD_CHANGE),
            reauth: policy(limits::REAUTH),
            account_exists: policy(limits::ACCOUNT_EXISTS),
            code_resend: policy(limits::CODE_RESEND),
            code_resend_gap: policy(limits::CODE_RESEND_GAP),
        },
    }
}

/// Joins ports and use-cases.
#[expect(clippy::many_single_char_names, reason = "short names for the five ports nearly every use-case takes")]
pub(super) fn join(
    config: &Config,
    ports: Ports,
    stores: Stores,
    mail: Option<(Arc<dyn Mailer>, Arc<dyn MailRenderer>)>,
) -> (Services, Background) {
    let Ports { hasher, ring, signer, verifier, hash, sealer, entropy, clock } = ports;
    let Stores { store, watch, sessions, ceremonies, limiter, feed, garbage, is_alone } = stores;
    let settings = Arc::new(settings(config));
    let lifetimes = settings.lifetimes.clone();
    let view = Arc::new(RevocationView::default());
    let listener = RevocationListener::new(Arc::clone(&feed), Arc::clone(&view));
    let revoker = Arc::new(Revoker::new(Arc::clone(&view), feed));
    let seen = Arc::new(LastSeen::default());
    let postbox = Arc::new(Postbox::new(sealer.clone(), entropy.clone()));
    let guard = GuessGuard::new(hash.clone());
    let issuer = Arc::new(TokenIssuer::new(signer.clone(), hash.clone(), entropy.clone(), lifetimes.clone()));
    let codes = Arc::new(OneTimeCodes::new(ceremonies.clone(), store.clone(), hash.clone(), entropy.clone()));
    let gate =
        Arc::new(AccessGate::new(verifier, hash.clone(), clock.clone(), view.clone(), store.clone(), seen.clone()));
    let standing = Standing::new(view.clone(), store.clone());
    let registration = RegistrationDesk { postbox: postbox.clone(), guard: guard.clone(), settings: settings.clone() };
    let desk = LoginDesk { postbox: postbox.clone(), guard: guard.clone(), settings };
    let change = ChangeDesk { login: desk.clone(), revoker: revoker.clone() };
    let refresh = RefreshDesk { standing: standing.clone(), postbox: postbox.clone(), revoker: revoker.clone() };
    let keys = Arc::new(KeyKeeper::new(watch.clone(), ring, clock.clone(), lifetimes.access, lifetimes.session));
    let (s, n, h, c, i) = (&store, &sessions, &hasher, &clock, &issuer);
    let services = Services {
        register: RegisterUser::new(s.clone(), h.clone(), c.clone(), i.clone(), codes.clone(), registration.clone()),
        verify_registration: VerifyRegistration::new(s.clone(), n.clone(), c.clone(), i.clone(), codes.clone(), guard),
        resend_code: ResendCode::new(s.clone(), c.clone(), i.clone(), codes, registration),
        login: Login::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), desk.clone()),
        reauthenticate: Reauthenticate::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), desk.clone()),
        activate: ActivateAccount::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), desk.clone()),
        refresh: RefreshSession::new(n.clone(), s.clone(), c.clone(), i.clone(), hash.clone(), refresh),
        exchange: ExchangeRefreshToken::new(n.clone(), c.clone(), i.clone(), gate.clone(), standing),
        end_sessions: EndSessions::new(s.clone(), n.clone(), c.clone(), i.clone(), revoker.clone()),
        forgot_password: ForgotPassword::new(s.clone(), c.clone(), i.clone(), desk.clone()),
        begin_reset: BeginReset::new(s.clone(), c.clone(), i.clone()),
        reset_password: ResetPassword::new(s.clone(), n.clone(), h.clone(), c.clone(), revoker, desk),
        change_password: ChangePassword::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), change.clone()),
        read_profile: ReadProfile::new(s.clone()),
        update_profile: UpdateProfile::new(s.clone(), c.clone()),
        deactivate: DeactivateAccount::new(s.clone(), n.clone(), c.clone(), change.clone()),
        export: ExportAccount::new(s.clone(), n.clone(), c.clone()),
        overview: SessionOverview::new(s.clone(), n.clone(), c.clone(), lifetimes.refresh),
        operator: Operator::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), change),
        gate,
        keys: keys.clone(),
        signer,
        store: s.clone(),
        limiter,
        idempotency: Idempotency::new(ceremonies, hash, sealer, entropy.clone(), c.clone()),
        clock: c.clone(),
        entropy,
    };
    let mail = mail.map(|(mailer, renderer)| {
        DeliverMail::new(s.clone(), mailer, renderer, postbox, c.clone(), MailPolicy::default())
    });
    let background = Background {
        revocations: RevocationKeeper::new(watch, c.clone(), view.clone()),
        listener,
        housekeeping: Housekeeping::new(s.clone(), c.clone(), view.clone()),
        view,
        mail,
        keys,
        seen,
        sessions: n.clone(),
        clock: c.clone(),
        garbage,
        is_alone,
    };
    (services, background)
}
