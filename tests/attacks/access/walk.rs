//! Every cell of the table over HTTP.

use keystead_api_actix::authorization::{Admits, RULES, Rule};
use keystead_domain::account::Role;

use crate::attacks::support::Digest;
use crate::authorization::asking::Target;
use crate::authorization::cast::{Cast, Principal, Proof, Who};
use crate::authorization::expected::{CODES, Expected, Shows, expected};
use crate::authorization::start;
use crate::support::{Refusal, Reply, Service, refusal};

/// Routes that end the caller's own session, account or token.
const SPENDING: [(&str, &str); 4] = [
    ("POST", "/api/v1/auth/logout"),
    ("DELETE", "/api/v1/sessions"),
    ("DELETE", "/api/v1/users/me"),
    ("POST", "/api/v1/auth/srp/verifier"),
];
/// The route that ends everybody's.
const ENDS_EVERYBODY: (&str, &str) = ("DELETE", "/api/v1/admin/sessions");

fn name(rule: &Rule) -> (&'static str, &'static str) {
    (rule.method, rule.path)
}

/// What a request was refused with. HEAD has no body to say more than the status.
fn told(reply: &Reply, method: &str) -> Option<Refusal> {
    match (reply.status, method) {
        (..400, _) => None,
        (status, "HEAD") => Some(refusal(status, "")),
        _ => Some(reply.refusal()),
    }
}

/// The method of a rule, and HEAD where that is served with it.
fn methods(rule: &Rule) -> Vec<&'static str> {
    if rule.method == "GET" { vec!["GET", "HEAD"] } else { vec![rule.method] }
}

