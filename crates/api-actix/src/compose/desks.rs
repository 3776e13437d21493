//! What several use-cases share, made once from ports. Names no adapter.

use std::sync::Arc;

use keystead_application::account::{ChangeDesk, RegistrationDesk};
use keystead_application::admin::AdminDesk;
use keystead_application::factor::FactorDesk;
use keystead_application::revocation::RevocationView;
use keystead_application::service::{
    Continuation, FactorCodes, FactorGuard, GuessGuard, OneTimeCodes, PasskeyCeremonies, Postbox, Revoker, Secrets,
    SessionOpener, SignInDesk, SrpExchange, StoredCodes, TokenIssuer,
};
use keystead_application::session::{LoginDesk, StepUpTools};
use keystead_application::settings::Settings;

use super::{Ports, Stores};

/// The parts and desks of the use-cases.
pub(super) struct Desks {
    pub settings: Arc<Settings>,
    pub postbox: Arc<Postbox>,
    pub guard: GuessGuard,
    pub issuer: Arc<TokenIssuer>,
    pub codes: Arc<OneTimeCodes>,
    /// Passwords, and SRP credentials.
    pub secrets: Secrets,
    pub srp: SrpExchange,
    pub revoker: Arc<Revoker>,
    /// Codes, passkeys and failures of second factors.
    pub tools: StepUpTools,
    pub registration: RegistrationDesk,
    /// The one door of every sign-in.
    pub sign_in: SignInDesk,
    pub login: LoginDesk,
    pub continuation: Continuation,
    pub change: ChangeDesk,
    pub factor: FactorDesk,
    pub admin: AdminDesk,
}

impl Desks {
    /// `revoker` writes to the view that this process reads.
    pub(super) fn new(
        settings: Settings,
        ports: &Ports,
        stores: &Stores,
        revoker: Arc<Revoker>,
        view: Arc<RevocationView>,
    ) -> Self {
        let Ports { hash, entropy, .. } = ports;
        let Stores { store, ceremonies, .. } = stores;
        let settings = Arc::new(settings);
        let postbox = Arc::new(Postbox::new(ports.sealer.clone(), entropy.clone()));
        let guard = GuessGuard::new(hash.clone());
        let lifetimes = settings.lifetimes.clone();
        let issuer = Arc::new(TokenIssuer::new(ports.signer.clone(), hash.clone(), entropy.clone(), view, lifetimes));
        let codes = Arc::new(OneTimeCodes::new(ceremonies.clone(), store.clone(), hash.clone(), entropy.clone()));
        let secrets = Secrets::new(ports.hasher.clone(), ports.vault.clone());
        let srp = SrpExchange::new(
            ports.srp.clone(),
            secrets.clone(),
            ports.vault.clone(),
            hash.clone(),
            ceremonies.clone(),
            entropy.clone(),
        );
        let tools = tools(&settings, ports, stores);
        let opener = SessionOpener::new(store.clone(), stores.sessions.clone(), revoker.clone(), settings.clone());
        let sign_in = SignInDesk {
            sessions: opener,
            issuer: issuer.clone(),
            codes: codes.clone(),
            postbox: postbox.clone(),
            guard: guard.clone(),
            settings: settings.clone(),
        };
        let login = LoginDesk { postbox: postbox.clone(), guard: guard.clone(), settings: settings.clone() };
        let registration =
            RegistrationDesk { postbox: postbox.clone(), guard: guard.clone(), settings: settings.clone() };
        let continuation =
            Continuation { sessions: stores.sessions.clone(), issuer: issuer.clone(), revoker: revoker.clone() };
        let factor = FactorDesk {
            store: store.clone(),
            clock: ports.clock.clone(),
            tools: tools.clone(),
            continuation: continuation.clone(),
            login: login.clone(),
        };
        let admin = AdminDesk {
            store: store.clone(),
            sessions: stores.sessions.clone(),
            clock: ports.clock.clone(),
            issuer: issuer.clone(),
            postbox: postbox.clone(),
            revoker: revoker.clone(),
            settings: settings.clone(),
        };
        let change = ChangeDesk { login: login.clone(), revoker: revoker.clone() };
        Self {
            settings,
            postbox,
            guard,
            issuer,
            codes,
            secrets,
            srp,
            revoker,
            tools,
            registration,
            sign_in,
            login,
            continuation,
            change,
            factor,
            admin,
        }
    }
}

fn tools(settings: &Settings, ports: &Ports, stores: &Stores) -> StepUpTools {
    let Ports { hash, entropy, .. } = ports;
    let Stores { store, ceremonies, .. } = stores;
    let factors = FactorCodes::new(
        ports.vault.clone(),
        ports.totp.clone(),
        ports.hasher.clone(),
        entropy.clone(),
        settings.factors.totp_window,
    );
    let codes = StoredCodes::new(ceremonies.clone(), store.clone(), hash.clone(), entropy.clone());
    let passkeys = PasskeyCeremonies::new(ceremonies.clone(), hash.clone(), ports.passkeys.clone());
    StepUpTools {
        factors: Arc::new(factors),
        codes: Arc::new(codes),
        passkeys: Arc::new(passkeys),
        guard: FactorGuard::new(hash.clone(), settings.factors.block),
        entropy: entropy.clone(),
    }
}
