//! The server's mathematics against a client that shares nothing with them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::sync::Arc;

use data_encoding::HEXLOWER;
use keystead_adapters_crypto::{Argon2Config, Argon2Hasher, OsEntropy, Srp};
use keystead_application::ports::{SrpAnswer, SrpChallenge, SrpServer as _};
use keystead_domain::srp::{SrpCredential, SrpIdentity, SrpKdf, SrpProof, SrpPublicKey, SrpSalt, SrpVerifier};
use keystead_testkit::srp_client::{
    Challenge, ClientRefusal, Kdf, Login, NewCredential, ProofForm, SrpClient, Stretch, os_random, register_values,
};
use serde_json::{Value, json};

/// What imported accounts may have; the tests stretch with less.
const KDF: Kdf = Kdf { n: 1 << 14, r: 8, p: 1 };
const FORMS: [ProofForm; 2] = [ProofForm::Padded, ProofForm::Bare];

fn srp() -> Srp {
    let config = Argon2Config { memory_kib: 64, passes: 1, lanes: 1, permits: 2, queue: 8 };
    Srp::new(Argon2Hasher::try_new(config, Arc::new(OsEntropy)).unwrap().pool(), Arc::new(OsEntropy))
}

fn quick(password: &str) -> SrpClient {
    SrpClient::new(password).stretching(Stretch::Quick)
}

fn registered(client: &SrpClient) -> NewCredential {
    client.register(KDF, &mut os_random).unwrap()
}

fn text<'a>(attributes: &'a Value, name: &str) -> &'a str {
    attributes[name].as_str().unwrap()
}

/// A registration as the API reads it.
fn credential(attributes: &Value) -> SrpCredential {
    let number = |name| u32::try_from(attributes["kdf"][name].as_u64().unwrap()).unwrap();
    SrpCredential {
        identity: SrpIdentity::try_new(text(attributes, "srpIdentity")).unwrap(),
        kdf: SrpKdf::try_imported(number("n"), number("r"), number("p")).unwrap(),
        kdf_salt: SrpSalt::try_kdf(text(attributes, "kdfSalt")).unwrap(),
        salt: SrpSalt::try_new(text(attributes, "srpSalt")).unwrap(),
        verifier: SrpVerifier::try_new(text(attributes, "verifier")).unwrap(),
    }
}

/// A challenge as the API writes it.
fn written(credential: &SrpCredential, challenge: &SrpChallenge) -> Challenge {
    let SrpKdf { n, r, p } = credential.kdf;
    let attributes = json!({
        "srpIdentity": credential.identity.as_str(),
        "kdf": { "n": n, "r": r, "p": p },
        "kdfSalt": credential.kdf_salt.hex(),
        "srpSalt": credential.salt.hex(),
        "serverPublicKey": challenge.public_key.hex(),
        "sealed": "sealed",
    });
    Challenge::from_attributes(&attributes).unwrap()
}

/// What the server answers to a login, as the API reads it.
async fn answered(srp: &Srp, credential: &SrpCredential, challenge: &SrpChallenge, login: &Login) -> Option<String> {
    let attributes = login.attributes("ada@example.com");
    assert_eq!((text(&attributes, "identity"), text(&attributes, "sealed")), ("ada@example.com", "sealed"));
    let answer = SrpAnswer {
        credential: credential.clone(),
        secret: challenge.secret.clone(),
        client_key: SrpPublicKey::try_new(text(&attributes, "clientPublicKey")).unwrap(),
        proof: SrpProof::try_new(text(&attributes, "clientProof")).unwrap(),
    };
    srp.verify(answer).await.unwrap().map(|proof| proof.hex())
}

#[tokio::test]
async fn every_one_of_200_clients_and_the_server_know_each_other() {
    let srp = srp();
    for round in 0..200 {
        let password = format!("pass\u{1f511}word {round}");
        let client = quick(&password).proving(FORMS[round % 2]);
        let credential = credential(&registered(&client).attributes());
        let challenge = srp.challenge(&credential.verifier).await.unwrap();
        let login = client.answer(&written(&credential, &challenge)).unwrap();
        let proof = answered(&srp, &credential, &challenge, &login).await.unwrap();
        assert!(login.accepts(&proof), "round {round}");
        assert!(!login.accepts(&proof.replace(['0', '1', '2', '3'], "4")) && !login.accepts(""));
    }
}

#[tokio::test]
async fn a_wrong_password_gives_no_proof() {
    let srp = srp();
    let credential = credential(&registered(&quick("correct horse")).attributes());
    for wrong in ["Correct horse", "correct horse ", ""] {
        for form in FORMS {
            let challenge = srp.challenge(&credential.verifier).await.unwrap();
            let login = quick(wrong).proving(form).answer(&written(&credential, &challenge)).unwrap();
            assert_eq!(answered(&srp, &credential, &challenge, &login).await, None, "{wrong:?} {form:?}");
        }
    }
}

#[tokio::test]
async fn a_proof_serves_one_challenge() {
    let (srp, client) = (srp(), quick("correct horse"));
    let credential = credential(&registered(&client).attributes());
    let [first, second] =
        [srp.challenge(&credential.verifier).await.unwrap(), srp.challenge(&credential.verifier).await.unwrap()];
    let login = client.answer(&written(&credential, &first)).unwrap();
    assert_eq!(answered(&srp, &credential, &second, &login).await, None);
    assert!(answered(&srp, &credential, &first, &login).await.is_some());
}

