use keystead_application::ports::FeedCursor;

/// How far a reader got: what a [`FeedCursor`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The feed, as Redis names it.
    pub(super) feed: String,
    /// How often entries were lost to this reader.
    pub(super) losses: u64,
    /// The sequence number of the last entry it read; 0 before the first.
    pub(super) sequence: u64,
    /// The history of that entry, which no entry with another before it has; empty before the first.
    pub(super) history: String,
}

impl Place {
    /// The feed's name to this reader: another one after every loss.
    pub(super) fn feed_id(&self) -> String {
        if self.losses == 0 { self.feed.clone() } else { format!("{}+{}", self.feed, self.losses) }
    }

    pub(super) fn to_cursor(&self) -> FeedCursor {
        FeedCursor(format!("{}/{}/{}/{}", self.sequence, self.losses, self.history, self.feed))
    }

    /// `None` for a cursor another kind of feed made.
    pub(super) fn parse(FeedCursor(text): &FeedCursor) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        let (sequence, losses) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (history, feed) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { feed, losses, sequence, history })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let place = Place { feed: "a.1".into(), losses: 2, sequence: 1 << 60, history: "b7".into() };
        assert_eq!(Place::parse(&place.to_cursor()), Some(place.clone()));
        assert_eq!((place.feed_id(), Place { losses: 0, ..place }.feed_id()), ("a.1+2".into(), "a.1".into()));
        assert_eq!(Place::parse(&FeedCursor("feed:0:7".into())), None);
    }
}
