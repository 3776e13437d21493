//! `SrpServer`: the threads, and the values of the domain.

use std::sync::mpsc;
use std::time::Duration;

use keystead_domain::srp::{SrpCredential, SrpIdentity, SrpKdf, SrpSalt};
use sha2::Digest as _;

use super::*;
use crate::{Argon2Config, Argon2Hasher, OsEntropy};

const CHEAP: Argon2Config = Argon2Config { memory_kib: 64, passes: 1, lanes: 1, permits: 1, queue: 0 };

fn hasher() -> Argon2Hasher {
    Argon2Hasher::try_new(CHEAP, Arc::new(OsEntropy)).unwrap()
}

fn srp() -> Srp {
    Srp::new(hasher().pool(), Arc::new(OsEntropy))
}

/// An answer to a challenge for the verifier g^x, made with the adapter's own arithmetic: clients that share nothing with it
/// are tested elsewhere.
fn answer(challenge: &SrpChallenge, x: &[u8; 32], a: &[u8; 32]) -> SrpAnswer {
    let group = Group::new(&MODULUS, GENERATOR).unwrap();
    let verifier = SrpVerifier::try_from_bytes(&group.pow_generator(x).to_bytes()).unwrap();
    let client_key = SrpPublicKey::try_from_bytes(&group.pow_generator(a).to_bytes()).unwrap();
    let credential = SrpCredential {
        identity: SrpIdentity::from_bytes([1; 16]),
        kdf: SrpKdf::DEFAULT,
        kdf_salt: SrpSalt::from_bytes([2; 32]),
        salt: SrpSalt::from_bytes([3; 32]),
        verifier,
    };
    let premaster = protocol().share(&Exchange {
        identity: credential.identity.as_str().as_bytes(),
        salt: credential.salt.as_bytes(),
        verifier: credential.verifier.expose(),
        secret: challenge.secret.expose(),
        client_key: client_key.as_bytes(),
    });
    let mut mark = Sha256::digest(MODULUS);
    let generator = [&[0; 511][..], &[GENERATOR]].concat();
    mark.iter_mut().zip(Sha256::digest(generator)).for_each(|(byte, other)| *byte ^= other);
    let proof = hash::<Sha256>(&[
        &mark,
        &Sha256::digest(credential.identity.as_str()),
        credential.salt.as_bytes(),
        client_key.minimal(),
        challenge.public_key.minimal(),
        &Sha256::digest(minimal(&premaster.premaster)),
    ]);
    let proof = SrpProof::from_bytes(proof.into());
    SrpAnswer { credential, secret: challenge.secret.clone(), client_key, proof }
}

fn verifier(x: &[u8; 32]) -> SrpVerifier {
    let group = Group::new(&MODULUS, GENERATOR).unwrap();
    SrpVerifier::try_from_bytes(&group.pow_generator(x).to_bytes()).unwrap()
}

#[tokio::test]
async fn whatever_of_an_answer_is_changed_it_is_refused() {
    type Change<'a> = &'a dyn Fn(&mut SrpAnswer);
    let (srp, x) = (srp(), [0x55; 32]);
    let challenge = srp.challenge(&verifier(&x)).await.unwrap();
    let right = answer(&challenge, &x, &[0x66; 32]);
    assert!(srp.verify(right.clone()).await.unwrap().is_some());
    let other_key = srp.challenge(&verifier(&x)).await.unwrap().public_key;
    let changes: [(&str, Change<'_>); 6] = [
        ("identity", &|answer| answer.credential.identity = SrpIdentity::from_bytes([9; 16])),
        ("salt", &|answer| answer.credential.salt = SrpSalt::from_bytes([9; 32])),
        ("verifier", &|answer| answer.credential.verifier = verifier(&[0x56; 32])),
        ("secret", &|answer| answer.secret = SecretBytes::new(vec![9; 32])),
        ("client key", &|answer| answer.client_key = other_key.clone()),
        ("proof", &|answer| answer.proof = SrpProof::from_bytes([9; 32])),
    ];
    for (name, change) in changes {
        let mut wrong = right.clone();
        change(&mut wrong);
        let before = srp.exponentiations();
        assert_eq!(srp.verify(wrong).await, Ok(None), "{name}");
        assert_eq!(srp.exponentiations() - before, 3);
    }
}

#[tokio::test]
async fn every_challenge_has_32_random_bytes_of_its_own() {
    let (srp, mut seen) = (srp(), std::collections::HashSet::new());
    for _ in 0..20 {
        let SrpChallenge { secret, public_key } = srp.challenge(&verifier(&[1; 32])).await.unwrap();
        assert_eq!(secret.expose().len(), 32);
        assert!(seen.insert(secret.expose().to_vec()) && seen.insert(public_key.as_bytes().to_vec()));
    }
    assert_eq!(srp.exponentiations(), 20);
}

#[tokio::test]
async fn the_permits_are_those_of_password_hashes() {
    let hasher = hasher();
    let srp = Srp::new(hasher.pool(), Arc::new(OsEntropy));
    let ((begun, has_begun), (go, may_go)) = (mpsc::channel(), mpsc::channel::<()>());
    let pool = hasher.pool();
    let busy = tokio::spawn(async move {
        let work = move || {
            begun.send(std::thread::current().name().map(str::to_owned)).unwrap();
            may_go.recv()
        };
        pool.run(work).await
    });
    tokio::task::yield_now().await;
    assert_eq!(has_begun.recv().unwrap().as_deref(), Some("argon2-1"));
    assert_eq!(hasher.running(), 1);
    let refused =
        |error: &HashError| matches!(error, HashError::Busy { retry_after } if *retry_after >= Duration::from_secs(1));
    assert!(srp.challenge(&verifier(&[1; 32])).await.is_err_and(|error| refused(&error)));
    let x = [0x55; 32];
    let secret = SecretBytes::new(vec![7; 32]);
    let public_key =
        SrpPublicKey::try_from_bytes(&protocol().server_key(verifier(&x).expose(), secret.expose()).unwrap());
    let answer = answer(&SrpChallenge { secret, public_key: public_key.unwrap() }, &x, &[8; 32]);
    assert!(srp.verify(answer.clone()).await.is_err_and(|error| refused(&error)));
    assert_eq!(srp.exponentiations(), 0);
    go.send(()).unwrap();
    assert_eq!(busy.await.unwrap(), Ok(Ok(())));
    assert!(srp.verify(answer.clone()).await.unwrap().is_some());
    // The threads live as long as anybody has them.
    drop(hasher);
    assert!(srp.verify(answer).await.unwrap().is_some());
}

#[test]
fn debug_shows_no_secret() {
    assert_eq!(format!("{:?}", srp()), "Srp { .. }");
}
