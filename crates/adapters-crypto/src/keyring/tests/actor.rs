//! `act` (RFC 8693 section 4.1): who really is behind an access token.

use keystead_domain::token::{Actor, SessionId};

use super::*;

fn impersonation() -> AccessClaims {
    let actor = Actor {
        subject: UserId::from_random([9; 16]),
        session: SessionId::parse("session_9").unwrap(),
        epoch: Epoch::new(5),
    };
    AccessClaims { role: Role::User, actor: Some(actor), ..access_claims() }
}

fn signed(f: &Fixture) -> String {
    f.ring.sign_access(&impersonation()).unwrap().expose().to_owned()
}

#[test]
fn the_actor_comes_back_as_it_was_signed() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let token = signed(&f);
        for _miss_then_hit in 0..2 {
            assert_eq!(f.ring.verify_access(&token).unwrap().claims, impersonation());
        }
        let act = json!({"sub": "09090909-0909-4909-8909-090909090909", "sid": "session_9", "epoch": 5});
        assert_eq!(decoded(&token, 1)["act"], act);
        assert_eq!(decoded(&f.access(), 1).get("act"), None, "whoever acts for themselves has none");
    }
}

#[test]
fn j08_an_actor_is_neither_dropped_nor_exchanged_nor_added() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let (theirs, own) = (signed(&f), f.access());
        for token in [&theirs, &own] {
            f.ring.verify_access(token).unwrap();
        }
        let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (theirs, own) = (parts(&theirs), parts(&own));
        let with =
            |payload: &Value| format!("{}.{}.{}", theirs[0], base64url(payload.to_string().as_bytes()), theirs[2]);
        let payload = decoded(&theirs.join("."), 1);
        let mut dropped = payload.clone();
        dropped.as_object_mut().unwrap().remove("act");
        f.refuses(&with(&dropped));
        for (name, value) in
            [("sub", json!("07070707-0707-4707-8707-070707070707")), ("sid", json!("session_1")), ("epoch", json!(6))]
        {
            let mut exchanged = payload.clone();
            exchanged["act"][name] = value;
            f.refuses(&with(&exchanged));
        }
        // Payloads of two good tokens of the same key, both ways round.
        f.refuses(&format!("{}.{}.{}", theirs[0], own[1], theirs[2]));
        f.refuses(&format!("{}.{}.{}", own[0], theirs[1], own[2]));
    }
}

#[test]
fn j06_an_actor_is_whole_and_typed() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let good = decoded(&signed(&f), 1);
    let rightly_signed = |payload: &str| f.signed(KeyUse::SignAccess, &f.access_header().to_string(), payload);
    let refuses = |act: Value| {
        let mut wrong = good.clone();
        wrong["act"] = act;
        f.refuses(&rightly_signed(&wrong.to_string()));
    };
    let act = good["act"].clone();
    for value in [Value::Null, json!({}), json!([]), json!(true), json!("x"), json!([act]), json!(act.to_string())] {
        refuses(value);
    }
    for name in ["sub", "sid", "epoch"] {
        let mut missing = act.clone();
        missing.as_object_mut().unwrap().remove(name);
        refuses(missing);
        for value in [Value::Null, json!({}), json!([]), json!(true), json!(-1.5), json!(""), json!("*")] {
            let mut wrong = act.clone();
            wrong[name] = value;
            refuses(wrong);
        }
    }
    // A chain of actors, which the RFC knows, and claims of others.
    for (name, value) in [("act", act.clone()), ("role", json!("super-admin")), ("iss", good["iss"].clone())] {
        let mut more = act.clone();
        more[name] = value;
        refuses(more);
    }
    // Doubled, inside and outside.
    let text = good.to_string();
    let sid = "\"sid\":\"session_9\"";
    let (inside, outside) = (text.replacen(sid, &format!("{sid},{sid}"), 1), format!("{{\"act\":{act},"));
    for doubled in [inside, text.replacen('{', &outside, 1)] {
        assert!(doubled.len() > text.len());
        f.refuses(&rightly_signed(&doubled));
    }
    f.ring.verify_access(&rightly_signed(&text)).unwrap();
}
