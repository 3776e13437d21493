//! A01, A02: every route that takes a body takes its own attributes and no other, in one shape; every list takes its own
//! parameters. What administrators send is in `admin` once more, with where each problem is said to be.

use keystead_api_actix::authorization::{Admits, RULES, Rule};
use keystead_domain::account::Role;
use serde_json::{Value, json};

use crate::attacks::support::{Digest, assert_explained, assert_refused};
use crate::authorization::asking::Target;
use crate::authorization::cast::{Cast, Principal, Proof, Who};
use crate::authorization::start;
use crate::support::{Call, Reply, Service};

const USER: Who = Who::Person(Role::User, Proof::Proved);
const BOSS: Who = Who::Person(Role::SuperAdmin, Proof::Proved);

/// What somebody would like to set, as databases and other services call it.
const WANTED: [&str; 28] = [
    "role",
    "roles",
    "isActive",
    "is_active",
    "isAdmin",
    "is_admin",
    "admin",
    "id",
    "userId",
    "user_id",
    "sub",
    "epoch",
    "status",
    "verified",
    "emailVerified",
    "email_verified",
    "mfaEnabled",
    "mfa_enabled",
    "createdAt",
    "created_at",
    "passwordHash",
    "password_hash",
    "impersonatorId",
    "scope",
    "relationships",
    "constructor",
    "__proto__",
    "$set",
];

/// A service, and whom its routes let in.
struct Scene {
    service: Service,
    people: Vec<Principal>,
    target: Target,
}

impl Scene {
    async fn new() -> Self {
        let service = start().await;
        let mut wanted = vec![Who::Nobody, USER, BOSS];
        let half_ways = RULES.iter().flat_map(|rule| match rule.admits {
            Admits::HalfWay(purposes) => purposes.iter().map(|purpose| Who::HalfWay(*purpose)).collect(),
            _ => Vec::new(),
        });
        for who in half_ways {
            if !wanted.contains(&who) {
                wanted.push(who);
            }
        }
        let people = Cast::new(&service).await.gather(&wanted).await.people;
        Self { service, people, target: Target::nothing() }
    }

    /// Whom a rule lets in.
    fn person(&self, rule: &Rule) -> &Principal {
        let who = match rule.admits {
            Admits::HalfWay(purposes) => Who::HalfWay(purposes[0]),
            Admits::SignedIn | Admits::SessionHolder => USER,
            Admits::Role(_) => BOSS,
            Admits::Everybody | Admits::RefreshHolder | Admits::HalfWayOrNobody(_) => Who::Nobody,
        };
        self.people.iter().find(|person| person.who == who).unwrap()
    }

    /// The attributes a route takes.
    fn attributes(&self, rule: &Rule) -> Value {
        self.target.body(rule, 0).unwrap_or_else(|| json!({}))
    }

    fn call(&self, rule: &Rule) -> Call {
        self.person(rule).call(self.service.api(), rule.method, rule, &self.target.path(rule))
    }

    async fn send(&self, rule: &Rule, body: &Value) -> Reply {
        self.call(rule).json(body).send().await
    }

    async fn send_document(&self, rule: &Rule, document: &Value) -> Reply {
        let call = self.call(rule).json(document).without("content-type");
        call.header("content-type", "application/vnd.api+json").send().await
    }
}

/// Routes that take a body: all that change something.
fn changing() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| rule.method != "GET")
}

#[tokio::test]
async fn a01_no_route_takes_an_attribute_that_is_not_its_own() {
    let scene = Scene::new().await;
    let before = Digest::of(&scene.service).await;
    let mut asked = 0;
    for rule in changing() {
        let own = scene.attributes(rule);
        for name in WANTED.into_iter().filter(|name| own.get(name).is_none()) {
            for value in [json!("super-admin"), json!(true)] {
                let mut body = own.clone();
                body[name] = value;
                let attack = format!("{name} at {} {}", rule.method, rule.path);
                let reply = scene.send(rule, &body).await;
                assert_refused(&attack, &reply, 422, "UNKNOWN_ATTRIBUTE");
                assert_eq!(reply.json()["errors"][0]["source"]["pointer"], format!("/{name}"), "{attack}");
                asked += 1;
            }
        }
    }
    assert!(asked > 2000, "only {asked}");
    before.is_still_that_of(&scene.service).await;
}

/// Routes whose document has an identifier and a type that are known here.
const TYPED: [(&str, &str, &str); 5] = [
    ("PATCH", "/api/v1/users/me", "users"),
    ("PATCH", "/api/v1/contacts/{id}", "contacts"),
    ("PATCH", "/api/v1/passkeys/{id}", "passkeys"),
    ("POST", "/api/v1/admin/users", "users"),
    ("PATCH", "/api/v1/admin/users/{id}", "users"),
];