#[tokio::test]
async fn public_keys_and_secrets_that_begin_with_zeros_work() {
    type Wanted = fn(&Login) -> bool;
    let (srp, client) = (srp(), quick("correct horse"));
    let credential = credential(&registered(&client).attributes());
    let wanted: [(&str, Wanted); 4] = [
        ("A", |login| login.client_key.len() < 512),
        ("S", |login| login.premaster.len() < 512),
        ("K", |login| login.session_key[0] == 0),
        ("M1", |login| login.proof[0] == 0),
    ];
    for (name, wanted) in wanted {
        for form in FORMS {
            let challenge = srp.challenge(&credential.verifier).await.unwrap();
            let client = client.clone().proving(form);
            let login = client.answer_where(&written(&credential, &challenge), wanted).unwrap().unwrap();
            let proof = answered(&srp, &credential, &challenge, &login).await;
            assert!(proof.is_some_and(|proof| login.accepts(&proof)), "{name} {form:?}");
        }
    }
    // B is the server's: it is drawn until it is short.
    let challenge = loop {
        let challenge = srp.challenge(&credential.verifier).await.unwrap();
        if challenge.public_key.minimal().len() < 512 {
            break challenge;
        }
    };
    let login = client.answer(&written(&credential, &challenge)).unwrap();
    assert!(login.accepts(&answered(&srp, &credential, &challenge, &login).await.unwrap()));
}

#[tokio::test]
async fn the_smallest_secrets_of_a_client_work() {
    let (srp, client) = (srp(), quick("correct horse"));
    let credential = credential(&registered(&client).attributes());
    for secret in [&[1][..], &[0, 0, 2], &[0xff; 32], &[0x7f; 64]] {
        let challenge = srp.challenge(&credential.verifier).await.unwrap();
        let login = client.answer_with(&written(&credential, &challenge), secret).unwrap();
        assert!(login.accepts(&answered(&srp, &credential, &challenge, &login).await.unwrap()), "{secret:?}");
    }
    // A = g.
    let challenge = written(&credential, &srp.challenge(&credential.verifier).await.unwrap());
    assert_eq!(client.answer_with(&challenge, &[1]).unwrap().client_key, [5]);
}

#[tokio::test]
async fn a_client_answers_no_key_that_is_zero_modulo_n() {
    let (srp, client) = (srp(), quick("correct horse"));
    let credential = credential(&registered(&client).attributes());
    let challenge = written(&credential, &srp.challenge(&credential.verifier).await.unwrap());
    let twice = {
        // 2N: one bit further to the left.
        let mut bytes = vec![1];
        let next = keystead_domain::srp::MODULUS.iter().skip(1).chain([&0]);
        bytes.extend(keystead_domain::srp::MODULUS.iter().zip(next).map(|(byte, next)| byte << 1 | next >> 7));
        bytes
    };
    for zero in [vec![], vec![0], keystead_domain::srp::MODULUS.to_vec(), twice] {
        let refused = client.answer(&Challenge { server_key: zero.clone(), ..challenge.clone() });
        assert!(matches!(refused, Err(ClientRefusal::UnsafeKey)), "{} bytes", zero.len());
    }
}

#[test]
fn the_modulus_is_the_prime_openssl_has() {
    let prime = openssl::bn::BigNum::get_rfc3526_prime_4096().unwrap();
    assert_eq!(prime.to_vec(), keystead_domain::srp::MODULUS);
}

/// P of the quick clients.
fn stretched(password: &str, salt: &[u8; 32]) -> String {
    let mut key = [0; 32];
    openssl::pkcs5::scrypt(password.as_bytes(), salt, 16, 8, 1, 1 << 20, &mut key).unwrap();
    HEXLOWER.encode(&key)
}

#[test]
fn a_client_draws_again_what_other_libraries_would_shorten() {
    let p = stretched("correct horse", &[7; 32]);
    let begins_with_zero =
        |identity: &[u8; 16]| openssl::sha::sha256(format!("{}:{p}", HEXLOWER.encode(identity)).as_bytes())[0] == 0;
    let identities = || (0..20_000_u128).map(u128::to_be_bytes);
    let bad = identities().find(begins_with_zero).unwrap();
    let good = identities().find(|identity| !begins_with_zero(identity)).unwrap();
    let salt = |first| [&[first][..], &[9; 31]].concat();
    let mut script = [vec![7; 32], salt(0), salt(0), salt(1), bad.to_vec(), good.to_vec()].into_iter();
    let mut scripted = |buffer: &mut [u8]| buffer.copy_from_slice(&script.next().unwrap());
    let made = quick("correct horse").register(KDF, &mut scripted).unwrap();
    assert_eq!((made.kdf_salt, made.salt.to_vec(), made.identity), ([7; 32], salt(1), HEXLOWER.encode(&good)));
    assert_eq!(script.next(), None);
}

#[test]
fn passwords_are_composed_before_they_are_stretched() {
    let verifier = |password| quick(password).register(KDF, &mut |buffer: &mut [u8]| buffer.fill(7)).unwrap().verifier;
    assert_eq!(verifier("\u{c5}"), verifier("A\u{30a}"));
    assert_ne!(verifier("\u{c5}"), verifier("A"));
}

#[test]
fn a_client_stretches_with_the_parameters_it_registers() {
    let fixed = |buffer: &mut [u8]| buffer.fill(7);
    let made = |kdf| register_values("x", kdf, &mut { fixed }).unwrap();
    let [quick, slow] = [Kdf { n: 16, ..KDF }, Kdf { n: 32, ..KDF }].map(made);
    assert_eq!(quick.attributes()["kdf"], json!({ "n": 16, "r": 8, "p": 1 }));
    assert_eq!(
        quick.verifier,
        SrpClient::new("x").stretching(Stretch::Quick).register(KDF, &mut { fixed }).unwrap().verifier
    );
    assert_ne!(quick.verifier, slow.verifier);
}
