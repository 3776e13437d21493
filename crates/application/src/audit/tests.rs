use std::sync::Arc;
use std::time::Duration;

use keystead_domain::account::Role;
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::AccessClaims;

use super::seal::{checkpoint, genesis, link_after};
use super::*;
use crate::admin::AdminError;
use crate::ports::{AuditFilter, AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, Clock, Store};
use crate::test_world::{caller, proved};
use crate::testing::{
    Audit, CountingEntropy, FakeKeyedHash, FakeStore, FixedClock, START, access_claims, after, an_audit_event, user_id,
};

/// An audit log, with the worker that links it.
struct Log {
    rows: Arc<FakeStore>,
    store: Arc<SealingStore>,
    hash: Arc<FakeKeyedHash>,
    clock: Arc<FixedClock>,
}

fn event(number: usize) -> AuditEvent {
    AuditEvent { detail: Some(format!("event {number}")), ..an_audit_event() }
}

impl Log {
    fn new() -> Self {
        let (rows, hash) = (Arc::new(FakeStore::new()), Arc::new(FakeKeyedHash::new()));
        let store = Arc::new(SealingStore::new(rows.clone(), hash.clone(), Arc::new(CountingEntropy::default())));
        Self { rows, store, hash, clock: Arc::default() }
    }

    /// So many events, linked.
    async fn of(count: usize) -> Self {
        let log = Self::new();
        log.write(1..=count).await;
        log.link().await;
        log
    }

    async fn write(&self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            append(&*self.store, &event(number)).await;
        }
    }

    async fn link(&self) -> Vec<AuditRow> {
        LinkAudit::new(self.store.clone(), self.hash.clone(), self.clock.clone()).run().await.unwrap()
    }

    async fn verify(&self, kept: Option<ChainLink>) -> AuditReport {
        VerifyAudit::new(self.store.clone(), self.hash.clone()).run(kept).await.unwrap()
    }

    async fn problems(&self) -> Vec<AuditProblem> {
        self.verify(None).await.problems
    }

    async fn prune(&self, kept: Duration) -> u64 {
        PruneAudit::new(self.store.clone(), self.hash.clone(), self.clock.clone(), kept).run().await.unwrap()
    }

    /// A hand at the database.
    fn tamper(&self, change: impl FnOnce(&mut Audit)) {
        self.rows.prepare(|state| change(&mut state.audit));
    }

    /// Gives every row the link that its place in the table asks for: what anybody can compute.
    fn chain_anew(&self) {
        self.tamper(|audit| {
            let mut last = genesis(&*self.hash);
            for row in &mut audit.rows {
                last = link_after(&*self.hash, last, row).unwrap();
                row.link = Some(last);
            }
        });
    }
}