/// The rows `authz_fail` of the audit log: who, who really, what. In order of their text.
fn noted(rows: &[serde_json::Value]) -> Vec<String> {
    let row = |row: &serde_json::Value| {
        let attributes = &row["attributes"];
        let text = |name: &str| attributes[name].as_str().map(str::to_owned);
        format!("{:?} {:?} {}", text("actorId"), text("impersonatorId"), text("detail").unwrap_or_default())
    };
    let mut rows: Vec<String> = rows.iter().map(row).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn z03_g12_every_route_refuses_whoever_it_is_not_for() {
    let service = start().await;
    let gathered = Cast::new(&service).await.gather(&Who::all()).await;
    let target = Target::of(&gathered.half_ways.ada).await;
    let there = service.replica(1);
    let before = Digest::of(&service).await;

    let (mut wrong, mut to_be_noted, mut cells) = (Vec::new(), Vec::new(), 0);
    for rule in RULES {
        for person in &gathered.people {
            let Expected::Refused(wanted) = expected(rule, person.who.shows()) else { continue };
            for method in methods(rule) {
                let reply = person.ask_at(&there, method, rule, &target.path(rule), &target).await;
                let code = if method == "HEAD" { "" } else { &wanted.code };
                let (told, wanted) = (told(&reply, method), refusal(wanted.status, code));
                if told.as_ref() != Some(&wanted) {
                    wrong.push(format!("{:?} at {method} {}: {told:?}, not {wanted:?}", person.who, rule.path));
                }
                cells += 1;
            }
            if ["FORBIDDEN", "IMPERSONATION_FORBIDDEN"].contains(&wanted.code.as_str()) {
                let [actor, impersonator] = &person.identities;
                let row = format!("{actor:?} {impersonator:?} {} {}", rule.method, rule.path);
                to_be_noted.extend(methods(rule).iter().map(|_| row.clone()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 1000, "only {cells} cells");
    before.is_still_that_of(&service).await;

    to_be_noted.sort();
    assert_eq!(noted(&gathered.boss.audit_events("filter[name]=authz_fail").await), to_be_noted);
    gathered.half_ways.are_unused(&service).await;
}

/// Whether the walk below sends the cell: what is half-way is let in by tokens that only count once, elsewhere.
fn is_let_in(rule: &Rule, who: Who) -> bool {
    let next_step = matches!(rule.admits, Admits::HalfWay(_) | Admits::HalfWayOrNobody(_))
        && matches!(who.shows(), Shows::HalfWay(_));
    expected(rule, who.shows()) == Expected::Passes && !next_step
}

#[tokio::test]
async fn z03_g12_every_route_lets_in_whom_it_is_for() {
    let service = start().await;
    let cast = Cast::new(&service).await;
    let spends = |who: Who| {
        let signed_in = matches!(who.shows(), Shows::Access(_));
        RULES.iter().filter(move |rule| signed_in && SPENDING.contains(&name(rule)) && is_let_in(rule, who))
    };
    // Each once for what changes nothing about them, and once more for each route that ends them.
    let wanted = Who::all().into_iter().flat_map(|who| std::iter::repeat_n(who, 1 + spends(who).count()));
    let gathered = cast.gather(&wanted.collect::<Vec<_>>()).await;
    let mut walk = Walk { service: &service, wrong: Vec::new(), cells: 0 };
    for who in Who::all() {
        let same: Vec<&Principal> = gathered.people.iter().filter(|person| person.who == who).collect();
        let lasting =
            |rule: &&Rule| name(rule) != ENDS_EVERYBODY && !spends(who).any(|other| name(other) == name(rule));
        for rule in RULES.iter().filter(|rule| is_let_in(rule, who)).filter(lasting) {
            walk.is_let_in(same[0], rule).await;
        }
        for (person, rule) in same[1..].iter().zip(spends(who)) {
            walk.is_let_in(person, rule).await;
        }
    }
    for role in [Role::Admin, Role::SuperAdmin] {
        let who = Who::Person(role, Proof::Proved);
        let gathered = cast.gather(&[who]).await;
        for rule in RULES.iter().filter(|rule| name(rule) == ENDS_EVERYBODY && is_let_in(rule, who)) {
            walk.is_let_in(&gathered.people[0], rule).await;
        }
    }
    assert!(walk.wrong.is_empty(), "{} of {}:\n{}", walk.wrong.len(), walk.cells, walk.wrong.join("\n"));
    assert!(walk.cells > 500, "only {} cells", walk.cells);
}

/// Requests that are let in, and what was not as it should be.
struct Walk<'a> {
    service: &'a Service,
    wrong: Vec<String>,
    cells: usize,
}

impl Walk<'_> {
    async fn is_let_in(&mut self, person: &Principal, rule: &Rule) {
        for method in methods(rule) {
            let (there, target) = (self.service.replica(1), Target::nothing());
            let reply = person.ask_at(&there, method, rule, &target.path(rule), &target).await;
            self.cells += 1;
            let told = told(&reply, method);
            let refused = told.as_ref().is_some_and(|refusal| {
                CODES.contains(&refusal.code.as_str()) || (method == "HEAD" && [401, 403].contains(&refusal.status))
            });
            // Who is let in to read, or to end something of theirs, finds it.
            let is_there = matches!(rule.admits, Admits::SignedIn | Admits::Role(_) | Admits::SessionHolder)
                && !rule.path.contains('{')
                && (rule.method == "GET" || SPENDING.contains(&name(rule)) || name(rule) == ENDS_EVERYBODY);
            // Whoever adds a credential goes on with the tokens of the answer.
            let answers = rule.method == "GET" || rule.path.ends_with("/srp/verifier");
            let wanted = if answers { 200 } else { 204 };
            if refused || (is_there && reply.status != wanted) {
                self.wrong.push(format!("{:?} at {method} {}: {told:?} {}", person.who, rule.path, reply.status));
            }
        }
    }
}

/// Z01: what is somebody else's is as if it were nobody's.
#[tokio::test]
async fn z01_g12_ids_of_others_are_unknown() {
    let service = start().await;
    let mallory = Who::Person(Role::User, Proof::Proved);
    let gathered = Cast::new(&service).await.gather(&[mallory]).await;
    let (ada, mallory) = (&gathered.half_ways.ada, &gathered.people[0]);
    let (hers, nothing) = (Target::of(ada).await, Target::nothing());
    let there = service.replica(1);
    let before = Digest::of(&service).await;
    let about_somebody = |rule: &&Rule| rule.admits == Admits::SignedIn && rule.path.contains('{');
    let rules: Vec<&Rule> = RULES.iter().filter(about_somebody).collect();
    assert!(rules.len() >= 7, "{rules:?}");
    for rule in rules {
        for target in [&hers, &nothing] {
            let told = mallory.ask(&there, rule, target).await;
            assert_eq!(told.refusal(), refusal(404, "NOT_FOUND"), "{} {}", rule.method, target.path(rule));
        }
    }
    before.is_still_that_of(&service).await;
    ada.verify().await.expect("she is still signed in");
}
