//! Everybody who can stand before a route. All sign in at the first replica; the walk asks the second one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystead_api_actix::services::Services;
use keystead_domain::account::Role;
use keystead_domain::token::PreAuthorizedPurpose as Purpose;

use super::expected::{Shows, Standing};
use super::half_way::HalfWays;
use crate::support::{Anonymous, Authenticator, Kind, PASSWORD, Service, SignedIn, add_account};

/// Longer than the five minutes for which somebody has just proved who they are.
const STALE: Duration = Duration::from_secs(310);
/// With [`STALE`], longer than the quarter of an hour (and the leeway) for which a step-up proof counts.
const HALF_A_PROOF: Duration = Duration::from_secs(600);

/// How somebody signed in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// No second factor, and just signed in.
    Fresh,
    /// No second factor, and signed in a while ago.
    Stale,
    /// A second factor, and no proof of it.
    Unproved,
    /// A second factor, and a proof of it.
    Proved,
    /// A second factor, and a proof given to another session of theirs.
    OfAnotherSession,
    /// A second factor, and a proof whose time is up.
    Expired,
}

/// What is shown as a proof by whoever acts as somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofOf {
    Nobody,
    TheUser,
    TheAdmin,
}

/// A kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Nobody,
    HalfWay(Purpose),
    /// Half-way, with a good step-up proof beside it.
    HalfWayAndProved(Purpose),
    HalfWayElsewhere(Purpose),
    SignedOut,
    /// With a token from before a factor was added.
    OfAnOlderEpoch,
    /// By its owner.
    Closed,
    Banned,
    Deleted,
    /// An administrator with a proof, until then.
    Demoted,
    WithAnothersClientId,
    WithoutClientId,
    WithARefreshToken,
    WithAResetLink,
    WithAStepUpProof,
    Impersonated(ProofOf),
    Person(Role, Proof),
}

const PURPOSES: [Purpose; 4] = [Purpose::Register, Purpose::Login, Purpose::Reset, Purpose::Passwordless];

impl Who {
    /// Every kind of caller.
    pub fn all() -> Vec<Self> {
        use Proof::{Expired, Fresh, OfAnotherSession, Proved, Stale, Unproved};
        let mut all = vec![
            Self::Nobody,
            Self::SignedOut,
            Self::OfAnOlderEpoch,
            Self::Closed,
            Self::Banned,
            Self::Deleted,
            Self::Demoted,
            Self::WithAnothersClientId,
            Self::WithoutClientId,
            Self::WithARefreshToken,
            Self::WithAResetLink,
            Self::WithAStepUpProof,
        ];
        all.extend(PURPOSES.map(Self::HalfWay));
        all.extend(PURPOSES.map(Self::HalfWayAndProved));
        all.extend(PURPOSES.map(Self::HalfWayElsewhere));
        all.extend([ProofOf::Nobody, ProofOf::TheUser, ProofOf::TheAdmin].map(Self::Impersonated));
        let proofs = [Expired, Stale, OfAnotherSession, Unproved, Proved, Fresh];
        all.extend(Role::ALL.into_iter().flat_map(|role| proofs.map(|proof| Self::Person(role, proof))));
        all
    }

    /// What they show.
    pub fn shows(self) -> Shows {
        match self {
            Self::Nobody => Shows::Nothing,
            Self::HalfWay(purpose) | Self::HalfWayAndProved(purpose) => Shows::HalfWay(purpose),
            Self::HalfWayElsewhere(purpose) => Shows::HalfWayElsewhere(purpose),
            Self::SignedOut | Self::OfAnOlderEpoch | Self::Closed | Self::Banned | Self::Deleted | Self::Demoted => {
                Shows::Revoked
            }
            Self::WithAnothersClientId | Self::WithoutClientId => Shows::Elsewhere,
            Self::WithARefreshToken => Shows::Refresh,
            Self::WithAResetLink | Self::WithAStepUpProof => Shows::Foreign,
            Self::Impersonated(_) => Shows::Access(Standing {
                role: Role::User,
                enrolled: true,
                proved: false,
                fresh: true,
                impersonated: true,
            }),
            Self::Person(role, proof) => Shows::Access(Standing {
                role,
                enrolled: !matches!(proof, Proof::Fresh | Proof::Stale),
                proved: proof == Proof::Proved,
                fresh: !matches!(proof, Proof::Stale | Proof::Expired),
                impersonated: false,
            }),
        }
    }
}