async fn append(store: &dyn Store, event: &AuditEvent) {
    let mut tx = store.begin().await.unwrap();
    tx.audit().append(event).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_written_is_sealed_at_once_and_linked_in_order_later() {
    let log = Log::new();
    log.write(1..=3).await;
    let waiting = log.verify(None).await;
    assert_eq!((waiting.rows, waiting.unlinked, waiting.problems), (0, 3, vec![]));
    let linked = log.link().await;
    assert!(linked.iter().all(|row| row.seal.is_some()));
    let positions: Vec<i64> = linked.iter().filter_map(|row| row.link).map(|link| link.position).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert_eq!(log.link().await, []);
    let report = log.verify(linked[1].link).await;
    assert_eq!((report.rows, report.unlinked, report.checkpoints, report.head), (3, 0, 1, linked[2].link));
    assert_eq!(report.problems, []);
}

#[tokio::test]
async fn one_checkpoint_stays_of_every_hour() {
    let log = Log::new();
    for (number, seconds) in [0, 1, 3600, 3601, 7200].into_iter().enumerate() {
        log.clock.set(after(seconds));
        log.write([number]).await;
        log.link().await;
    }
    let checkpoints = log.rows.state().audit.checkpoints;
    let positions: Vec<i64> = checkpoints.iter().map(|checkpoint| checkpoint.link.position).collect();
    assert_eq!(positions, [2, 4, 5]);
    assert_eq!(log.problems().await, []);
}

#[tokio::test]
async fn a_change_of_any_field_is_named() {
    let changes: [fn(&mut AuditEvent); 7] = [
        |event| event.name = AuditEventName::LoginFailed,
        |event| event.at = after(1),
        |event| event.actor = None,
        |event| event.impersonator = Some(user_id(9)),
        |event| event.subject = Some(user_id(2)),
        |event| event.device.user_agent = None,
        |event| event.detail = None,
    ];
    for change in changes {
        let log = Log::of(4).await;
        log.tamper(|audit| change(&mut audit.rows[1].event));
        assert_eq!(log.problems().await, [AuditProblem::Changed { id: 2, position: 2 }]);
    }
    let log = Log::of(4).await;
    log.tamper(|audit| audit.rows[2].seal.as_mut().unwrap().bytes[0] ^= 1);
    assert_eq!(log.problems().await, [AuditProblem::Changed { id: 3, position: 3 }]);
    let log = Log::of(4).await;
    log.tamper(|audit| audit.rows[2].seal = None);
    assert_eq!(log.problems().await, [AuditProblem::Unsealed { id: 3 }]);
}

#[tokio::test]
async fn a_change_before_the_row_is_linked_is_named_too() {
    let log = Log::new();
    log.write(1..=2).await;
    log.tamper(|audit| audit.rows[1].event.detail = None);
    assert_eq!(log.problems().await, [AuditProblem::Changed { id: 2, position: 0 }]);
    log.link().await;
    assert_eq!(log.problems().await, [AuditProblem::Changed { id: 2, position: 2 }]);
}

#[tokio::test]
async fn rows_that_are_gone_are_named() {
    let log = Log::of(6).await;
    log.tamper(|audit| drop(audit.rows.drain(1..3)));
    assert_eq!(log.problems().await, [AuditProblem::Missing { from: 2, to: 3 }]);
    let log = Log::of(6).await;
    log.tamper(|audit| audit.rows.truncate(4));
    assert_eq!(log.problems().await, [AuditProblem::Missing { from: 5, to: 6 }]);
    let log = Log::of(6).await;
    log.tamper(|audit| audit.rows.clear());
    assert_eq!(log.problems().await, [AuditProblem::Missing { from: 1, to: 6 }]);
    assert_eq!(AuditProblem::Missing { from: 1, to: 6 }.to_string(), "rows 1 to 6 are gone");
}

#[tokio::test]
async fn an_end_that_was_cut_with_its_checkpoint_shows_against_a_head_kept_elsewhere() {
    let log = Log::of(3).await;
    let before = log.rows.state().audit.clone();
    log.clock.set(after(7200));
    log.write(4..=5).await;
    log.link().await;
    let kept = log.verify(None).await.head;
    log.tamper(|audit| *audit = before);
    assert_eq!(log.problems().await, []);
    assert_eq!(log.verify(kept).await.problems, [AuditProblem::Missing { from: 4, to: 5 }]);
    // Written anew, it is as long, and another.
    log.write(6..=7).await;
    log.link().await;
    assert_eq!(log.verify(kept).await.problems, [AuditProblem::Rewritten { position: 5 }]);
}

#[tokio::test]
async fn rows_of_another_hand_are_named() {
    let log = Log::of(3).await;
    append(&*log.rows, &event(9)).await;
    assert_eq!(log.problems().await, [AuditProblem::Unsealed { id: 4 }]);
    log.link().await;
    assert_eq!(log.problems().await, [AuditProblem::Unsealed { id: 4 }], "a link makes it no better");

    // With the seal of another event.
    let log = Log::of(3).await;
    log.tamper(|audit| {
        let stolen = AuditRow { id: AuditRowId(4), event: event(9), link: None, ..audit.rows[0].clone() };
        audit.rows.push(stolen);
    });
    log.link().await;
    assert_eq!(log.problems().await, [AuditProblem::Changed { id: 4, position: 4 }]);

    // Another event's row, whole.
    let log = Log::of(3).await;
    log.tamper(|audit| {
        let copy = AuditRow { id: AuditRowId(4), link: None, ..audit.rows[0].clone() };
        audit.rows.push(copy);
    });
    assert_eq!(log.problems().await, [AuditProblem::Copied { id: 4 }]);
    log.link().await;
    assert_eq!(log.problems().await, [AuditProblem::Copied { id: 4 }]);
    // The same thing, twice in one moment, is not the same row.
    let log = Log::new();
    log.write([1, 1]).await;
    log.link().await;
    assert_eq!(log.problems().await, []);
}

#[tokio::test]
async fn rows_that_changed_places_are_named() {
    let moved = [AuditProblem::Moved { id: 3, position: 2 }, AuditProblem::Moved { id: 2, position: 3 }];
    let log = Log::of(4).await;
    log.tamper(|audit| {
        let link = audit.rows[1].link;
        audit.rows[1].link = audit.rows[2].link;
        audit.rows[2].link = link;
    });
    assert_eq!(log.problems().await, moved);
    // Contents and seals alone.
    let log = Log::of(4).await;
    log.tamper(|audit| {
        let (first, second) = (audit.rows[1].clone(), audit.rows[2].clone());
        (audit.rows[1].event, audit.rows[1].seal) = (second.event, second.seal);
        (audit.rows[2].event, audit.rows[2].seal) = (first.event, first.seal);
    });
    let problems = log.problems().await;
    assert_eq!(problems, [AuditProblem::Moved { id: 2, position: 2 }, AuditProblem::Moved { id: 3, position: 3 }]);
}

#[tokio::test]
async fn a_chain_made_to_fit_again_does_not_fit_what_was_signed() {
    let log = Log::of(4).await;
    // A copy of a good row in the place of another: every seal is right, and every link is made anew.
    log.tamper(|audit| audit.rows[1].event = audit.rows[0].event.clone());
    log.tamper(|audit| audit.rows[1].seal = audit.rows[0].seal.clone());
    log.chain_anew();
    assert_eq!(log.problems().await, [AuditProblem::Copied { id: 2 }, AuditProblem::Rewritten { position: 4 }]);
    // With a checkpoint of one's own.
    let forger = FakeKeyedHash::new().with_audit_keys(["of-a-forger"]);
    log.tamper(|audit| {
        let head = audit.rows[3].link.unwrap();
        audit.checkpoints = vec![checkpoint(&forger, CheckpointKind::Head, head, START)];
    });
    let unsigned = AuditProblem::Unsigned { from: 1, to: 4 };
    let found = [AuditProblem::Forged { position: 4 }, AuditProblem::Copied { id: 2 }, unsigned];
    assert_eq!(log.problems().await, found);
    // A floor signed as a head hides nothing.
    log.tamper(|audit| {
        let signed = checkpoint(&*log.hash, CheckpointKind::Head, audit.rows[3].link.unwrap(), START);
        audit.checkpoints = vec![Checkpoint { kind: CheckpointKind::Floor, ..signed }];
    });
    let unsigned = AuditProblem::Unsigned { from: 1, to: 4 };
    let found = [AuditProblem::Forged { position: 4 }, AuditProblem::Copied { id: 2 }, unsigned];
    assert_eq!(log.problems().await, found);
}

#[tokio::test]
async fn rows_from_before_the_log_was_sealed_are_taken_as_they_are() {
    let log = Log::new();
    for number in 1..=2 {
        append(&*log.rows, &event(number)).await;
    }
    log.write(3..=4).await;
    log.link().await;
    assert_eq!(log.problems().await, []);
    // From then on they are in the chain: a later change shows there.
    log.tamper(|audit| audit.rows[0].event.detail = None);
    assert_eq!(log.problems().await, [AuditProblem::Moved { id: 1, position: 1 }]);
}

#[tokio::test]
async fn what_the_policy_keeps_no_longer_goes_behind_a_signed_floor() {
    const DAY: Duration = Duration::from_hours(24);
    let log = Log::of(3).await;
    log.clock.set(START.plus(DAY));
    append(&*log.store, &AuditEvent { at: log.clock.now(), ..event(4) }).await;
    log.link().await;
    assert_eq!(log.prune(DAY).await, 0, "not older than a day");
    log.clock.set(START.plus(DAY + Duration::from_micros(1)));
    assert_eq!(log.prune(DAY).await, 3);
    log.link().await;
    let audit = log.rows.state().audit;
    assert_eq!(
        audit.events().iter().map(|event| event.name).collect::<Vec<_>>(),
        [AuditEventName::LoginSucceeded, AuditEventName::AuditPruned]
    );
    assert_eq!(audit.rows[1].event.detail.as_deref(), Some("3 rows, up to position 3"));
    let report = log.verify(None).await;
    assert_eq!((report.rows, report.problems), (2, vec![]));

    // More than that is missed, and so is everything when all is gone.
    log.tamper(|audit| drop(audit.rows.remove(0)));
    assert_eq!(log.problems().await, [AuditProblem::Missing { from: 4, to: 4 }]);
}

#[tokio::test]
async fn a_log_of_which_nothing_is_left_goes_on_where_it_ended() {
    let log = Log::of(3).await;
    log.clock.set(after(100));
    assert_eq!(log.prune(Duration::from_secs(1)).await, 3);
    log.link().await;
    let report = log.verify(None).await;
    assert_eq!((report.rows, report.head.map(|head| head.position), report.problems), (1, Some(4), vec![]));
}

#[tokio::test]
async fn an_unlinked_row_is_not_pruned() {
    let log = Log::of(1).await;
    log.write([2]).await;
    log.clock.set(after(100));
    assert_eq!(log.prune(Duration::from_secs(1)).await, 1);
    assert_eq!(log.rows.state().audit.events()[0], event(2));
    log.link().await;
    assert_eq!(log.problems().await, []);
}

#[tokio::test]
async fn sixteen_writers_and_two_who_link_leave_one_chain() {
    const WRITERS: usize = 16;
    const EACH: usize = 20;
    let log = Arc::new(Log::new());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                log.write([writer * EACH + number]).await;
                tokio::task::yield_now().await;
            }
        });
    }
    for _ in 0..2 {
        let log = log.clone();
        tasks.spawn(async move {
            while log.rows.state().audit.rows.iter().filter(|row| row.link.is_some()).count() < WRITERS * EACH {
                log.link().await;
                tokio::task::yield_now().await;
            }
        });
    }
    tasks.join_all().await;
    let report = log.verify(None).await;
    assert_eq!((report.rows, report.unlinked, report.problems), (320, 0, vec![]));
}

