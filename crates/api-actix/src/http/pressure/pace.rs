//! How fast the peer of a connection must be.

use std::time::Duration;

use keystead_domain::limits::ANSWER_STEP;
use tokio::time::Instant;

/// Bytes of a body taken before its handler asks for more.
pub(super) const BODY_STEP: usize = 16 * 1024;

/// How long peers may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the first head, the time its answer of 408 needs included.
    pub(super) first: Duration,
    /// For a head, from its first byte.
    pub(super) head: Duration,
    /// Between an answer and the next head.
    pub(super) idle: Duration,
    /// For every [`ANSWER_STEP`] of an answer.
    pub(super) answer: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request came yet. actix-http answers a late one with 408; this is for what it does not see.
    First,
    /// Nothing is asked.
    Idle,
    /// Part of a head came. Of these actix-http times the first on a connection alone.
    Head,
    /// A request is being answered; it has a deadline of its own.
    Busy,
}

/// Part of an answer that the peer does not take.
#[derive(Debug)]
struct Stall {
    since: Option<Instant>,
    taken: usize,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// What was to be asked did not come.
    Silent,
    /// What was answered is not taken.
    Unread,
}

/// One connection. Events only mark what happened; the time of a mark is that of the next [`Self::over`], so that requests
/// never ask for the time.
#[derive(Debug)]
pub(super) struct Pace {
    phase: Phase,
    since: Option<Instant>,
    stall: Option<Stall>,
    /// A head came whose request is not answered.
    asked: bool,
    /// Bytes of its body that were read, and how many may be.
    body: usize,
    room: usize,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { phase: Phase::First, since: None, stall: None, asked: false, body: 0, room: 0 }
    }

    /// Whether more is taken from the peer: nothing from one that does not take its answers, little of a body before its
    /// handler wants it. actix-http itself keeps 160 KiB of one.
    pub(super) const fn may_read(&self) -> bool {
        self.stall.is_none() && !(self.asked && self.body >= self.room)
    }

    /// Whether a request is to be answered before the next is looked at.
    pub(super) const fn is_asked(&self) -> bool {
        self.asked
    }

    /// Bytes came.
    pub(super) fn has_read(&mut self, bytes: usize) {
        if bytes > 0 && self.phase == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// A head was read.
    pub(super) const fn is_asked_now(&mut self) {
        (self.asked, self.body, self.room) = (true, 0, BODY_STEP);
    }

    /// So many bytes of a body were read.
    pub(super) const fn has_body(&mut self, bytes: usize) {
        self.body = self.body.saturating_add(bytes);
    }

    /// The handler waits for more of the body.
    pub(super) const fn awaits_body(&mut self) {
        self.room = self.body.saturating_add(BODY_STEP);
    }

    /// A request is being answered.
    pub(super) fn begins(&mut self) {
        self.enter(Phase::Busy);
    }

    /// The answer is there to be sent.
    pub(super) fn answered(&mut self) {
        self.enter(Phase::Idle);
        self.asked = false;
    }

    /// The peer takes no more at present.
    pub(super) fn blocked(&mut self) {
        self.stall.get_or_insert(Stall { since: None, taken: 0 });
    }

    /// The peer took bytes.
    pub(super) fn wrote(&mut self, bytes: usize) {
        if let Some(stall) = &mut self.stall {
            stall.taken += bytes;
            if stall.taken >= ANSWER_STEP {
                self.stall = None;
            }
        }
        // While an answer is on its way nobody has to ask for more.
        self.since = None;
    }

    /// The peer took everything.
    pub(super) fn flushed(&mut self) {
        self.stall = None;
    }

    /// Whether the peer was too slow. `crowded`: there is hardly room for other connections, so idle ones are not kept.
    pub(super) fn over(&mut self, now: Instant, patience: &Patience, crowded: bool) -> Option<Cut> {
        if let Some(stall) = &mut self.stall {
            let since = *stall.since.get_or_insert(now);
            return (now.saturating_duration_since(since) >= patience.answer).then_some(Cut::Unread);
        }
        let limit = match self.phase {
            Phase::Busy => return None,
            Phase::First => patience.first,
            Phase::Head => patience.head,
            Phase::Idle if crowded => patience.head.min(patience.idle),
            Phase::Idle => patience.idle,
        };
        let since = *self.since.get_or_insert(now);
        (now.saturating_duration_since(since) >= limit).then_some(Cut::Silent)
    }

    const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        first: Duration::from_secs(6),
        head: Duration::from_secs(5),
        idle: Duration::from_secs(75),
        answer: Duration::from_secs(30),
    };

    /// A connection and its clock.
    struct Seen {
        pace: Pace,
        now: Instant,
        crowded: bool,
    }

    impl Seen {
        fn new() -> Self {
            Self { pace: Pace::new(), now: Instant::now(), crowded: false }
        }

        /// One whose first request was answered.
        fn idle() -> Self {
            let mut seen = Self::new();
            seen.pace.begins();
            seen.pace.answered();
            seen
        }

        fn over(&mut self) -> Option<Cut> {
            self.pace.over(self.now, &PATIENCE, self.crowded)
        }

        /// Whole seconds from now on until it is ended; at most 1,000.
        fn lives(&mut self) -> u64 {
            let began = self.now;
            while self.over().is_none() && self.now < began + Duration::from_secs(1000) {
                self.now += Duration::from_secs(1);
            }
            (self.now - began).as_secs()
        }

        fn after(&mut self, seconds: u64) -> Option<Cut> {
            self.over();
            self.now += Duration::from_secs(seconds);
            self.over()
        }
    }

    #[test]
    fn the_first_head_has_its_time_whatever_of_it_comes() {
        assert_eq!(Seen::new().lives(), 6);
        let mut drop_by_drop = Seen::new();
        for _ in 0..5 {
            assert_eq!(drop_by_drop.after(1), None);
            drop_by_drop.pace.has_read(1);
        }
        assert_eq!(drop_by_drop.after(1), Some(Cut::Silent));
    }

    #[test]
    fn later_heads_are_timed_from_their_first_byte() {
        assert_eq!(Seen::idle().lives(), 75);
        let mut seen = Seen::idle();
        assert_eq!(seen.after(70), None);
        seen.pace.has_read(1);
        assert_eq!(seen.after(4), None);
        seen.pace.has_read(1);
        assert_eq!(seen.after(1), Some(Cut::Silent));
    }

    #[test]
    fn nobody_is_hurried_while_being_answered() {
        let mut seen = Seen::idle();
        seen.pace.has_read(100);
        seen.pace.begins();
        assert_eq!(seen.lives(), 1000);
        seen.pace.answered();
        for _ in 0..10 {
            assert_eq!(seen.after(74), None, "an answer that comes slowly");
            seen.pace.wrote(1);
        }
    }

    #[test]
    fn idle_connections_go_first_where_room_is_short() {
        let mut seen = Seen::idle();
        seen.crowded = true;
        assert_eq!(seen.lives(), 5);
    }

    #[test]
    fn an_answer_must_be_taken_step_by_step() {
        let mut seen = Seen::idle();
        seen.pace.blocked();
        assert!(!seen.pace.may_read());
        assert_eq!(seen.after(29), None);
        // A trickle is no step.
        seen.pace.wrote(ANSWER_STEP - 1);
        seen.pace.blocked();
        assert_eq!(seen.after(1), Some(Cut::Unread));
        // A step buys the same time again.
        seen.pace.wrote(1);
        seen.pace.blocked();
        assert_eq!(seen.after(29), None);
        assert_eq!(seen.after(1), Some(Cut::Unread));
        seen.pace.flushed();
        assert!(seen.pace.may_read());
        assert_eq!(seen.lives(), 75);
    }

    #[test]
    fn little_of_a_body_is_read_before_its_handler_wants_it() {
        let mut seen = Seen::new();
        for _ in 0..2 {
            seen.pace.is_asked_now();
            seen.pace.begins();
            seen.pace.has_body(BODY_STEP - 1);
            assert!(seen.pace.may_read());
            seen.pace.has_body(1);
            assert!(!seen.pace.may_read());
            seen.pace.awaits_body();
            seen.pace.has_body(BODY_STEP - 1);
            assert!(seen.pace.may_read());
            seen.pace.has_body(1);
            assert!(!seen.pace.may_read() && seen.pace.is_asked());
            seen.pace.answered();
            assert!(seen.pace.may_read() && !seen.pace.is_asked());
        }
    }
}
