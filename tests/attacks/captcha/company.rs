//! A captcha of a company that answers, is down, dawdles or lies (C01, C02, F11).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use keystead_api_actix::config::{CaptchaProvider, Config, ConfigSources};
use keystead_application::ports::CaptchaAction;
use keystead_testkit::race::race;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{invalid, required};
use crate::attacks::support::Digest;
use crate::support::{Anonymous, PASSWORD, Reply, Service, refusal, tally};

const ADA: &str = "ada@example.com";
const SECRET: &str = "0x4AAAAAAA-secret-of-the-site";
/// The whole time a client waits when the company does not answer, and what a busy machine adds.
const MOST: std::time::Duration = std::time::Duration::from_secs(3);

/// How the company behaves.
#[derive(Clone, Debug)]
enum Mood {
    Answers(Value),
    Says(&'static str),
    Silent,
    HangsUp,
}

/// A company on this machine.
struct Company {
    url: String,
    mood: Arc<Mutex<Mood>>,
}

impl Company {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::new(good()));
        let shared = Arc::clone(&mood);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mood = shared.lock().unwrap().clone();
                tokio::spawn(answer(stream, mood));
            }
        });
        Self { url, mood }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What an operator writes.
    fn configure(&self, config: &mut Config) {
        let flags = [
            ("http.public_url", "https://id.example.com"),
            ("store.url", "sqlite://elsewhere"),
            ("secrets.master_key", "0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco"),
            ("captcha.provider", "siteverify"),
            ("captcha.verify_url", &self.url),
            ("captcha.site_key", "the-site"),
            ("captcha.secret", SECRET),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        config.captcha = Config::load(ConfigSources { flags, ..ConfigSources::default() }).unwrap().captcha;
    }

    async fn service(&self) -> Service {
        Service::builder().configured(|config| self.configure(config)).start().await
    }
}

async fn answer(mut stream: TcpStream, mood: Mood) {
    let mut request = vec![0; 16 * 1024];
    if matches!(mood, Mood::HangsUp) || stream.read(&mut request).await.is_err() {
        return;
    }
    let text = match mood {
        Mood::Answers(json) => {
            let body = json.to_string();
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        Mood::Says(text) => text.to_owned(),
        Mood::Silent | Mood::HangsUp => return std::future::pending().await,
    };
    let _ = stream.write_all(text.as_bytes()).await;
}

fn good() -> Mood {
    Mood::Answers(json!({ "success": true, "hostname": "id.example.com" }))
}

async fn register(client: &Anonymous, email: &str, token: Option<&str>) -> Reply {
    client.post("/auth/register", &json!({ "email": email, "password": PASSWORD, "captcha": token })).await
}

#[tokio::test]
async fn c02_a_token_counts_once_though_the_company_takes_it_twice() {
    let company = Company::open().await;
    let service = company.service().await;
    let reply = service.native().post("/captcha/challenge", &json!({ "action": "register" })).await.ok(200).unwrap();
    assert_eq!(reply.attributes(), json!({ "provider": "siteverify", "siteKey": "the-site" }));
    assert_eq!(register(&service.native(), ADA, None).await.refusal(), required());
    let answers = race(64, |number| {
        let client = service.native().through(&service.replica(number));
        let email = format!("racer-{number}@example.com");
        async move { register(&client, &email, Some("a-token")).await.ok(201) }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1);
    assert_eq!(refused, BTreeMap::from([(invalid(), 63)]));
    assert_eq!(service.hashes(), 1);
}

#[tokio::test]
async fn c01_tokens_of_another_site_or_action_are_refused() {
    let company = Company::open().await;
    let service = company.service().await;
    let before = Digest::of(&service).await;
    for answer in [
        json!({ "success": false, "error-codes": ["invalid-input-response"] }),
        json!({ "success": true, "hostname": "evil.example" }),
        json!({ "success": true, "hostname": "id.example.com", "action": "login" }),
        json!({ "success": true, "hostname": "id.example.com", "challenge_ts": "2020-01-01T00:00:00Z" }),
    ] {
        company.is(Mood::Answers(answer.clone()));
        assert_eq!(register(&service.native(), ADA, Some("token")).await.refusal(), invalid(), "{answer}");
    }
    assert_eq!(service.hashes(), 0);
    before.is_still_that_of(&service).await;
}

#[tokio::test]
async fn c01_without_a_clear_answer_nothing_happens_and_the_answer_comes_in_time() {
    let company = Company::open().await;
    let service = company.service().await;
    let client = service.native();
    let before = Digest::of(&service).await;
    let moods = [
        Mood::HangsUp,
        Mood::Silent,
        Mood::Says("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 17\r\n\r\n<html>true</html>"),
        Mood::Says("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
        Mood::Says("HTTP/1.1 500 Oops\r\ncontent-length: 16\r\n\r\n{\"success\":true}"),
        Mood::Says("\u{1}\u{2}\u{3} nonsense \r\n\r\n"),
        Mood::Answers(json!({ "success": "true" })),
        Mood::Answers(json!({ "success": false, "error-codes": ["invalid-input-secret"] })),
    ];
    for mood in moods {
        company.is(mood.clone());
        for (route, body) in [
            ("/auth/register", json!({ "email": ADA, "password": PASSWORD, "captcha": "token" })),
            ("/auth/password/forgot", json!({ "identity": ADA, "captcha": "token" })),
            ("/auth/srp/challenge", json!({ "identity": ADA, "captcha": "token" })),
        ] {
            #[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
            let began = Instant::now();
            let reply = client.post(route, &body).await;
            let took = began.elapsed();
            assert_eq!(reply.refusal(), refusal(503, "DEPENDENCY_UNAVAILABLE"), "{route} {mood:?}");
            assert!(took < MOST, "{route} {mood:?} took {took:?}");
            assert!(!reply.json().to_string().contains(SECRET));
        }
    }
    assert_eq!(service.hashes(), 0);
    before.is_still_that_of(&service).await;
    company.is(good());
    register(&client, ADA, Some("token")).await.ok(201).expect("no token was used up meanwhile");
}

#[tokio::test]
async fn a_known_device_signs_in_while_the_company_is_down() {
    let company = Company::open().await;
    let builder = Service::builder().default_limits().behind_a_proxy();
    let builder = builder.configured(|config| {
        company.configure(config);
        config.captcha.actions = vec![CaptchaAction::Login];
        assert!(matches!(config.captcha.provider, CaptchaProvider::SiteVerify(_)));
    });
    let service = builder.start().await;
    let device = service.registered(ADA).await.device.unwrap();
    company.is(Mood::HangsUp);
    let stranger = |number: usize| service.native().at(&format!("198.51.100.{}", number + 1));
    for number in 0..10 {
        let wrong = stranger(number).login(ADA, "copper-violin-meadow-17").await.unwrap_err();
        assert_eq!(wrong, refusal(401, "INVALID_CREDENTIALS"));
    }
    let body = json!({ "identity": ADA, "password": PASSWORD, "captcha": "token" });
    let unknown = stranger(20).post("/auth/login", &body).await;
    assert_eq!(unknown.refusal(), refusal(503, "DEPENDENCY_UNAVAILABLE"));
    stranger(21).on_device(&device).login(ADA, PASSWORD).await.expect("nobody is asked about her");
}