/// Somebody, with what they show.
#[derive(Clone, Debug)]
pub struct Principal {
    pub who: Who,
    /// Makes what they create different from what others create.
    pub nth: usize,
    pub token: Option<String>,
    pub client_id: Option<String>,
    pub proof: Option<String>,
    /// In whose name, and who really: as the audit log tells it.
    pub identities: [Option<String>; 2],
}

/// Makes people.
pub struct Cast<'a> {
    service: &'a Service,
    operator: Arc<Services>,
    count: AtomicUsize,
}

/// People, and whom they are about.
pub struct Gathered {
    pub people: Vec<Principal>,
    pub half_ways: HalfWays,
    /// A super-admin with a proof.
    pub boss: SignedIn,
}

impl<'a> Cast<'a> {
    pub async fn new(service: &'a Service) -> Self {
        Self { service, operator: service.other_process().await, count: AtomicUsize::new(0) }
    }

    /// Everybody who is wanted, just made, in that order.
    pub async fn gather(&self, wanted: &[Who]) -> Gathered {
        let mut made: Vec<(Who, SignedIn)> = Vec::new();
        let of = |proof: Proof| wanted.iter().filter(move |who| matches!(who, Who::Person(_, of) if *of == proof));
        for who in of(Proof::Expired) {
            made.push((*who, self.enrolled(*who).await.0));
        }
        let enrolled_long_ago = made.len();
        if enrolled_long_ago > 0 {
            self.service.advance(HALF_A_PROOF).await;
        }
        for who in of(Proof::Stale) {
            made.push((*who, self.signed_in(*who).await));
        }
        if !made.is_empty() {
            self.service.advance(STALE).await;
        }
        for (_, person) in made.iter_mut().take(enrolled_long_ago) {
            *person = person.refresh().await.unwrap();
        }
        let mut people: Vec<Principal> = made.iter().map(|(who, person)| self.principal(*who, person)).collect();
        let boss = self.enrolled(Who::Person(Role::SuperAdmin, Proof::Proved)).await.0;
        let half_ways = HalfWays::new(self.service, &self.client(), self.next()).await;
        // What moves the clock comes first, what must be fresh last.
        let mut rest: Vec<Who> = wanted.to_vec();
        rest.retain(|who| !matches!(who, Who::Person(_, Proof::Expired | Proof::Stale)));
        rest.sort_by_key(|who| !matches!(who, Who::Person(_, Proof::OfAnotherSession)));
        for who in rest {
            people.push(self.one(who, &boss, &half_ways).await);
        }
        let place = |who: Who| wanted.iter().position(|other| *other == who);
        people.sort_by_key(|person| place(person.who));
        Gathered { people, half_ways, boss }
    }

