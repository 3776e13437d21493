//! G06, L06: of a credential nothing is readable in database, Redis and log, nor in what people may read of themselves.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use keystead_testkit::smtp_peer::SmtpPeer;
use keystead_testkit::srp_client::{Challenge, NewCredential, os_random};
use reqwest::Method;
use serde_json::json;

use super::actors::{KDF, half_way, knowing, signed_in, with};
use super::{BOB, EMAIL, NEW};
use crate::at_rest::{contains, hex};
use crate::process::api::{Api, PATIENCE, Person, code_in};
use crate::process::configured::Configured;
use crate::support::{PASSWORD, Service};

/// Bytes as they could lie somewhere: as they are, and as text.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let texts = [HEXLOWER, HEXUPPER, BASE64, BASE64URL_NOPAD].map(|text| text.encode(bytes).into_bytes());
    // Without the end, which depends on what follows.
    let texts = texts.into_iter().map(|text| text[..text.len() - 4].to_vec());
    std::iter::once(bytes.to_vec()).chain(texts).collect()
}

/// What must be found nowhere, of a credential.
fn secrets_of(made: &NewCredential) -> Vec<(&'static str, Vec<u8>)> {
    let identity = HEXLOWER.decode(made.identity.as_bytes()).unwrap();
    let (start, end) = made.verifier.split_at(made.verifier.len() / 2);
    let parts: [(&str, &[u8]); 6] = [
        ("verifier", &made.verifier),
        ("verifier's first half", start),
        ("verifier's second half", end),
        ("salt", &made.salt),
        ("salt of scrypt", &made.kdf_salt),
        ("I", &identity),
    ];
    let mut all = vec![("I, as text", made.identity.clone().into_bytes())];
    for (what, bytes) in parts {
        all.extend(forms(bytes).into_iter().map(|form| (what, form)));
    }
    all
}

#[tokio::test]
async fn g06_no_credential_is_readable_at_rest() {
    let service = Service::start().await;
    let client = service.native();
    let mut secrets = vec![("password", PASSWORD.as_bytes().to_vec()), ("password", NEW.as_bytes().to_vec())];
    // One that an account has, one that waits for its address to be proved, one added to a password, one after a change.
    let [has, waits, added, changed] = [(); 4].map(|()| knowing(PASSWORD).register(KDF, &mut os_random).unwrap());
    for made in [&has, &waits, &added, &changed] {
        secrets.extend(secrets_of(made));
    }
    let wish = with(has.attributes(), json!({ "email": EMAIL }));
    let ada = half_way(&client, &client.post("/auth/srp/register", &wish).await.ok(201).unwrap());
    let ada = ada.verify(&service.code(EMAIL).await).await.unwrap();
    let wish = with(waits.attributes(), json!({ "email": "pending@example.com" }));
    client.post("/auth/srp/register", &wish).await.ok(201).unwrap();
    let bob = service.registered(BOB).await;
    bob.call(Method::POST, "/auth/srp/verifier").json(&added.attributes()).send().await.ok(200).unwrap();
    let eve = service.srp_registered("eve@example.com").await;
    eve.change_secret(&json!({ "srp": changed.attributes() })).await.unwrap();

    // A login that was answered, one that was not, one with a repeated key.
    let login = client.srp_answer(EMAIL, PASSWORD).await;
    secrets.extend([
        ("K", login.session_key.to_vec()),
        ("S", login.premaster.clone()),
        ("M2", login.server_proof().to_vec()),
    ]);
    signed_in(&client, &client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap());
    let open = client.srp_answer(BOB, PASSWORD).await;
    let sealed = open.attributes(BOB)["sealed"].as_str().unwrap().to_owned();
    secrets.push(("an open challenge", sealed.into_bytes()));
    service.mail_settled().await;

    let mut database = service.database();
    assert_eq!(
        (database.count("srp_credentials"), database.count("pending_registrations WHERE srp IS NOT NULL")),
        (3, 1)
    );
    let (bytes, rows) = (database.bytes(), database.dump(&[]));
    assert!(
        contains(&bytes, b"pending@example.com") && contains(&bytes, ada.session_id().as_bytes()),
        "all is searched"
    );
    for (what, secret) in &secrets {
        assert!(!contains(&bytes, secret), "{what} in clear");
        let digits = hex(secret);
        assert!(!rows.values().flatten().any(|row| row.contains(&digits)), "{what} in clear, in a row");
    }
    // Nor do people read it, of themselves.
    for route in ["/users/me", "/users/me/export", "/sessions"] {
        let reply = ada.call(Method::GET, route).send().await.ok(200).unwrap();
        for (what, secret) in &secrets {
            assert!(!contains(reply.text.as_bytes(), secret), "{what} in {route}");
        }
    }
}

