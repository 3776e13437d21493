use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use keystead_domain::account::{ContactKind, User};

use super::{Held, ImportOutcome, ImportRefusal};

/// What the accounts of a dry run would have taken from those behind them. Eight bytes each, so that a million accounts fit
/// into some dozen megabytes; that two names share them happens once in some ten thousand runs of a million accounts.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<u64>);

impl Seen {
    /// Takes what this account has; what it would have been told when an earlier one has it.
    pub(super) fn take(&mut self, user: &User) -> Option<ImportOutcome> {
        let id = mark("id", &user.id.to_string());
        let contacts: Vec<(ContactKind, u64)> = user
            .contacts()
            .map(|contact| (contact.address.kind(), mark(contact.address.kind().as_str(), contact.address.as_str())))
            .collect();
        let username = user.username.as_ref().map(|name| mark("username", name.as_str()));
        if self.0.contains(&id) {
            return Some(ImportOutcome::Exists(Held::Id));
        }
        if let Some((kind, _)) = contacts.iter().find(|(_, mark)| self.0.contains(mark)) {
            return Some(ImportOutcome::Exists(Held::Contact(*kind)));
        }
        if username.is_some_and(|mark| self.0.contains(&mark)) {
            return Some(ImportOutcome::Refused(ImportRefusal::UsernameTaken));
        }
        self.0.extend(contacts.into_iter().map(|(_, mark)| mark).chain([id]).chain(username));
        None
    }
}

fn mark(kind: &str, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, text).hash(&mut hasher);
    hasher.finish()
}
