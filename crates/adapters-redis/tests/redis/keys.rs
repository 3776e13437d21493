//! Every key has a time to live, and is in the table of the crate's documentation with its type and size.

use std::time::Duration;

use keystead_adapters_redis::{RedisConfig, RedisLink};
use keystead_application::ports::{CeremonyKey, CeremonyKind, CeremonyStore, RateHit, RateLimiter, RevocationFeed};
use keystead_application::ports::{Rotation, SessionStore};
use keystead_application::testing::{START, a_presentation, a_session, after, key_id, session_id};
use keystead_domain::limits;
use keystead_domain::token::{DeviceInfo, Revocation, RevocationTarget, Session, SessionId};
use keystead_test_servers::{Redis, Value};

use crate::opening::exercise;
use crate::servers;

const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";

/// A row of the table: a name with `<…>` for what varies, a type, bytes.
struct Row {
    name: &'static str,
    kind: &'static str,
    bytes: i64,
}

impl Row {
    /// Reads `//! | `name` | type | fields | bytes | lives |`.
    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.strip_prefix("//! | `keystead:")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        let (kind, _, bytes) = (cells.next()?, cells.next()?, cells.next()?);
        let digits = bytes.split(' ').next()?;
        Some(Self { name, kind, bytes: digits.parse().ok()? })
    }

    fn is_of(&self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix("keystead:") else { return false };
        match self.name.split_once('<') {
            Some((before, _)) => rest.starts_with(before),
            None => rest == self.name,
        }
    }
}

/// An identifier as long as real ones.
fn long_id(number: u32) -> SessionId {
    session_id(&format!("V1StGXR8_Z5jdHi6-{number:04}"))
}

/// As much as the table says.
async fn fill(link: &RedisLink) {
    let sessions = link.sessions();
    for number in 0..5 {
        let session = Session {
            id: long_id(number),
            head_key: key_id("V1StGXR8_Z5jdHi6B-myT"),
            device: DeviceInfo::new("2001:db8::7".parse().ok(), Some(AGENT)),
            ..a_session()
        };
        sessions.insert(&session).await.unwrap();
        let rotation = Rotation { session: session.id, shown: a_presentation(1, after(1)) };
        sessions.rotate(&rotation).await.unwrap().unwrap();
    }
    for (kind, id, state) in [
        (CeremonyKind::Code, "V1StGXR8_Z5jdHi6-0000", 38),
        (CeremonyKind::StepUp, "V1StGXR8_Z5jdHi6-0000", 320),
        (CeremonyKind::Contact, "00000000-0000-4000-8000-000000000000", 320),
        (CeremonyKind::Passkey, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 2048),
        (CeremonyKind::Srp, "e3b0c44298fc1c149afbf4c8996fb924", 0),
        (CeremonyKind::Captcha, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 1),
        (CeremonyKind::Social, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 450),
        (CeremonyKind::Idempotency, "hV1StGXR8_Z5jdHi6-0000V1StGXR8_Z5jdHi6-0000", 10_240),
    ] {
        let key = CeremonyKey { kind, id: id.to_owned() };
        assert!(link.ceremonies().insert(&key, &vec![b'x'; state], START, after(300)).await.unwrap());
    }
    let hits = limits::RATE_POLICIES.iter().map(|policy| RateHit { key: "2001:db8:1:2::/64".into(), policy: *policy });
    link.rate_limiter().hit(&hits.collect::<Vec<_>>(), START).await.unwrap();
    let feed = link.revocation_feed("V1StGXR8_Z5jdHi6B-myT".into());
    let entry = |number| Revocation { target: RevocationTarget::Session(long_id(number)), at: START };
    for batch in 0..11 {
        feed.publish(&(0..1000).map(|number| entry(batch * 1000 + number)).collect::<Vec<_>>()).await.unwrap();
    }
}

#[tokio::test]
async fn every_key_is_in_the_table_and_ends() {
    let table: Vec<Row> = include_str!("../../src/lib.rs").lines().filter_map(Row::parse).collect();
    let server = Redis::start().unwrap();
    let link = servers::open(&RedisConfig { prefix: "keystead".into(), ..servers::on(server.port()) });
    exercise(&link).await;
    fill(&link).await;
    let number = |words: &[&str]| match server.command(words).unwrap() {
        Value::Integer(number) => number,
        other => unreachable!("{other:?}"),
    };
    let mut seen: Vec<(&str, i64)> = Vec::new();
    for key in server.command(&["KEYS", "*"]).unwrap().into_list() {
        let key = key.to_string();
        let row = table.iter().find(|row| row.is_of(&key)).expect(&key);
        let longest = limits::SESSION_LIFE + Duration::from_secs(3600);
        let lives = number(&["PTTL", &key]);
        assert!((1..=i64::try_from(longest.as_millis()).unwrap()).contains(&lives), "{key} lives {lives} ms");
        assert_eq!(server.command(&["TYPE", &key]).unwrap().to_string(), row.kind, "{key}");
        seen.push((row.name, number(&["MEMORY", "USAGE", &key, "SAMPLES", "0"])));
    }
    for row in &table {
        let largest = seen.iter().filter(|(name, _)| *name == row.name).map(|(_, size)| *size).max();
        let largest = largest.expect(row.name);
        // Allocators and versions differ; the order of magnitude must not.
        assert!((row.bytes / 2..=row.bytes * 5 / 4).contains(&largest), "{} takes {largest} bytes", row.name);
    }
    assert_eq!(table.len(), 13);
}
