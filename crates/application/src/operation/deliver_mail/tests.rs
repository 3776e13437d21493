use keystead_domain::SecretString;
use keystead_domain::Timestamp;
use keystead_domain::account::Address;

use super::*;
use crate::message::{Message, Notice};
use crate::ports::{Mail, MockMailer, MockMessageRenderer, NewMessage, OutboxId, RenderError, Sms};
use crate::test_world::{World, down, to};
use crate::testing::{FakeMailbox, MockStore, MockTx, a_mail, a_message, after};

#[test]
fn waits_double_up_to_the_cap() {
    let policy = MailPolicy::default();
    let waits: Vec<u64> = [1, 2, 3, 8, 50].map(|n| policy.wait(n).as_secs()).into();
    assert_eq!(waits, [5, 10, 20, 600, 600]);
}

/// Writes a code as its mail, and nothing for a decoy.
struct Plain;

impl MessageRenderer for Plain {
    fn render(&self, id: &OutboxId, message: &Message) -> Result<Option<Rendered>, RenderError> {
        let Notice::VerifyEmail { code, .. } = &message.notice else { return Ok(None) };
        let text = SecretString::new(code.clone());
        Ok(Some(match &message.to {
            Address::Email(to) => Rendered::Mail(Mail { message_id: id.0.clone(), to: to.clone(), text, ..a_mail() }),
            Address::Phone(to) => Rendered::Sms(Sms { id: id.0.clone(), to: to.clone(), text }),
        }))
    }
}

fn by_mail(mailer: Arc<dyn Mailer>) -> Channels {
    Channels { mailer, sms: None }
}

fn round(world: &World, mailer: Arc<dyn Mailer>, policy: MailPolicy) -> DeliverMail {
    DeliverMail::new(
        world.store.clone(),
        by_mail(mailer),
        Arc::new(Plain),
        world.postbox(),
        world.clock.clone(),
        policy,
    )
}

async fn post(world: &World, notice: Notice) {
    let message = Message { to: to("ada@example.com"), locale: None, name: None, notice };
    let mut tx = world.store.begin().await.unwrap();
    world.postbox().post(&mut *tx, &message, world.clock.now(), limits::CODE_LIFE).await.unwrap();
    tx.commit().await.unwrap();
}

fn a_code() -> Notice {
    Notice::VerifyEmail { code: "012345".into(), minutes: 5 }
}

const SENT: Delivered = Delivered { sent: 1, deferred: 0, dead: 0 };
const DEFERRED: Delivered = Delivered { sent: 0, deferred: 1, dead: 0 };
const DEAD: Delivered = Delivered { sent: 0, deferred: 0, dead: 1 };

#[tokio::test]
async fn a_message_is_sent_once_and_forgotten() {
    let (world, mailbox) = (World::default(), Arc::new(FakeMailbox::new()));
    post(&world, a_code()).await;
    let worker = round(&world, mailbox.clone(), MailPolicy::default());
    assert_eq!(worker.run().await, Ok(SENT));
    assert_eq!(mailbox.mails()[0].text.expose(), "012345");
    assert!(world.rows.state().outbox.0.is_empty());
    assert!(worker.run().await.unwrap().is_idle());
    assert_eq!(mailbox.mails().len(), 1);
}

#[tokio::test]
async fn a_transient_refusal_is_tried_again_after_its_wait_with_the_same_id() {
    let (world, mailbox) = (World::default(), Arc::new(FakeMailbox::new()));
    post(&world, a_code()).await;
    mailbox.fail_next(DeliveryError::Transient("421".into()));
    let worker = round(&world, mailbox.clone(), MailPolicy::default());
    assert_eq!(worker.run().await, Ok(DEFERRED));
    let row = world.rows.state().outbox.0[0].clone();
    assert_eq!((row.next_at, row.error.as_deref()), (after(5), Some("421")));
    assert!(worker.run().await.unwrap().is_idle(), "not before its time");
    world.clock.set(after(5));
    assert_eq!(worker.run().await, Ok(SENT));
    assert_eq!(mailbox.mails()[0].message_id, row.message.id.0);
}

