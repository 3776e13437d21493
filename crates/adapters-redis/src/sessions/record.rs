use std::collections::HashMap;
use std::str::{FromStr, from_utf8};

use keystead_application::ports::SessionUpdate;
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, Role, UserId};
use keystead_domain::token::{
    Amr, ClientKind, DeviceInfo, EndReason, Fingerprint, Generation, KeyId, Session, SessionId,
};

use crate::connection::Argument;

/// A session as Redis returns it: names and values of fields.
pub(super) type Hash = HashMap<String, Vec<u8>>;

/// A field that holds what the domain refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// Names and values of fields on their way to a script.
#[derive(Default)]
struct Fields(Vec<Argument>);

impl Fields {
    fn with(mut self, name: &str, value: impl Into<Argument>) -> Self {
        self.0.extend([name.into(), value.into()]);
        self
    }

    fn at(self, name: &str, at: Timestamp) -> Self {
        self.with(name, at.as_micros())
    }

    fn maybe(self, name: &str, value: Option<impl Into<Argument>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The `User-Agent`, an empty one too, in as many fields as it takes.
    fn pieces(self, user_agent: Option<&str>) -> Self {
        let Some(text) = user_agent else { return self };
        let first = self.with(AGENT[0], text.as_bytes().get(..PIECE).unwrap_or(text.as_bytes()));
        let rest = AGENT.iter().zip(text.as_bytes().chunks(PIECE)).skip(1);
        rest.fold(first, |fields, (name, piece)| fields.with(name, piece))
    }
}

/// Redis keeps a hash in its small form as long as no value is longer (`hash-max-listpack-value`): a third of the bytes.
const PIECE: usize = 64;
/// A `User-Agent` has at most 512 bytes.
const AGENT: [&str; 8] = [
    "user_agent",
    "user_agent_2",
    "user_agent_3",
    "user_agent_4",
    "user_agent_5",
    "user_agent_6",
    "user_agent_7",
    "user_agent_8",
];

/// `amr` values, separated by spaces: none of them holds one.
fn join_amr(amr: &[Amr]) -> String {
    amr.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(" ")
}

/// Every field of a new session. A fact that is not known is a field that is not there.
pub(super) fn all(session: &Session) -> Vec<Argument> {
    let fields = Fields::default()
        .with("version", 0_u32)
        .with("user_id", session.user_id.to_string())
        .with("client", session.client.as_str())
        .with("fingerprint", session.fingerprint.0.as_slice())
        .with("epoch", session.epoch.number())
        .with("role", session.role.as_str())
        .with("amr", join_amr(&session.amr))
        .at("auth_time", session.auth_time)
        .at("created_at", session.created_at)
        .at("last_seen_at", session.last_seen_at)
        .at("expires_at", session.expires_at)
        .at("checked_at", session.checked_at)
        .maybe("impersonator", session.impersonator.map(|id| id.to_string()))
        .maybe("ip", session.device.ip.map(|ip| ip.to_string()))
        .pieces(session.device.user_agent.as_deref());
    presented(fields, session).0
}

/// What [`Session::present`] may change, but `last_seen_at`.
pub(super) fn rotated(session: &Session) -> Vec<Argument> {
    presented(Fields::default(), session).0
}

fn presented(fields: Fields, session: &Session) -> Fields {
    fields
        .with("head", session.head.number())
        .with("head_key", session.head_key.as_str())
        .maybe("previous_key", session.previous_key.as_ref().map(KeyId::as_str))
        .maybe("rotated_at", session.rotated_at.map(Timestamp::as_micros))
        .at("rotations_since", session.rotations_since)
        .with("rotations", session.rotations)
        .maybe("ended", session.ended.map(EndReason::as_str))
}

/// The facts an update names.
pub(super) fn updated(update: &SessionUpdate) -> Vec<Argument> {
    Fields::default()
        .maybe("epoch", update.epoch.map(|(epoch, _)| epoch.number()))
        .maybe("role", update.epoch.map(|(_, role)| role.as_str()))
        .maybe("auth_time", update.auth_time.map(Timestamp::as_micros))
        .maybe("amr", update.amr.as_deref().map(join_amr))
        .maybe("checked_at", update.checked_at.map(Timestamp::as_micros))
        .0
}

/// Reads fields of one hash.
struct Reader<'a>(&'a Hash);

