//! G04: a change ends what it should, and nothing else: every change against every artefact.

use crate::support::{HalfWay, PASSWORD, Service, SignedIn};

const EMAIL: &str = "ada@example.com";
const NEW: &str = "copper-violin-meadow-17";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Password,
    Reset,
    Ban,
    Deactivation,
    Logout,
    LogoutByRefresh,
    LogoutEverywhere,
}

/// What is alive. `None`: the change itself uses it up.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the matrix")]
struct Alive {
    own_access: bool,
    own_refresh: bool,
    other_access: bool,
    other_refresh: bool,
    known_device: bool,
    link: Option<bool>,
    grant: Option<bool>,
}

const EVERYTHING: Alive = Alive {
    own_access: true,
    own_refresh: true,
    other_access: true,
    other_refresh: true,
    known_device: true,
    link: Some(true),
    grant: Some(true),
};
const NOTHING: Alive = Alive {
    own_access: false,
    own_refresh: false,
    other_access: false,
    other_refresh: false,
    known_device: false,
    link: Some(false),
    grant: Some(false),
};

/// Which half of a reset is under way while the change happens; a newer link replaces both.
#[derive(Clone, Copy)]
enum Pending {
    Link,
    Grant,
}

enum Way {
    Link(String),
    Grant(HalfWay),
}

struct World {
    service: Service,
    own: SignedIn,
    other: SignedIn,
    way: Way,
}

impl World {
    async fn new(pending: Pending) -> Self {
        let service = Service::start().await;
        let own = service.registered(EMAIL).await;
        let other = service.native().login(EMAIL, PASSWORD).await.unwrap();
        own.client.forgot(EMAIL).await.unwrap();
        let link = service.link_tokens(EMAIL, 1).await.remove(0);
        let way = match pending {
            Pending::Link => Way::Link(link),
            Pending::Grant => Way::Grant(own.client.begin_reset(&link).await.unwrap()),
        };
        let world = Self { service, own, other, way };
        world.own.verify().await.unwrap();
        world.other.verify().await.unwrap();
        world
    }

    /// Makes the change. `own` stays with the tokens it had.
    async fn make(&self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Password => drop(self.own.change_password(PASSWORD, NEW).await.unwrap()),
            Change::Reset => match &self.way {
                Way::Grant(grant) => grant.reset(NEW).await.unwrap(),
                Way::Link(link) => self.own.client.begin_reset(link).await.unwrap().reset(NEW).await.unwrap(),
            },
            Change::Ban => self.ban(true).await,
            Change::Deactivation => self.own.close_account().await.unwrap(),
            Change::Logout => self.own.log_out().await.unwrap(),
            Change::LogoutByRefresh => self.own.log_out_by_refresh().await.unwrap(),
            Change::LogoutEverywhere => self.own.log_out_everywhere().await.unwrap(),
        }
        if change != Change::Nothing && change != Change::Ban {
            // Every change ends this one; where it is known, everything is that was committed with it.
            self.own.refused().await;
        }
    }

    /// As `keystead user ban` does it: in another process.
    async fn ban(&self, banned: bool) {
        let operator = self.service.other_process().await;
        operator.operator.set_banned(EMAIL, banned).await.unwrap();
        if banned {
            self.own.refused_within_a_second().await;
        }
    }

    async fn alive(&self, change: Change) -> Alive {
        let alive = Alive {
            own_access: self.own.verify().await.is_ok(),
            other_access: self.other.verify().await.is_ok(),
            own_refresh: self.own.refresh().await.is_ok(),
            other_refresh: self.other.refresh().await.is_ok(),
            known_device: self.knows_device(change).await,
            link: None,
            grant: None,
        };
        if change == Change::Reset {
            return alive;
        }
        // Last, because a link that lives ends everything else.
        match &self.way {
            Way::Link(link) => Alive { link: Some(self.own.client.begin_reset(link).await.is_ok()), ..alive },
            Way::Grant(grant) => Alive { grant: Some(grant.reset("granite-otter-sunday-93").await.is_ok()), ..alive },
        }
    }

    /// A known device gets its own token back at login.
    async fn knows_device(&self, change: Change) -> bool {
        let password = match change {
            Change::Password | Change::Reset => NEW,
            // Nobody can log in any more.
            Change::Deactivation => return self.service.database().count("devices") > 0,
            Change::Ban => {
                self.ban(false).await;
                PASSWORD
            }
            _ => PASSWORD,
        };
        let device = self.other.device.as_deref().unwrap();
        let login = self.own.client.on_device(device).login(EMAIL, password).await.unwrap();
        login.device.as_deref() == Some(device)
    }
}

async fn assert_leaves(change: Change, expected: Alive) {
    let link = World::new(Pending::Link).await;
    link.make(change).await;
    assert_eq!(link.alive(change).await, Alive { grant: None, ..expected }, "{change:?}, a link is pending");
    let grant = World::new(Pending::Grant).await;
    grant.make(change).await;
    assert_eq!(grant.alive(change).await, Alive { link: None, ..expected }, "{change:?}, a reset is pending");
}

#[tokio::test]
async fn g04_without_a_change_everything_lives() {
    assert_leaves(Change::Nothing, EVERYTHING).await;
}

#[tokio::test]
async fn g04_a_password_change_ends_all_but_its_own_session() {
    // The own access token is replaced; its refresh token goes on.
    assert_leaves(Change::Password, Alive { own_refresh: true, ..NOTHING }).await;
}

#[tokio::test]
async fn g04_a_reset_ends_everything() {
    assert_leaves(Change::Reset, Alive { link: None, grant: None, ..NOTHING }).await;
}

#[tokio::test]
async fn g04_g05_a_ban_ends_everything_within_a_second() {
    assert_leaves(Change::Ban, NOTHING).await;
}

#[tokio::test]
async fn g04_closing_an_account_ends_everything() {
    assert_leaves(Change::Deactivation, NOTHING).await;
}

#[tokio::test]
async fn g04_a_logout_ends_its_own_session_only() {
    let expected = || Alive { own_access: false, own_refresh: false, ..EVERYTHING };
    assert_leaves(Change::Logout, expected()).await;
    assert_leaves(Change::LogoutByRefresh, expected()).await;
}

#[tokio::test]
async fn g04_a_logout_everywhere_ends_sessions_and_links() {
    assert_leaves(Change::LogoutEverywhere, Alive { known_device: true, ..NOTHING }).await;
}
