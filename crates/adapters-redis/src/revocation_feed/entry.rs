use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::token::{Revocation, RevocationTarget, SessionId, TokenId};

/// Stands for everybody in the place of a session. The version before takes a kind it does not know for damage and would read
/// nothing behind it; this it takes for a session nobody has.
const EVERYBODY: &str = "everybody";

/// A revocation as one text: kind, parts and time with `:` in between, which no part holds.
pub(super) fn to_text(revocation: &Revocation) -> String {
    let at = revocation.at.as_micros();
    match &revocation.target {
        RevocationTarget::Token(token) => format!("token:{token}:{at}"),
        RevocationTarget::Session(session) => format!("session:{session}:{at}"),
        RevocationTarget::Everybody => format!("session:{EVERYBODY}:{at}"),
        RevocationTarget::User { id, epoch, sessions } => {
            format!("user:{id}:{}:{}:{at}", epoch.number(), sessions.number())
        }
    }
}

/// Reads what [`to_text`] wrote.
pub(super) fn parse(text: &str) -> Option<Revocation> {
    let mut parts = text.split(':');
    let (kind, id) = (parts.next()?, parts.next()?);
    let target = match kind {
        "token" => RevocationTarget::Token(TokenId::parse(id)?),
        "session" if id == EVERYBODY => RevocationTarget::Everybody,
        "session" => RevocationTarget::Session(SessionId::parse(id)?),
        "user" => {
            let (epoch, sessions) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            RevocationTarget::User { id: UserId::parse(id)?, epoch: Epoch::new(epoch), sessions: Epoch::new(sessions) }
        }
        _ => return None,
    };
    let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(Revocation { target, at })
}

#[cfg(test)]
mod tests {
    use keystead_application::testing::{START, session_id, token_id, user_id};

    use super::*;

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let user = RevocationTarget::User { id: user_id(1), epoch: Epoch::new(7), sessions: Epoch::new(-5) };
        let session = RevocationTarget::Session(session_id("s-_1"));
        for target in [RevocationTarget::Token(token_id("s.t")), session, user, RevocationTarget::Everybody] {
            let revocation = Revocation { target, at: START };
            assert_eq!(parse(&to_text(&revocation)), Some(revocation));
        }
        for text in ["", "token:s.t", "session:s:1:2", "user:x:1:1:1", "key:s:1", "session:s:soon"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_version_before_reads_the_end_of_everybody_as_a_session_nobody_has() {
        let text = to_text(&Revocation { target: RevocationTarget::Everybody, at: START });
        let parts: Vec<&str> = text.split(':').collect();
        assert_eq!((parts.len(), parts[0]), (3, "session"));
        assert!(SessionId::parse(parts[1]).is_some());
    }
}
