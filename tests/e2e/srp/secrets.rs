//! What a thief has of an opened row and a captured login: for every guess, scrypt as dear as the row says.

use keystead_domain::srp::SrpKdf;
use keystead_testkit::srp_client::{Challenge, Kdf, NewCredential, SrpClient, Stretch, os_random};
use serde_json::json;

use super::actors::{KDF, half_way, knowing, signed_in, with};
use super::{EMAIL, WRONG, srp_invalid};
use crate::support::{PASSWORD, Service};

/// What an opened row tells: everything the client once made of its password.
struct Row(NewCredential);

impl Row {
    /// v of a guess, stretched so. With the salts and I of the row there is one for each password.
    fn verifier_of(&self, guess: &str, stretch: Stretch) -> Vec<u8> {
        let row = &self.0;
        let identity = data_encoding::HEXLOWER.decode(row.identity.as_bytes()).unwrap();
        let mut drawn = [row.kdf_salt.to_vec(), row.salt.to_vec()].into_iter();
        let mut again = |buffer: &mut [u8]| buffer.copy_from_slice(&drawn.next().unwrap_or_else(|| identity.clone()));
        let mut identities = 0;
        let mut counted = |buffer: &mut [u8]| {
            identities += usize::from(buffer.len() == 16);
            // A guess whose H(I ‖ ":" ‖ P) begins with zero draws I again and again: it is not the password.
            if identities > 1 { os_random(buffer) } else { again(buffer) }
        };
        SrpClient::new(guess).stretching(stretch).register(row.kdf, &mut counted).unwrap().verifier
    }
}

#[tokio::test]
async fn s05_a_leaked_row_and_challenge_still_cost_a_scrypt_for_every_guess() {
    let service = Service::start().await;
    let client = service.native();
    // As real clients do it: scrypt with N = 2^17.
    let owner = SrpClient::new(PASSWORD);
    let made = owner.register(KDF, &mut os_random).unwrap();
    let wish = with(made.attributes(), json!({ "email": EMAIL }));
    let registering = half_way(&client, &client.post("/auth/srp/register", &wish).await.ok(201).unwrap());
    registering.verify(&service.code(EMAIL).await).await.unwrap();

    // A captured login, and the row it belongs to: what the service answers is what was registered, so that is the row.
    let challenge = client.srp_challenge(EMAIL).await;
    let mut secret = [0; 32];
    os_random(&mut secret);
    let captured = owner.answer_with(&challenge, &secret).unwrap();
    signed_in(&client, &client.srp_send(&captured.attributes(EMAIL)).await.ok(200).unwrap());
    let seen = (&challenge.identity, challenge.kdf, challenge.kdf_salt, challenge.salt);
    assert_eq!(seen, (&made.identity, made.kdf, made.kdf_salt, made.salt));
    let row = Row(made);
    let Kdf { n, r, p } = challenge.kdf;
    assert_eq!(SrpKdf::try_new(n, r, p), Ok(SrpKdf { n, r, p }), "not below the floor");
    assert!(n * r * p >= 8 << 17, "128 MiB, or as much work, for each guess");

    // The one way to check a guess is to make v, or S, of it, and both are made of scrypt of the whole cost.
    assert!(row.verifier_of(PASSWORD, Stretch::Scrypt) == row.0.verifier, "the right password, stretched in full");
    assert!(row.verifier_of(PASSWORD, Stretch::Quick) != row.0.verifier, "the right password, stretched for less");
    assert!(row.verifier_of(WRONG, Stretch::Scrypt) != row.0.verifier);
    // Nor does a captured M1 tell for less, even to somebody who knows the client's a besides.
    let guess = |password: &str, n: u32| {
        let challenge = Challenge { kdf: Kdf { n, r, p }, ..challenge.clone() };
        SrpClient::new(password).answer_with(&challenge, &secret).unwrap().proof
    };
    assert_eq!(guess(PASSWORD, n), captured.proof);
    for (password, n) in [(PASSWORD, n / 2), (PASSWORD, n / 8), (PASSWORD, 16), (WRONG, n)] {
        assert_ne!(guess(password, n), captured.proof, "{n}");
    }
    // The server takes nothing that was stretched for less, either.
    let quick = knowing(PASSWORD).answer(&client.srp_challenge(EMAIL).await).unwrap();
    assert_eq!(client.srp_send(&quick.attributes(EMAIL)).await.refusal(), srp_invalid());
    let full = owner.answer(&client.srp_challenge(EMAIL).await).unwrap();
    let reply = client.srp_send(&full.attributes(EMAIL)).await.ok(200).unwrap();
    assert!(full.accepts(&reply.text_of("serverProof").unwrap()));
}

#[tokio::test]
async fn a_stolen_verifier_is_no_password() {
    let service = Service::start().await;
    let client = service.native();
    let made = knowing(PASSWORD).register(KDF, &mut os_random).unwrap();
    let wish = with(made.attributes(), json!({ "email": EMAIL }));
    let registering = half_way(&client, &client.post("/auth/srp/register", &wish).await.ok(201).unwrap());
    registering.verify(&service.code(EMAIL).await).await.unwrap();
    // v in the place of the password, in the forms it comes in; nothing of it signs in by either route.
    let text = made.attributes()["verifier"].as_str().unwrap().to_owned();
    for guess in [text.as_str(), &text[..128], &made.identity] {
        assert_eq!(client.srp_login(EMAIL, guess).await.unwrap_err(), srp_invalid());
        let shortened: String = guess.chars().take(128).collect();
        assert_eq!(client.login(EMAIL, &shortened).await.unwrap_err(), super::invalid_credentials());
    }
    // With A = v^k the session key of plain Diffie-Hellman would be known; here u and the server's kv stand between.
    let login = client.srp_answer(EMAIL, WRONG).await.attributes(EMAIL);
    let reply = client.srp_send(&with(login, json!({ "clientPublicKey": text }))).await;
    assert_eq!(reply.refusal(), srp_invalid());
}
