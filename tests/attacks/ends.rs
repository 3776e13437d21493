//! What ends tokens and sessions, each made to happen.

use keystead_domain::account::Role;

use crate::support::{Api, PASSWORD, Service, SignedIn};

const NEW: &str = "copper-violin-meadow-17";

/// What ends a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    ByIdentifier,
    Logout,
    LogoutByRefresh,
    LogoutEverywhere,
    OwnSession,
    OwnSessions,
    PasswordChange,
    PasswordReset,
    FactorAdded,
    Closed,
    Banned,
    BannedByOperator,
    Deleted,
    Role,
    FactorRemoved,
    KilledByAdmin,
    AllKilledByAdmin,
}

impl End {
    pub(super) const ALL: [Self; 17] = [
        Self::ByIdentifier,
        Self::Logout,
        Self::LogoutByRefresh,
        Self::LogoutEverywhere,
        Self::OwnSession,
        Self::OwnSessions,
        Self::PasswordChange,
        Self::PasswordReset,
        Self::FactorAdded,
        Self::Closed,
        Self::Banned,
        Self::BannedByOperator,
        Self::Deleted,
        Self::Role,
        Self::FactorRemoved,
        Self::KilledByAdmin,
        Self::AllKilledByAdmin,
    ];

    /// Whether it ends sessions, too: their refresh tokens with them.
    pub(super) fn ends_sessions(self) -> bool {
        !matches!(self, Self::ByIdentifier | Self::FactorAdded | Self::Role)
    }

    /// Makes it happen at one replica. `own` is another session of the same person.
    pub(super) async fn happen(
        self,
        service: &Service,
        at: &Api,
        boss: &SignedIn,
        own: &SignedIn,
        watched: &SignedIn,
        email: &str,
    ) {
        let (boss, own, watched) = (boss.through(at), own.through(at), watched.through(at));
        match self {
            Self::ByIdentifier => own.revoke_token(&watched.token_id).await.unwrap(),
            Self::Logout => watched.log_out().await.unwrap(),
            Self::LogoutByRefresh => watched.log_out_by_refresh().await.unwrap(),
            Self::LogoutEverywhere => own.log_out_everywhere().await.unwrap(),
            Self::OwnSession => own.end_session(watched.session_id()).await.unwrap(),
            Self::OwnSessions => own.end_all_sessions().await.unwrap(),
            Self::PasswordChange => drop(own.change_password(PASSWORD, NEW).await.unwrap()),
            Self::PasswordReset => {
                own.client.forgot(email).await.unwrap();
                let link = service.link_tokens(email, 1).await.remove(0);
                own.client.begin_reset(&link).await.unwrap().reset(NEW).await.unwrap();
            }
            Self::FactorAdded => drop(own.enrol(service).await),
            Self::Closed => own.close_account().await.unwrap(),
            Self::Banned => drop(boss.ban(&own.user_id()).await.unwrap()),
            Self::BannedByOperator => {
                drop(service.other_process().await.operator.set_banned(email, true).await.unwrap());
            }
            Self::Deleted => boss.delete_user(&own.user_id()).await.unwrap(),
            Self::Role => drop(boss.set_role(&own.user_id(), Role::Admin).await.unwrap()),
            Self::FactorRemoved => {
                let (own, program) = own.enrol(service).await;
                own.remove_totp(&service.fresh_code(&program).await).await.unwrap();
            }
            Self::KilledByAdmin => boss.end_session_of_somebody(watched.session_id()).await.unwrap(),
            Self::AllKilledByAdmin => boss.end_sessions_of(&own.user_id()).await.unwrap(),
        }
    }
}