#[tokio::test]
async fn the_log_is_read_by_administrators_who_proved_a_factor() {
    let log = Log::of(3).await;
    let read = ReadAudit::new(log.store.clone());
    let list = async |caller, before| read.list(&caller, &AuditFilter::default(), before, 2).await;
    let admin = AccessClaims { role: Role::Admin, ..access_claims() };
    assert_eq!(list(proved(&access_claims()), None).await, Err(AdminError::Forbidden));
    assert_eq!(list(caller(&admin), None).await, Err(AdminError::MfaRequired));
    let page = list(proved(&admin), None).await.unwrap();
    assert_eq!(page.iter().map(|row| row.id.0).collect::<Vec<_>>(), [3, 2]);
    let page = list(proved(&admin), Some(AuditRowId(2))).await.unwrap();
    assert_eq!(page.iter().map(|row| row.id.0).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn an_export_walks_the_chain_from_its_floor() {
    let log = Log::of(5).await;
    let read = ReadAudit::new(log.store.clone());
    let positions = async |after, size| {
        let rows = read.export(after, size).await.unwrap();
        rows.iter().filter_map(|row| row.link).map(|link| link.position).collect::<Vec<_>>()
    };
    assert_eq!(positions(None, 3).await, [1, 2, 3]);
    assert_eq!(positions(Some(3), 3).await, [4, 5]);
    log.clock.set(after(100));
    log.prune(Duration::from_secs(1)).await;
    log.link().await;
    assert_eq!(positions(None, 3).await, [6]);
}