#[tokio::test]
async fn a_permanent_refusal_leaves_a_dead_letter_without_contents() {
    let (world, mailbox) = (World::default(), Arc::new(FakeMailbox::new()));
    post(&world, a_code()).await;
    mailbox.fail_next(DeliveryError::Permanent("550".into()));
    let worker = round(&world, mailbox.clone(), MailPolicy::default());
    assert_eq!(worker.run().await, Ok(DEAD));
    let row = world.rows.state().outbox.0[0].clone();
    assert_eq!((row.dead_at.is_some(), row.error.as_deref(), row.message.sealed.len()), (true, Some("550"), 0));
    world.clock.advance(limits::MAIL_LEASE);
    assert!(worker.run().await.unwrap().is_idle() && mailbox.mails().is_empty());
}

#[tokio::test]
async fn attempts_run_out() {
    let (world, mailbox) = (World::default(), Arc::new(FakeMailbox::new()));
    post(&world, a_code()).await;
    let worker = round(&world, mailbox.clone(), MailPolicy { attempts: 3, ..MailPolicy::default() });
    let mut rounds = Vec::new();
    for _ in 0..3 {
        mailbox.fail_next(DeliveryError::Transient("421".into()));
        rounds.push(worker.run().await.unwrap());
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(rounds, [DEFERRED, DEFERRED, DEAD]);
}

#[tokio::test]
async fn an_expired_message_is_never_sent() {
    let (world, mailbox) = (World::default(), Arc::new(FakeMailbox::new()));
    post(&world, a_code()).await;
    world.clock.advance(limits::CODE_LIFE);
    assert_eq!(round(&world, mailbox.clone(), MailPolicy::default()).run().await, Ok(DEAD));
    assert!(mailbox.mails().is_empty());
}

/// A round up to its claim of one message, at which `at_claim` happens.
fn claiming(message: NewMessage, at_claim: impl FnOnce() + Send + 'static) -> [MockTx; 2] {
    let (mut looking, mut claiming) = (MockTx::new(), MockTx::new());
    looking.outbox.expect_is_due().return_once(|_| Ok(true));
    let NewMessage { id, sealed, created_at, expires_at } = message;
    let claimed = ClaimedMessage { id, sealed, attempts: 1, created_at, expires_at };
    claiming.outbox.expect_expire().times(1).returning(|_| Ok(0));
    claiming.outbox.expect_claim().times(1).return_once(move |_, _, _| {
        at_claim();
        Ok(vec![claimed])
    });
    [looking, claiming]
}

#[tokio::test]
async fn a_message_that_expires_between_claim_and_sending_is_not_sent() {
    let world = World::default();
    let message = a_message("message");
    let (clock, end) = (world.clock.clone(), message.expires_at);
    let [looking, claiming] = claiming(message, move || clock.set(end));
    let mut marking = MockTx::new();
    marking.outbox.expect_mark_dead().times(1).withf(|_, _, error| error == "expired").returning(|_, _, _| Ok(()));
    let store = MockStore::with_all([looking, claiming, marking]);
    let (mailer, renderer) = (Arc::new(MockMailer::new()), Arc::new(MockMessageRenderer::new()));
    let (policy, clock) = (MailPolicy::default(), world.clock.clone());
    assert_eq!(
        DeliverMail::new(store, by_mail(mailer), renderer, world.postbox(), clock, policy).run().await,
        Ok(DEAD)
    );
}

#[tokio::test]
async fn what_cannot_be_opened_is_dead_and_what_cannot_be_rendered_waits() {
    let world = World::default();
    let [looking, claiming] = claiming(a_message("message"), || ());
    let mut marking = MockTx::new();
    let unopenable = |_: &OutboxId, _: &Timestamp, error: &str| error.contains("could not be opened");
    marking.outbox.expect_mark_dead().times(1).withf(unopenable).returning(|_, _, _| Ok(()));
    let store = MockStore::with_all([looking, claiming, marking]);
    let (mailer, renderer) = (Arc::new(MockMailer::new()), Arc::new(MockMessageRenderer::new()));
    let (policy, clock) = (MailPolicy::default(), world.clock.clone());
    assert_eq!(
        DeliverMail::new(store, by_mail(mailer), renderer, world.postbox(), clock, policy).run().await,
        Ok(DEAD)
    );

    post(&world, a_code()).await;
    let mut renderer = MockMessageRenderer::new();
    renderer.expect_render().times(1).returning(|_, _| Err(RenderError("verify_email.txt:3".into())));
    let (mailer, store, clock) = (Arc::new(MockMailer::new()), world.store.clone(), world.clock.clone());
    let worker = DeliverMail::new(store, by_mail(mailer), Arc::new(renderer), world.postbox(), clock, policy);
    assert_eq!(worker.run().await, Ok(DEFERRED), "an operator can mend a template");
}

#[tokio::test]
async fn a_decoy_leaves_the_outbox_without_a_mail() {
    let world = World::default();
    post(&world, Notice::Decoy).await;
    let worker = round(&world, Arc::new(MockMailer::new()), MailPolicy::default());
    assert_eq!(worker.run().await, Ok(SENT));
    assert!(world.rows.state().outbox.0.is_empty());
}

#[tokio::test]
async fn no_transaction_is_open_while_mail_is_sent() {
    let world = World::default();
    post(&world, a_code()).await;
    let row = world.rows.state().outbox.0[0].message.clone();
    let [looking, claiming] = claiming(row.clone(), || ());
    let mut marking = MockTx::new();
    marking.outbox.expect_mark_sent().times(1).withf(move |id| *id == row.id).returning(|_| Ok(()));
    let (looked, claimed, marked) = (looking.outcome(), claiming.outcome(), marking.outcome());
    let mut mailer = MockMailer::new();
    mailer.expect_send().times(1).return_once(move |_| {
        assert!(looked.rolled_back() && claimed.committed() && marked.unused());
        Ok(())
    });
    let store = MockStore::with_all([looking, claiming, marking]);
    let (clock, policy) = (world.clock.clone(), MailPolicy::default());
    let worker = DeliverMail::new(store, by_mail(Arc::new(mailer)), Arc::new(Plain), world.postbox(), clock, policy);
    assert_eq!(worker.run().await, Ok(SENT));
}

#[tokio::test]
async fn a_claim_that_was_not_committed_sends_nothing() {
    let world = World::default();
    let [looking, claiming] = claiming(a_message("message"), || ());
    let store = MockStore::with_all([looking, claiming.failing(down())]);
    let (mailer, renderer) = (Arc::new(MockMailer::new()), Arc::new(MockMessageRenderer::new()));
    let (policy, clock) = (MailPolicy::default(), world.clock.clone());
    let lost = DeliverMail::new(store, by_mail(mailer), renderer, world.postbox(), clock, policy).run().await;
    assert!(matches!(lost, Err(Failure::Unavailable(_))), "{lost:?}");
}

#[tokio::test]
async fn a_worker_that_died_leaves_its_lease_to_end_or_to_be_taken_over() {
    let (world, mailbox) = (World::default(), Arc::new(FakeMailbox::new()));
    let worker = round(&world, mailbox.clone(), MailPolicy::default());
    for taken_over in [false, true] {
        post(&world, a_code()).await;
        let mut tx = world.store.begin().await.unwrap();
        assert_eq!(tx.outbox().claim(1, world.clock.now(), limits::MAIL_LEASE).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
        assert!(worker.run().await.unwrap().is_idle());
        if taken_over {
            worker.take_over().await.unwrap();
        } else {
            world.clock.advance(limits::MAIL_LEASE);
        }
        assert_eq!(worker.run().await, Ok(SENT), "{taken_over}");
    }
}
