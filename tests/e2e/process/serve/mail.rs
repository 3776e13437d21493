//! G15: mail leaves through a real SMTP conversation, whatever the mail server does. The first retry comes after 5 s.

use std::time::Duration;

use keystead_api_actix::config::{MailTransport, SmtpConfig, SmtpSecurity};
use keystead_domain::account::EmailAddress;
use keystead_domain::limits::CODE_LIFE;
use keystead_testkit::smtp_peer::{Behaviour, PeerOptions, PeerSecurity, ReceivedMail, SmtpPeer};

use crate::process::api::{Answer, Api, PATIENCE, code_in, eventually};
use crate::process::configured::Configured;
use crate::process::keystead::Keystead;
use crate::support::{PASSWORD, Service};

/// A registration hashes one password and writes some rows. What the mail server does takes 5 s or more, so this tells
/// whether somebody waited for it.
const UNAFFECTED: Duration = Duration::from_secs(4);

async fn serving(options: PeerOptions) -> (SmtpPeer, Configured, Keystead) {
    let peer = SmtpPeer::start_with(options).await.unwrap();
    let configured = Configured::with_mail_at(peer.port());
    let service = configured.serve(&[]);
    (peer, configured, service)
}

async fn behaving(behaviour: Behaviour) -> (SmtpPeer, Configured, Keystead) {
    serving(PeerOptions { behaviour, ..PeerOptions::default() }).await
}

/// Registers; the answer must not wait for any mail server.
async fn registered(api: &Api, email: &str) -> Answer {
    tokio::time::timeout(UNAFFECTED, api.register(email)).await.expect("it waited for the mail").expect(201)
}

fn to<'a>(mails: &'a [ReceivedMail], email: &str) -> Vec<&'a ReceivedMail> {
    mails.iter().filter(|mail| mail.recipients == [email]).collect()
}

/// Proves every registration with the code of its mail, which must be among these.
async fn all_verify(api: &Api, registrations: &[(String, Answer)], mails: &[ReceivedMail]) {
    for (email, answer) in registrations {
        let mine = to(mails, email);
        let code = code_in(&mine.first().unwrap_or_else(|| panic!("no mail to {email}")).text().unwrap());
        api.verify(answer, &code).await.expect(200);
    }
}

/// Registers two people while the server behaves so, then lets it recover: both mails arrive, each once.
async fn recovers_from(behaviour: Behaviour, sign: impl AsyncFnOnce(&SmtpPeer)) {
    let (peer, _configured, service) = behaving(behaviour).await;
    let api = Api::new(service.url());
    let mut registrations = Vec::new();
    for email in ["ada@example.com", "bob@example.com"] {
        registrations.push((email.to_owned(), registered(&api, email).await));
    }
    sign(&peer).await;
    assert_eq!(peer.messages(), [], "{behaviour:?}");
    peer.set_behaviour(Behaviour::Accept);
    let mails = peer.wait_for(2, PATIENCE).await.unwrap();
    all_verify(&api, &registrations, &mails).await;
    assert_eq!(peer.messages().len(), 2);
}

async fn refuses_the_connection() {
    recovers_from(Behaviour::RejectGreeting(421), async |peer| peer.wait_for_connections(2, PATIENCE).await.unwrap())
        .await;
}

async fn defers() {
    let sign = async |peer: &SmtpPeer| peer.wait_for_commands("RCPT", 2, PATIENCE).await.unwrap();
    recovers_from(Behaviour::RejectRecipient(451), sign).await;
}

async fn drops_the_line_after_data() {
    let sign = async |peer: &SmtpPeer| peer.wait_for_commands("DATA", 2, PATIENCE).await.unwrap();
    recovers_from(Behaviour::DropBeforeAccepting, sign).await;
}

async fn hangs() {
    recovers_from(Behaviour::HangAtGreeting, async |peer| peer.wait_for_connections(1, PATIENCE).await.unwrap()).await;
}

async fn is_away() {
    let (mut peer, _configured, service) = serving(PeerOptions::default()).await;
    peer.stop().await;
    let api = Api::new(service.url());
    let answer = registered(&api, "ada@example.com").await;
    eventually(PATIENCE, "the first try", async || service.log().contains("mail deferred").then_some(())).await;
    peer.restart().await.unwrap();
    let mails = peer.wait_for(1, PATIENCE).await.unwrap();
    all_verify(&api, &[("ada@example.com".to_owned(), answer)], &mails).await;
}