#[tokio::test]
async fn a02_documents_of_another_shape_are_refused_by_every_route() {
    let scene = Scene::new().await;
    let before = Digest::of(&scene.service).await;
    for rule in changing() {
        let Some(attributes) = scene.target.body(rule, 0) else { continue };
        let other = json!({ "data": { "type": "nonsense", "attributes": attributes } });
        let list = json!({ "data": [other["data"]] });
        let attack = |shape: &str| format!("{shape} at {} {}", rule.method, rule.path);
        assert_refused(&attack("type"), &scene.send_document(rule, &other).await, 409, "TYPE_CONFLICT");
        for (shape, document, code) in [
            ("list", list, "WRONG_TYPE"),
            ("null", json!({ "data": null }), "WRONG_TYPE"),
            ("nothing", json!({}), "MISSING_ATTRIBUTE"),
            ("no type", json!({ "data": { "attributes": attributes } }), "MISSING_ATTRIBUTE"),
            ("a number", json!({ "data": { "type": 1, "attributes": attributes } }), "WRONG_TYPE"),
            ("bare", attributes.clone(), "UNKNOWN_ATTRIBUTE"),
        ] {
            let reply = scene.send_document(rule, &document).await;
            let codes: Vec<Value> =
                reply.json()["errors"].as_array().unwrap().iter().map(|error| error["code"].clone()).collect();
            assert_explained(&attack(shape), &reply);
            assert!(reply.status == 422 && codes.contains(&json!(code)), "{}: {}", attack(shape), reply.text);
        }
    }
    for (method, path, kind) in TYPED {
        let rule = RULES.iter().find(|rule| (rule.method, rule.path) == (method, path)).unwrap();
        let attributes = scene.attributes(rule);
        let document = |member: &str, value: Value| {
            let mut data = json!({ "type": kind, "attributes": attributes });
            data[member] = value;
            json!({ "data": data })
        };
        for (name, document) in [
            (
                "relationships",
                document("relationships", json!({ "role": { "data": { "type": "roles", "id": "admin" } } })),
            ),
            ("lid", document("lid", json!("1"))),
            ("links", document("links", json!({}))),
            ("included", json!({ "data": document("type", json!(kind))["data"], "included": [] })),
        ] {
            let reply = scene.send_document(rule, &document).await;
            assert_refused(&format!("{name} at {method} {path}"), &reply, 422, "UNKNOWN_ATTRIBUTE");
        }
        if path.contains("{id}") {
            let reply = scene.send_document(rule, &document("id", json!("0f0e0d0c-0b0a-4908-8706-0504030201ff"))).await;
            assert_refused(&format!("another id at {path}"), &reply, 409, "ID_CONFLICT");
        }
    }
    before.is_still_that_of(&scene.service).await;
}

#[tokio::test]
async fn a02_no_route_takes_a_parameter_that_is_not_its_own() {
    const BAD: [&str; 14] = [
        "page[size]=0",
        "page[size]=-1",
        "page[size]=1000000000",
        "page[size]=1e9",
        "page[number]=0",
        "page[after]='",
        "fields[users]=passwordHash",
        "include=passwords",
        "sort=passwordHash",
        "sort=-epoch",
        "filter[passwordHash]=$argon2id",
        "filter[epoch][gt]=0",
        "userId=0f0e0d0c-0b0a-4908-8706-050403020100",
        "__proto__[role]=admin",
    ];
    let scene = Scene::new().await;
    let before = Digest::of(&scene.service).await;
    // Providers add parameters of their own (RFC 6749 section 4.1.2).
    let asked = |rule: &&Rule| {
        rule.path.starts_with("/api/") && (rule.method, rule.path) != ("GET", "/api/v1/social/{provider}/callback")
    };
    for rule in RULES.iter().filter(asked) {
        let path = scene.target.path(rule);
        let mark = if path.contains('?') { '&' } else { '?' };
        for query in BAD {
            let attack = format!("{path}{mark}{query}");
            let mut call = scene.person(rule).call(scene.service.api(), rule.method, rule, &attack);
            if let Some(body) = scene.target.body(rule, 0) {
                call = call.json(&body);
            }
            let reply = call.send().await;
            assert_explained(&attack, &reply);
            let code = reply.refusal().code;
            assert!(["UNKNOWN_PARAMETER", "INVALID_PARAMETER"].contains(&code.as_str()), "{attack}: {}", reply.text);
        }
    }
    before.is_still_that_of(&scene.service).await;
}
