//! GitHub, by its documented answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystead_adapters_providers::{GitHub, GitHubConfig, SocialClient};
use keystead_application::ports::{SocialError, SocialProfile, SocialProvider as _};
use serde_json::{Value, json};
use url::Url;

use crate::oidc::{client, code, request};
use crate::server::{Reply, Seen, Server};

struct Script {
    token: Reply,
    user: Value,
    emails: Reply,
}

fn good() -> Script {
    let emails = json!([
        { "email": "old@example.com", "primary": false, "verified": true, "visibility": null },
        { "email": "octocat@example.com", "primary": true, "verified": true, "visibility": "private" },
    ]);
    let token = json!({ "access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "scope": "read:user,user:email", "token_type": "bearer" });
    Script {
        token: Reply::json("200 OK", &token.to_string()),
        user: json!({ "login": "octocat", "id": 583_231, "name": "The Octocat", "email": "public@example.com" }),
        emails: Reply::json("200 OK", &emails.to_string()),
    }
}

async fn start(script: Script) -> (Server, GitHub) {
    let bound = Server::bind().await;
    let url = bound.url.clone();
    let script = Arc::new(Mutex::new(script));
    let server = bound.answer(move |seen: &Seen| {
        let script = script.lock().unwrap();
        match seen.line.trim_end_matches(" HTTP/1.1") {
            "POST /login/oauth/access_token" => script.token.clone(),
            "GET /api/v3/user" => Reply::json("200 OK", &script.user.to_string()),
            "GET /api/v3/user/emails" => script.emails.clone(),
            _ => Reply::json("404 Not Found", "{\"message\":\"Not Found\"}"),
        }
    });
    let api_url = format!("{url}/api/v3");
    let client = SocialClient { client_id: "Iv1.8a61f9b3a7aba766".to_owned(), ..client() };
    let config = GitHubConfig { client, base_url: url, api_url, connect_timeout: Duration::from_secs(3) };
    (server, GitHub::new(config).unwrap())
}

async fn complete(script: Script) -> Result<SocialProfile, SocialError> {
    let (_server, github) = start(script).await;
    github.complete(&code(), &request()).await
}

#[tokio::test]
async fn somebody_is_known_by_number_and_by_the_primary_address() {
    let (server, github) = start(good()).await;
    let url = Url::parse(&github.begin(&request()).await.unwrap()).unwrap();
    assert_eq!(url.path(), "/login/oauth/authorize");
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let has = |name: &str, value: &str| query.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("scope", "read:user user:email") && has("code_challenge_method", "S256"));
    assert!(has("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    let profile = github.complete(&code(), &request()).await.unwrap();
    assert!(profile.subject.as_str().ends_with(".583231"), "{:?}", profile.subject);
    assert_eq!((profile.email.unwrap().as_str(), profile.email_verified), ("octocat@example.com", true));
    assert_eq!((profile.name.as_deref(), profile.label.as_deref()), (Some("The Octocat"), Some("octocat")));
    let seen = server.seen();
    assert_eq!(seen[0].header("accept"), Some("application/json"));
    assert!(seen[0].body.contains("code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    for asked in &seen[1..] {
        assert_eq!(asked.header("authorization"), Some("Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a"));
        assert_eq!(asked.header("x-github-api-version"), Some("2022-11-28"));
        assert!(asked.header("user-agent").is_some(), "GitHub refuses requests without");
    }
}

#[tokio::test]
async fn only_the_primary_address_counts_and_only_verified() {
    let unverified = json!([
        { "email": "octocat@example.com", "primary": true, "verified": false, "visibility": null },
        { "email": "victim@example.com", "primary": false, "verified": true, "visibility": null },
    ]);
    let emails = Reply::json("200 OK", &unverified.to_string());
    let profile = complete(Script { emails, ..good() }).await.unwrap();
    assert_eq!((profile.email.unwrap().as_str(), profile.email_verified), ("octocat@example.com", false));
    // Without the scope; what the person shows to the world is nobody's word.
    for status in ["404 Not Found", "403 Forbidden"] {
        let emails = Reply::json(status, "{\"message\":\"no\"}");
        let profile = complete(Script { emails, ..good() }).await.unwrap();
        assert_eq!((profile.email, profile.email_verified), (None, false));
    }
}

#[tokio::test]
async fn a_code_is_refused_with_status_200() {
    let answer =
        "{\"error\":\"bad_verification_code\",\"error_description\":\"The code passed is incorrect or expired.\"}";
    let token = Reply::json("200 OK", answer);
    let refused = complete(Script { token, ..good() }).await;
    assert_eq!(refused, Err(SocialError::Refused("the token endpoint: bad_verification_code".to_owned())));
    let token = Reply::json("200 OK", "{\"error\":\"incorrect_client_credentials\"}");
    assert!(matches!(complete(Script { token, ..good() }).await, Err(SocialError::Unavailable(_))));
}

#[tokio::test]
async fn outages_are_no_sign_in() {
    for reply in [Reply::json("502 Bad Gateway", "<html>"), Reply::json("200 OK", "{}"), Reply::Torn, Reply::Endless] {
        assert!(matches!(complete(Script { emails: reply.clone(), ..good() }).await, Err(SocialError::Unavailable(_))));
        assert!(matches!(complete(Script { token: reply, ..good() }).await, Err(SocialError::Unavailable(_))));
    }
    for user in [json!({ "login": "octocat" }), json!({ "login": "octocat", "id": "583231" }), json!([])] {
        assert!(matches!(complete(Script { user, ..good() }).await, Err(SocialError::Unavailable(_))));
    }
}