impl<'a> Reader<'a> {
    fn bytes(&self, name: &'static str) -> Result<&'a [u8], Unreadable> {
        self.0.get(name).map(Vec::as_slice).ok_or(Unreadable(name))
    }

    fn text(&self, name: &'static str) -> Result<&'a str, Unreadable> {
        from_utf8(self.bytes(name)?).map_err(|_| Unreadable(name))
    }

    /// A field as `read` understands it.
    fn get<T>(&self, name: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Unreadable> {
        read(self.text(name)?).ok_or(Unreadable(name))
    }

    /// The same, of a field that may not be there.
    fn maybe<T>(&self, name: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Unreadable> {
        if self.0.contains_key(name) { self.get(name, read).map(Some) } else { Ok(None) }
    }

    fn at(&self, name: &'static str) -> Result<Timestamp, Unreadable> {
        self.get(name, moment)
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn moment(text: &str) -> Option<Timestamp> {
    number(text).map(Timestamp::from_micros)
}

/// The version a session was read at: rotations and ends raise it.
pub(super) fn version(hash: &Hash) -> Result<&[u8], Unreadable> {
    Reader(hash).bytes("version")
}

fn user_agent(hash: &Hash) -> Result<Option<String>, Unreadable> {
    let pieces: Vec<&[u8]> = AGENT.iter().map_while(|name| hash.get(*name)).map(Vec::as_slice).collect();
    if pieces.is_empty() {
        return Ok(None);
    }
    String::from_utf8(pieces.concat()).map(Some).map_err(|_| Unreadable("user_agent"))
}

/// The session of this name, from its fields.
pub(super) fn session(id: &SessionId, hash: &Hash) -> Result<Session, Unreadable> {
    let fields = Reader(hash);
    let fingerprint = fields.bytes("fingerprint")?.try_into().map_err(|_| Unreadable("fingerprint"))?;
    let amr = |text: &str| text.split_ascii_whitespace().map(Amr::parse).collect();
    let user_agent = user_agent(hash)?;
    Ok(Session {
        id: id.clone(),
        user_id: fields.get("user_id", UserId::parse)?,
        client: fields.get("client", ClientKind::parse)?,
        fingerprint: Fingerprint(fingerprint),
        head: Generation::new(fields.get("head", number)?),
        head_key: fields.get("head_key", KeyId::parse)?,
        previous_key: fields.maybe("previous_key", KeyId::parse)?,
        rotated_at: fields.maybe("rotated_at", moment)?,
        rotations_since: fields.at("rotations_since")?,
        rotations: fields.get("rotations", number)?,
        epoch: Epoch::new(fields.get("epoch", number)?),
        role: fields.get("role", |text| Role::parse(text).ok())?,
        amr: fields.get("amr", amr)?,
        auth_time: fields.at("auth_time")?,
        created_at: fields.at("created_at")?,
        last_seen_at: fields.at("last_seen_at")?,
        expires_at: fields.at("expires_at")?,
        checked_at: fields.at("checked_at")?,
        device: DeviceInfo::new(fields.maybe("ip", number)?, user_agent.as_deref()),
        impersonator: fields.maybe("impersonator", UserId::parse)?,
        ended: fields.maybe("ended", EndReason::parse)?,
    })
}

#[cfg(test)]
mod tests {
    use keystead_application::testing::{a_session, user_id};

    use super::*;

    fn hash(session: &Session) -> Hash {
        let arguments = all(session);
        let text = |argument: &Argument| argument.bytes().to_vec();
        arguments.chunks(2).map(|pair| (String::from_utf8(text(&pair[0])).unwrap(), text(&pair[1]))).collect()
    }

    #[test]
    fn a_session_is_read_as_it_was_written() {
        assert_eq!(session(&a_session().id, &hash(&a_session())), Ok(a_session()));
        let impersonation = Session { impersonator: Some(user_id(9)), ..a_session() };
        assert_eq!(session(&impersonation.id, &hash(&impersonation)), Ok(impersonation));
    }

    #[test]
    fn a_user_agent_of_any_length_is_read_as_it_was_written() {
        for length in [0, 1, 63, 64, 65, 128, 511, 512] {
            // Two bytes a letter, so that pieces end within letters.
            let text = format!("{}{}", "x".repeat(length % 2), "é".repeat(length / 2));
            let device = DeviceInfo::new(None, Some(&text));
            let written = Session { device, ..a_session() };
            let hash = hash(&written);
            assert_eq!(session(&written.id, &hash), Ok(written), "{length}");
            assert!(hash.values().all(|value| value.len() <= PIECE));
        }
    }

    #[test]
    fn a_field_that_makes_no_sense_is_named() {
        for field in [
            "user_id",
            "fingerprint",
            "head",
            "head_key",
            "amr",
            "rotations",
            "expires_at",
            "ended",
            "impersonator",
            "ip",
            "user_agent",
        ] {
            let mut hash = hash(&a_session());
            hash.insert(field.to_owned(), b"\xff?".to_vec());
            assert_eq!(session(&a_session().id, &hash), Err(Unreadable(field)));
        }
        let mut hash = hash(&a_session());
        hash.remove("head");
        assert_eq!(session(&a_session().id, &hash), Err(Unreadable("head")));
    }
}
