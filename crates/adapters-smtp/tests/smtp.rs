//! Real SMTP conversations of the mailer with a scripted peer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of #[test] functions")]

use std::sync::Arc;
use std::time::Duration;

use keystead_adapters_smtp::{SmtpConfig, SmtpMailer, SmtpSecurity};
use keystead_application::ports::{Clock, DeliveryError, Mail, Mailer};
use keystead_domain::Timestamp;
use keystead_domain::account::EmailAddress;
use keystead_testkit::smtp_peer::{Behaviour, PeerOptions, PeerSecurity, SmtpPeer};

/// Longer than anything here takes on a busy machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(10);
/// The step limit of mailers that are meant to run into it.
const SHORT: Duration = Duration::from_secs(1);

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::try_new(text).unwrap()
}

fn mail(number: u32) -> Mail {
    Mail {
        message_id: format!("message-{number}@example.com"),
        to: address("ada@example.org"),
        subject: "Your code – Grüße".to_owned(),
        text: "Hello,\n\n012345\n\n.\n.leading dot\nGrüße\n".to_owned().into(),
        html: "<p>012345</p>".to_owned().into(),
    }
}

fn config(peer: &SmtpPeer, security: SmtpSecurity) -> SmtpConfig {
    let mut config = SmtpConfig::new("127.0.0.1", peer.port(), security, address("no-reply@example.com"));
    config.extra_ca_pem = peer.ca_pem().map(|pem| pem.as_bytes().to_vec());
    config
}

fn mailer(config: SmtpConfig) -> SmtpMailer {
    SmtpMailer::new(config, Arc::new(StoppedClock)).unwrap()
}

fn plain(peer: &SmtpPeer) -> SmtpMailer {
    mailer(config(peer, SmtpSecurity::None))
}

/// A peer with TLS, and with `ada` / `s3cret` to log in when asked.
async fn tls_peer(security: PeerSecurity) -> SmtpPeer {
    SmtpPeer::start_with(PeerOptions { security, ..PeerOptions::default() }).await.unwrap()
}

async fn login_peer(security: PeerSecurity, mechanisms: Vec<&'static str>) -> SmtpPeer {
    let credentials = Some(("ada".to_owned(), "s3cret".to_owned()));
    SmtpPeer::start_with(PeerOptions { security, credentials, mechanisms, ..PeerOptions::default() }).await.unwrap()
}

fn with_login(mut config: SmtpConfig, password: &str) -> SmtpMailer {
    config.credentials = Some(("ada".to_owned(), password.to_owned().into()));
    mailer(config)
}

/// The text of a transient failure. It must name no address and no secret.
fn transient(result: Result<(), DeliveryError>) -> String {
    match result {
        Err(DeliveryError::Transient(text)) => {
            assert!(!text.contains('@') && !text.contains("s3cret") && !text.contains("wrong-"), "{text}");
            text
        }
        other => panic!("expected a transient failure, got {other:?}"),
    }
}