async fn leaves_it_open_whether_it_took_the_message() {
    let (peer, _configured, service) = behaving(Behaviour::DropAfterAccepting).await;
    let api = Api::new(service.url());
    let answer = registered(&api, "ada@example.com").await;
    peer.wait_for(1, PATIENCE).await.unwrap();
    peer.set_behaviour(Behaviour::Accept);
    let mails = peer.wait_for(2, PATIENCE).await.unwrap();
    assert_eq!(mails[0].headers("Message-ID"), mails[1].headers("Message-ID"));
    assert_eq!(mails[0].text(), mails[1].text());
    all_verify(&api, &[("ada@example.com".to_owned(), answer)], &mails).await;
}

/// All at once: each waits for a retry, which comes after 5 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g15_whatever_the_mail_server_does_requests_are_answered_and_the_mail_arrives_once_it_recovers() {
    tokio::join!(
        refuses_the_connection(),
        defers(),
        drops_the_line_after_data(),
        hangs(),
        is_away(),
        leaves_it_open_whether_it_took_the_message(),
    );
}

#[tokio::test]
async fn g15_a_refused_recipient_is_given_up_and_the_next_one_served() {
    let (peer, _configured, service) = behaving(Behaviour::RejectRecipient(550)).await;
    let api = Api::new(service.url());
    registered(&api, "nobody@example.com").await;
    eventually(PATIENCE, "the dead letter", async || service.log().contains("mail given up").then_some(())).await;
    peer.set_behaviour(Behaviour::Accept);
    let answer = registered(&api, "ada@example.com").await;
    let mails = peer.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(to(&mails, "nobody@example.com"), Vec::<&ReceivedMail>::new());
    all_verify(&api, &[("ada@example.com".to_owned(), answer)], &mails).await;
    let log = service.log();
    assert!(log.contains("550") && !log.contains("nobody@example.com"), "{log}");
}

/// In this process, because it needs both a mail server and a clock that can be moved.
#[tokio::test]
async fn g15_a_code_that_died_waiting_is_never_sent() {
    let peer =
        SmtpPeer::start_with(PeerOptions { behaviour: Behaviour::RejectGreeting(421), ..PeerOptions::default() });
    let peer = peer.await.unwrap();
    let server = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: peer.port(),
        security: SmtpSecurity::Plain,
        credentials: None,
        from: EmailAddress::try_new("no-reply@example.com").unwrap(),
        from_name: "Keystead".to_owned(),
        extra_ca_file: None,
    };
    let configured = Service::builder().configured(|config| config.mail.transport = MailTransport::Smtp(server));
    let service = configured.start().await;
    service.native().register("late@example.com", PASSWORD).await.unwrap();
    peer.wait_for_connections(1, PATIENCE).await.unwrap();
    service.advance(CODE_LIFE).await;
    // A try that began before is over.
    peer.wait_for_idle(PATIENCE).await.unwrap();
    peer.set_behaviour(Behaviour::Accept);
    service.native().register("ada@example.com", PASSWORD).await.unwrap();
    // The oldest is sent first: had it lived, it would be here.
    let mails = peer.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(mails[0].recipients, ["ada@example.com"]);
    assert_eq!(service.database().count("outbox WHERE dead_at IS NOT NULL AND sealed IS NULL"), 1);
}

#[tokio::test]
async fn mail_goes_over_starttls_to_a_server_of_ones_own_authority_and_only_there() {
    let options = PeerOptions {
        security: PeerSecurity::StartTls,
        credentials: Some(("mailer".to_owned(), "p/w d".to_owned())),
        ..PeerOptions::default()
    };
    let peer = SmtpPeer::start_with(options).await.unwrap();
    let configured = Configured::new(&[]);
    let server = format!("mail.smtp_url=smtp://mailer@localhost:{}", peer.port());
    configured.write("ca.pem", peer.ca_pem().unwrap());
    configured.write("password.txt", "p/w d\n");
    let set = [server.as_str(), "mail.smtp_password_file=password.txt"];

    // Without its authority the server is a stranger: nothing is said to it.
    let service = configured.serve(&set);
    registered(&Api::new(service.url()), "ada@example.com").await;
    eventually(PATIENCE, "the refusal", async || service.log().contains("mail deferred").then_some(())).await;
    let said = peer.commands();
    assert!(said.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{said:?}");
    service.kill();

    let service = configured.serve(&[set[0], set[1], "mail.extra_ca_file=ca.pem"]);
    let api = Api::new(service.url());
    let answer = registered(&api, "bob@example.com").await;
    // The mail of the first process comes, too; if it was killed in the middle, once its lease of 30 seconds is over.
    let mails = peer.wait_for(2, PATIENCE * 2).await.unwrap();
    assert!(mails.iter().all(|mail| mail.encrypted && mail.user.as_deref() == Some("mailer")), "{mails:?}");
    all_verify(&api, &[("bob@example.com".to_owned(), answer)], &mails).await;
}