    fn next(&self) -> usize {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// A native client of the first replica.
    fn client(&self) -> Anonymous {
        Anonymous::new(self.service.replica(0), Kind::Native)
    }

    fn principal(&self, who: Who, person: &SignedIn) -> Principal {
        Principal {
            who,
            nth: self.next(),
            token: Some(person.access.clone()),
            client_id: Some(person.client_id.clone()),
            proof: person.proof.clone(),
            identities: [Some(person.user_id()), None],
        }
    }

    /// Somebody of the role, just signed in, without a second factor.
    async fn signed_in(&self, who: Who) -> SignedIn {
        let email = format!("person-{}@example.com", self.next());
        match who {
            Who::Person(role @ (Role::Admin | Role::SuperAdmin), _) => {
                add_account(&self.operator, &email, role).await;
                self.client().login(&email, PASSWORD).await.unwrap()
            }
            _ => self.service.registered_at(&self.client(), &email).await,
        }
    }

    async fn enrolled(&self, who: Who) -> (SignedIn, Authenticator) {
        let mut person = self.signed_in(who).await;
        if matches!(who, Who::Person(Role::Admin | Role::SuperAdmin, _)) {
            let email = person.profile().await.unwrap()["email"].as_str().unwrap().to_owned();
            person = self.service.proved_by_mail(&person, &email).await;
        }
        person.enrol(self.service).await
    }

    async fn one(&self, who: Who, boss: &SignedIn, half_ways: &HalfWays) -> Principal {
        let nobody = || Principal {
            who,
            nth: self.next(),
            token: None,
            client_id: None,
            proof: None,
            identities: [const { None }; 2],
        };
        let ada = &half_ways.ada;
        let half_way = |purpose| {
            let (_, half_way) = half_ways.each().into_iter().find(|(other, _)| *other == purpose).unwrap();
            let (token, client_id) = (Some(half_way.token.clone()), Some(half_way.client_id.clone()));
            Principal { token, client_id, ..nobody() }
        };
        let elsewhere = |client_id| Principal { client_id, ..self.principal(who, &ada.without_proof()) };
        let instead = |token: &str| Principal { token: Some(token.to_owned()), ..self.principal(who, ada) };
        match who {
            Who::Nobody => nobody(),
            Who::HalfWay(purpose) => half_way(purpose),
            Who::HalfWayAndProved(purpose) => Principal { proof: ada.proof.clone(), ..half_way(purpose) },
            Who::HalfWayElsewhere(purpose) => Principal { client_id: Some(ada.client_id.clone()), ..half_way(purpose) },
            Who::WithAnothersClientId => elsewhere(Some(boss.client_id.clone())),
            Who::WithoutClientId => elsewhere(None),
            Who::WithARefreshToken => {
                let person = self.signed_in(who).await;
                Principal { token: Some(person.refresh.clone()), ..self.principal(who, &person) }
            }
            Who::WithAResetLink => instead(&half_ways.link),
            Who::WithAStepUpProof => instead(ada.proof.as_deref().unwrap()),
            Who::Impersonated(proof) => self.impersonated(proof, boss).await,
            Who::Person(_, proof) => self.person(who, proof).await,
            _ => self.put_out(who, boss).await,
        }
    }

    async fn person(&self, who: Who, proof: Proof) -> Principal {
        if proof == Proof::Fresh {
            return self.principal(who, &self.signed_in(who).await);
        }
        let (person, program) = self.enrolled(who).await;
        let shown = match proof {
            Proof::Unproved => None,
            Proof::OfAnotherSession => {
                let email = person.profile().await.unwrap()["email"].as_str().unwrap().to_owned();
                let other = self.client().login_asked(&email, PASSWORD).await.unwrap();
                let code = self.service.fresh_code(&program).await;
                other.answer("totp", &code).await.unwrap().proof
            }
            _ => person.proof.clone(),
        };
        self.principal(who, &SignedIn { proof: shown, ..person })
    }

    /// Somebody as whom the super-admin acts.
    async fn impersonated(&self, proof: ProofOf, boss: &SignedIn) -> Principal {
        let who = Who::Impersonated(proof);
        let (person, _) = self.enrolled(who).await;
        let acting = boss.impersonate(&person, "ticket 4711").await.unwrap();
        let proof = match proof {
            ProofOf::Nobody => None,
            ProofOf::TheUser => person.proof,
            ProofOf::TheAdmin => boss.proof.clone(),
        };
        let identities = [Some(acting.user_id()), Some(boss.user_id())];
        Principal { proof, identities, ..self.principal(who, &acting) }
    }

    /// Somebody whose token counts no more.
    async fn put_out(&self, who: Who, boss: &SignedIn) -> Principal {
        let before = match who {
            Who::Demoted => self.enrolled(Who::Person(Role::Admin, Proof::Proved)).await.0,
            _ => self.signed_in(who).await,
        };
        let id = before.user_id();
        match who {
            Who::SignedOut => before.log_out().await.unwrap(),
            Who::Closed => before.close_account().await.unwrap(),
            Who::Deleted => boss.delete_user(&id).await.unwrap(),
            Who::Banned => drop(boss.ban(&id).await.unwrap()),
            Who::Demoted => drop(boss.set_role(&id, Role::User).await.unwrap()),
            Who::OfAnOlderEpoch => drop(before.enrol(self.service).await),
            other => panic!("{other:?} is not put out"),
        }
        before.through(self.service.api()).refused().await;
        self.principal(who, &before)
    }
}