fn permanent(result: Result<(), DeliveryError>) -> String {
    match result {
        Err(DeliveryError::Permanent(text)) => {
            assert!(!text.contains('@'), "{text}");
            text
        }
        other => panic!("expected a permanent failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_message_arrives_as_written() {
    let peer = SmtpPeer::start().await.unwrap();
    plain(&peer).send(&mail(1)).await.unwrap();
    let received = peer.wait_for(1, PATIENCE).await.unwrap().remove(0);
    assert_eq!(received.from, "no-reply@example.com");
    assert_eq!(received.recipients, ["ada@example.org"]);
    assert!(!received.encrypted);
    assert!(received.data.is_ascii());
    assert_eq!(received.text().unwrap(), mail(1).text.expose());
    assert_eq!(received.html().unwrap(), mail(1).html.expose());
    for (name, value) in [
        ("Message-ID", "<message-1@example.com>"),
        ("Date", "Tue, 14 Nov 2023 22:13:20 +0000"),
        ("From", "<no-reply@example.com>"),
        ("To", "<ada@example.org>"),
        ("Auto-Submitted", "auto-generated"),
    ] {
        assert_eq!(received.headers(name), [value], "{name}");
    }
    assert!(received.header("Subject").unwrap().starts_with("=?utf-8?"), "{:?}", received.header("Subject"));
    assert!(received.headers("Bcc").is_empty() && received.headers("Cc").is_empty());
}

#[tokio::test]
async fn starttls_and_implicit_tls_encrypt() {
    for (offered, wanted) in
        [(PeerSecurity::StartTls, SmtpSecurity::StartTls), (PeerSecurity::ImplicitTls, SmtpSecurity::ImplicitTls)]
    {
        let peer = tls_peer(offered).await;
        mailer(config(&peer, wanted)).send(&mail(1)).await.unwrap();
        assert!(peer.messages()[0].encrypted, "{wanted:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let stranger = tls_peer(PeerSecurity::ImplicitTls).await;
    for (offered, wanted) in
        [(PeerSecurity::StartTls, SmtpSecurity::StartTls), (PeerSecurity::ImplicitTls, SmtpSecurity::ImplicitTls)]
    {
        let peer = tls_peer(offered).await;
        let config = SmtpConfig { extra_ca_pem: stranger.ca_pem().map(Into::into), ..config(&peer, wanted) };
        let text = transient(mailer(config).send(&mail(1)).await);
        assert!(text.contains("TLS: invalid peer certificate"), "{text}");
        peer.wait_for_idle(PATIENCE).await.unwrap();
        assert!(peer.messages().is_empty());
        assert!(!peer.commands().iter().any(|line| line.starts_with("MAIL")), "{:?}", peer.commands());
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    for (names, accepted) in [(vec!["mail.example.net"], false), (vec!["127.0.0.1"], true)] {
        let options =
            PeerOptions { security: PeerSecurity::ImplicitTls, certificate_names: names, ..PeerOptions::default() };
        let peer = SmtpPeer::start_with(options).await.unwrap();
        let result = mailer(config(&peer, SmtpSecurity::ImplicitTls)).send(&mail(1)).await;
        if accepted {
            result.unwrap();
        } else {
            assert!(transient(result).contains("TLS: invalid peer certificate"));
        }
        assert_eq!(peer.messages().len(), usize::from(accepted));
    }
}

#[tokio::test]
async fn never_falls_back_to_clear_text() {
    let peer = login_peer(PeerSecurity::StartTls, vec![]).await;
    peer.set_behaviour(Behaviour::HideStartTls);
    let mailer = with_login(config(&peer, SmtpSecurity::StartTls), "s3cret");
    let text = transient(mailer.send(&mail(1)).await);
    assert_eq!(text, "connecting: the server does not offer STARTTLS");
    peer.wait_for_idle(PATIENCE).await.unwrap();
    assert!(peer.messages().is_empty());
    assert_eq!(peer.commands(), ["EHLO example.com"]);

    peer.set_behaviour(Behaviour::Accept);
    mailer.send(&mail(1)).await.unwrap();
    assert!(peer.messages()[0].encrypted);
}

#[tokio::test]
async fn logs_in_with_either_mechanism() {
    for mechanisms in [vec!["PLAIN"], vec!["LOGIN"], vec![]] {
        let peer = login_peer(PeerSecurity::StartTls, mechanisms.clone()).await;
        with_login(config(&peer, SmtpSecurity::StartTls), "s3cret").send(&mail(1)).await.unwrap();
        assert_eq!(peer.messages()[0].user.as_deref(), Some("ada"), "{mechanisms:?}");
    }
}

#[tokio::test]
async fn a_refused_login_is_not_the_messages_fault() {
    let peer = login_peer(PeerSecurity::ImplicitTls, vec!["PLAIN"]).await;
    let text = transient(with_login(config(&peer, SmtpSecurity::ImplicitTls), "wrong-password").send(&mail(1)).await);
    assert_eq!(text, "connecting: the server answered 535 5.7.8");
    // No login at all where one is demanded.
    let text = transient(mailer(config(&peer, SmtpSecurity::ImplicitTls)).send(&mail(1)).await);
    assert_eq!(text, "MAIL FROM: the server answered 530 5.7.0");
    assert!(peer.messages().is_empty());
}

#[tokio::test]
async fn one_connection_carries_message_after_message() {
    for security in [PeerSecurity::Plain, PeerSecurity::StartTls] {
        let peer = tls_peer(security).await;
        let wanted = if security == PeerSecurity::Plain { SmtpSecurity::None } else { SmtpSecurity::StartTls };
        let mailer = mailer(config(&peer, wanted));
        for number in 1..=3 {
            mailer.send(&mail(number)).await.unwrap();
        }
        assert_eq!(peer.messages().len(), 3);
        assert_eq!(peer.connections(), 1);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_politely() {
    let peer = SmtpPeer::start().await.unwrap();
    let mailer = mailer(SmtpConfig { keep_idle: Duration::from_millis(50), ..config(&peer, SmtpSecurity::None) });
    mailer.send(&mail(1)).await.unwrap();
    peer.wait_for_commands("QUIT", 1, PATIENCE).await.unwrap();
    peer.wait_for_idle(PATIENCE).await.unwrap();
    mailer.send(&mail(2)).await.unwrap();
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn messages_at_once_all_arrive_and_one_connection_is_kept() {
    let peer = SmtpPeer::start().await.unwrap();
    let mailer = Arc::new(plain(&peer));
    let mut sends = tokio::task::JoinSet::new();
    for number in 1..=8 {
        let mailer = Arc::clone(&mailer);
        sends.spawn(async move { mailer.send(&mail(number)).await });
    }
    assert!(sends.join_all().await.into_iter().all(|result| result.is_ok()));
    assert_eq!(peer.messages().len(), 8);
    let before = peer.connections();
    mailer.send(&mail(9)).await.unwrap();
    assert_eq!(peer.connections(), before);
}

#[tokio::test]
async fn a_server_that_restarts_gets_a_new_connection() {
    let mut peer = SmtpPeer::start().await.unwrap();
    let mailer = plain(&peer);
    mailer.send(&mail(1)).await.unwrap();
    peer.stop().await;
    transient(mailer.send(&mail(2)).await);
    peer.restart().await.unwrap();
    mailer.send(&mail(2)).await.unwrap();
    // The next restart happens between two messages, with no failure in between.
    peer.restart().await.unwrap();
    mailer.send(&mail(3)).await.unwrap();
    let ids: Vec<_> = peer.messages().iter().filter_map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids, ["<message-1@example.com>", "<message-2@example.com>", "<message-3@example.com>"]);
}

#[tokio::test]
async fn replies_decide_whether_to_try_again() {
    let peer = SmtpPeer::start().await.unwrap();
    let mailer = plain(&peer);
    for (behaviour, text) in [
        (Behaviour::RejectGreeting(421), "connecting: the server answered 421"),
        (Behaviour::RejectGreeting(554), "connecting: the server answered 554"),
        (Behaviour::RejectMail(451), "MAIL FROM: the server answered 451"),
        (Behaviour::RejectMail(550), "MAIL FROM: the server answered 550"),
        (Behaviour::RejectRecipient(450), "RCPT TO: the server answered 450 4.1.1"),
        (Behaviour::RejectData(452), "DATA: the server answered 452 4.6.0"),
    ] {
        peer.set_behaviour(behaviour);
        assert_eq!(transient(mailer.send(&mail(1)).await), text, "{behaviour:?}");
    }
    for (behaviour, text) in [
        (Behaviour::RejectRecipient(550), "RCPT TO: the server answered 550 5.1.1"),
        (Behaviour::RejectData(554), "DATA: the server answered 554 5.6.0"),
    ] {
        peer.set_behaviour(behaviour);
        assert_eq!(permanent(mailer.send(&mail(1)).await), text, "{behaviour:?}");
    }
    assert!(peer.messages().is_empty());
    peer.set_behaviour(Behaviour::Accept);
    mailer.send(&mail(1)).await.unwrap();
}

#[tokio::test]
async fn a_hanging_server_costs_one_step() {
    let peer = SmtpPeer::start().await.unwrap();
    let mailer = mailer(SmtpConfig { timeout: SHORT, ..config(&peer, SmtpSecurity::None) });
    for (behaviour, stage) in [
        (Behaviour::HangAtGreeting, "connecting"),
        (Behaviour::HangAfterMail, "MAIL FROM"),
        (Behaviour::HangAfterData, "DATA"),
    ] {
        peer.set_behaviour(behaviour);
        let result = tokio::time::timeout(PATIENCE, mailer.send(&mail(1))).await.unwrap();
        assert_eq!(transient(result), format!("{stage}: no answer in time"));
    }
    assert!(peer.messages().is_empty());
    peer.set_behaviour(Behaviour::Accept);
    plain(&peer).send(&mail(1)).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_send_leaves_no_half_said_connection() {
    let peer = SmtpPeer::start().await.unwrap();
    let mailer = plain(&peer);
    mailer.send(&mail(1)).await.unwrap();
    peer.set_behaviour(Behaviour::HangAfterMail);
    let second = mail(2);
    tokio::select! {
        result = mailer.send(&second) => panic!("the server hangs, yet the send ended: {result:?}"),
        seen = peer.wait_for_commands("MAIL", 2, PATIENCE) => seen.unwrap(),
    }
    peer.set_behaviour(Behaviour::Accept);
    mailer.send(&mail(3)).await.unwrap();
    assert_eq!((peer.messages().len(), peer.connections()), (2, 2));
}

#[tokio::test]
async fn a_tls_server_that_hangs_costs_one_step() {
    // A peer in clear that never greets, asked for TLS: the handshake gets no answer.
    let peer = SmtpPeer::start().await.unwrap();
    peer.set_behaviour(Behaviour::HangAtGreeting);
    for security in [SmtpSecurity::StartTls, SmtpSecurity::ImplicitTls] {
        let authority = tls_peer(PeerSecurity::ImplicitTls).await;
        let extra_ca_pem = authority.ca_pem().map(Into::into);
        let mailer = mailer(SmtpConfig { timeout: SHORT, extra_ca_pem, ..config(&peer, security) });
        let result = tokio::time::timeout(PATIENCE, mailer.send(&mail(1))).await.unwrap();
        assert_eq!(transient(result), "connecting: no answer in time");
    }
}

#[tokio::test]
async fn a_line_lost_after_the_final_dot_is_tried_again_with_the_same_id() {
    let peer = SmtpPeer::start().await.unwrap();
    let mailer = plain(&peer);
    for (behaviour, taken) in
        [(Behaviour::DropBeforeAccepting, 0), (Behaviour::DropAfterAccepting, 1), (Behaviour::CutReply, 2)]
    {
        peer.set_behaviour(behaviour);
        transient(mailer.send(&mail(1)).await);
        assert_eq!(peer.messages().len(), taken, "{behaviour:?}");
    }
    peer.set_behaviour(Behaviour::Accept);
    mailer.send(&mail(1)).await.unwrap();
    assert!(peer.messages().iter().all(|mail| mail.header("Message-ID").unwrap() == "<message-1@example.com>"));
}

#[tokio::test]
async fn replies_in_pieces_are_understood() {
    let peer = SmtpPeer::start().await.unwrap();
    peer.set_behaviour(Behaviour::FragmentReplies);
    let mailer = plain(&peer);
    mailer.send(&mail(1)).await.unwrap();
    mailer.send(&mail(2)).await.unwrap();
    assert_eq!((peer.messages().len(), peer.connections()), (2, 1));
}

#[tokio::test]
async fn nothing_a_stranger_wrote_becomes_a_command_or_a_header() {
    let peer = SmtpPeer::start().await.unwrap();
    let from_name = "Shop\r\nBcc: victim@example.net\r\nRCPT TO:<victim@example.net>".to_owned();
    let mailer = mailer(SmtpConfig { from_name, ..config(&peer, SmtpSecurity::None) });
    let smuggler = "Hi\r\n.\r\nMAIL FROM:<x@example.net>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\n";
    let hostile = Mail {
        subject: smuggler.to_owned(),
        text: smuggler.to_owned().into(),
        html: format!("{smuggler}\n.\n{smuggler}\r.\r").into(),
        ..mail(1)
    };
    mailer.send(&hostile).await.unwrap();
    mailer.send(&mail(2)).await.unwrap();
    let received = peer.messages();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].recipients, ["ada@example.org"]);
    assert!(received[0].headers("Bcc").is_empty());
    assert_eq!(received[0].headers("Subject").len(), 1);
    let recipients: Vec<_> = peer.commands().into_iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<ada@example.org>"; 2]);
    let hostile = Mail { message_id: "x@y>\r\nBcc: victim@example.net".to_owned(), ..mail(3) };
    permanent(mailer.send(&hostile).await);
    assert_eq!(peer.messages().len(), 2);
}