#[tokio::test]
async fn l06_nothing_of_a_credential_or_login_is_logged() {
    let peer = SmtpPeer::start().await.unwrap();
    let configured = Configured::with_mail_at(peer.port());
    let service = configured.serve(&["log.level=trace", "limits.mode=off", "unsafe_allow=limits-off"]);
    let api = Api::new(service.url());
    let made = knowing(PASSWORD).register(KDF, &mut os_random).unwrap();
    let mut secrets: Vec<(&str, Vec<u8>)> = secrets_of(&made);
    let wish = with(made.attributes(), json!({ "email": EMAIL }));
    let registered = api.post("/api/v1/auth/srp/register", &wish).await.expect(201);
    let mail = peer.wait_for(1, PATIENCE).await.unwrap().remove(0).text().unwrap();
    let verified = api.verify(&registered, &code_in(&mail)).await.expect(200);
    let ada = Person::new(&verified);

    for (password, status) in [("canary-wrong-password-77", 401), (PASSWORD, 200)] {
        let body = json!({ "identity": EMAIL });
        let challenge = api.post("/api/v1/auth/srp/challenge", &body).await.expect(200);
        let challenge = Challenge::from_attributes(&challenge.json()["data"]["attributes"]).unwrap();
        let login = knowing(password).answer(&challenge).unwrap();
        for (what, bytes) in
            [("A", login.client_key.clone()), ("M1", login.proof.to_vec()), ("K", login.session_key.to_vec())]
        {
            secrets.extend(forms(&bytes).into_iter().map(|form| (what, form)));
        }
        secrets.extend(forms(&login.server_proof()).into_iter().map(|form| ("M2", form)));
        secrets.extend(forms(&challenge.server_key).into_iter().map(|form| ("B", form)));
        secrets.push(("a sealed challenge", challenge.sealed.clone().into_bytes()));
        api.post("/api/v1/auth/srp/login", &login.attributes(EMAIL)).await.expect(status);
    }
    // What is refused is not logged, either.
    let mut refused = wish.clone();
    refused["verifier"] = json!("canary-verifier-8413");
    refused["canary-attribute"] = json!("canary-value-5179");
    api.post("/api/v1/auth/srp/register", &refused).await.expect(422);
    let bad = json!({ "identity": EMAIL, "clientPublicKey": "canary-key-2266", "clientProof": "canary-proof-31", "sealed": "canary-sealed-7" });
    api.post("/api/v1/auth/srp/login", &bad).await.expect(422);
    for canary in ["canary-verifier-8413", "canary-value-5179", "canary-key-2266", "canary-proof-31", "canary-sealed-7"]
    {
        secrets.push((canary, canary.as_bytes().to_vec()));
    }
    let next = knowing(NEW).register(KDF, &mut os_random).unwrap();
    secrets.extend(secrets_of(&next));
    let change = json!({ "srp": next.attributes() });
    api.send_as(&ada, "PATCH", "/api/v1/auth/password", Some(&change)).await.expect(200);

    service.ask_to_end();
    let (status, log) = tokio::task::spawn_blocking(move || service.wait()).await.unwrap();
    assert!(status.success());
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("/auth/srp/login"), "nothing was logged at this level");
    for (what, secret) in &secrets {
        assert!(!contains(log.as_bytes(), secret), "{what} is in the log");
    }
    assert!(!log.contains(EMAIL), "an address is in the log");
}
