//! The same exchange in num-bigint, written from the specification.

use num_bigint::BigUint;
use proptest::prelude::*;
use sha2::Digest as _;
use sha2::digest::consts::U32;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};

use super::*;

const IDENTITY: &[u8] = b"0123456789abcdef0123456789abcdef";
const SALT: [u8; 32] = [0xa5; 32];

fn n() -> BigUint {
    BigUint::from_bytes_be(&MODULUS)
}

fn g() -> BigUint {
    BigUint::from(GENERATOR)
}

fn pad(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; 512 - bytes.len()], bytes].concat()
}

fn sha(parts: &[&[u8]]) -> Vec<u8> {
    Sha256::digest(parts.concat()).to_vec()
}

fn k() -> BigUint {
    BigUint::from_bytes_be(&sha(&[&MODULUS, &pad(&g())]))
}

/// What one side sends and what both keep, in numbers without width.
struct Oracle {
    server_key: BigUint,
    scrambler: Vec<u8>,
    premaster: BigUint,
    proofs: [Vec<u8>; 2],
    answers: [Vec<u8>; 2],
}

fn oracle(v: &BigUint, b: &BigUint, a_key: &BigUint) -> Oracle {
    let server_key = (k() * v + g().modpow(b, &n())) % n();
    let scrambler = sha(&[&pad(a_key), &pad(&server_key)]);
    let premaster = (a_key * v.modpow(&BigUint::from_bytes_be(&scrambler), &n()) % n()).modpow(b, &n());
    let session_key = sha(&[&premaster.to_bytes_be()]);
    let (minimal_a, minimal_b) = (a_key.to_bytes_be(), server_key.to_bytes_be());
    let proofs = [pad(&g()), vec![GENERATOR]].map(|generator| {
        let mark: Vec<_> = sha(&[&MODULUS]).iter().zip(sha(&[&generator])).map(|(n, g)| n ^ g).collect();
        sha(&[&mark, &sha(&[IDENTITY]), &SALT, &minimal_a, &minimal_b, &session_key])
    });
    let answers = proofs.clone().map(|proof| sha(&[&minimal_a, &proof, &session_key]));
    Oracle { server_key, scrambler, premaster, proofs, answers }
}

/// Holds the adapter's mathematics against the oracle's.
fn compare(v: &BigUint, b: &BigUint, a_key: &BigUint) -> Oracle {
    let (protocol, expected) = (protocol(), oracle(v, b, a_key));
    let (verifier, client_key) = (pad(v), pad(a_key));
    let mut secret = b.to_bytes_be();
    secret.splice(..0, vec![0; 32_usize.saturating_sub(secret.len())]);
    let exchange =
        Exchange { identity: IDENTITY, salt: &SALT, verifier: &verifier, secret: &secret, client_key: &client_key };
    assert_eq!(**protocol.server_key(&verifier, &secret).unwrap(), *pad(&expected.server_key));
    let shared = protocol.share(&exchange);
    assert_eq!(**shared.server_key, *pad(&expected.server_key));
    assert_eq!(shared.scrambler.as_slice(), expected.scrambler);
    assert_eq!(**shared.premaster, *pad(&expected.premaster));
    for (proof, answer) in expected.proofs.iter().zip(&expected.answers) {
        assert_eq!(protocol.check(&exchange, proof).unwrap().as_slice(), answer);
        let mut changed = proof.clone();
        changed[31] ^= 1;
        assert!(protocol.check(&exchange, &changed).is_none());
        assert!(protocol.check(&exchange, &proof[..31]).is_none());
    }
    expected
}

/// Numbers from 2 to N - 2, often much shorter than N.
fn number() -> impl Strategy<Value = BigUint> {
    prop_oneof![1_usize..=64, Just(511), Just(512)]
        .prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length))
        .prop_map(|bytes| BigUint::from_bytes_be(&bytes) % (n() - 3_u8) + 2_u8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_exchange_is_as_another_library_computes_it(
        v in number(), b in proptest::array::uniform32(any::<u8>()), a_key in number(),
    ) {
        compare(&v, &BigUint::from_bytes_be(&b), &a_key);
    }
}

/// A number of 512 bytes of which the first `zeros` are zero and no other is.
fn with_zeros(zeros: usize) -> BigUint {
    BigUint::from_bytes_be(&vec![0x7b; 512 - zeros])
}

/// b, odd and coprime to the rest of N - 1, so that it has an inverse in the exponent.
fn b() -> BigUint {
    BigUint::from_bytes_be(&[0x35; 32])
}

fn inverse(number: &BigUint, modulus: &BigUint) -> BigUint {
    number.modinv(modulus).unwrap()
}

/// A client key that makes S what is wanted, for the verifier 1.
fn key_for(premaster: &BigUint) -> BigUint {
    premaster.modpow(&inverse(&b(), &(n() - 1_u8)), &n())
}

#[test]
fn numbers_that_begin_with_zeros_are_hashed_as_specified() {
    for zeros in [1, 2, 8, 9, 256, 511] {
        // A.
        let expected = compare(&with_zeros(0), &b(), &with_zeros(zeros));
        assert_ne!(expected.server_key, expected.premaster);
        // B, by the verifier that makes it so.
        let v = (with_zeros(zeros) + n() - g().modpow(&b(), &n())) * inverse(&k(), &n()) % n();
        assert_eq!(compare(&v, &b(), &with_zeros(3)).server_key, with_zeros(zeros));
        // S.
        let v = BigUint::from(1_u8);
        assert_eq!(compare(&v, &b(), &key_for(&with_zeros(zeros))).premaster, with_zeros(zeros));
    }
    // K.
    let begins_with_zero = |number: &BigUint| sha(&[&number.to_bytes_be()])[0] == 0;
    let premaster = (2_u32..9_999).map(BigUint::from).find(begins_with_zero).unwrap();
    assert_eq!(compare(&BigUint::from(1_u8), &b(), &key_for(&premaster)).premaster, premaster);
}

#[test]
fn a_zero_public_key_is_none() {
    let v = (n() - g().modpow(&b(), &n())) * inverse(&k(), &n()) % n();
    assert!(protocol().server_key(&pad(&v), &b().to_bytes_be()).is_none());
    assert!(protocol().server_key(&pad(&(v + 1_u8)), &b().to_bytes_be()).is_some());
}

#[tokio::test]
async fn the_secret_is_drawn_again_when_the_public_key_is_zero() {
    /// Draws b, then what follows it.
    struct Scripted(std::sync::Mutex<BigUint>);

    impl Entropy for Scripted {
        fn fill(&self, buffer: &mut [u8]) {
            let mut next = self.0.lock().unwrap();
            buffer.copy_from_slice(&next.to_bytes_be());
            *next += 1_u8;
        }
    }

    let v = (n() - g().modpow(&b(), &n())) * inverse(&k(), &n()) % n();
    let verifier = SrpVerifier::try_from_bytes(&pad(&v)).unwrap();
    let challenge = draw(&protocol(), &Scripted(std::sync::Mutex::new(b())), &verifier);
    assert_eq!(challenge.secret.expose(), (b() + 1_u8).to_bytes_be());
    assert_eq!(challenge.public_key.as_bytes().to_vec(), pad(&oracle(&v, &(b() + 1_u8), &g()).server_key));
}

#[test]
fn the_work_is_the_same_whatever_the_proof_is() {
    let (protocol, v) = (protocol(), pad(&with_zeros(0)));
    let (secret, client_key) = (b().to_bytes_be(), pad(&with_zeros(1)));
    let expected = oracle(&with_zeros(0), &b(), &with_zeros(1));
    let exchange = Exchange { identity: IDENTITY, salt: &SALT, verifier: &v, secret: &secret, client_key: &client_key };
    let nothing = vec![0; 32];
    for (proof, is_right) in [(&expected.proofs[0], true), (&expected.proofs[1], true), (&nothing, false)] {
        let before = protocol.group.exponentiations();
        assert_eq!(protocol.check(&exchange, proof).is_some(), is_right);
        assert_eq!(protocol.group.exponentiations() - before, 3);
    }
    let before = protocol.group.exponentiations();
    protocol.server_key(&v, &secret).unwrap();
    assert_eq!(protocol.group.exponentiations() - before, 1);
}

/// A hash of which every output is zero: so is u, and every proof is known beforehand.
#[derive(Default)]
struct Nothing;

impl HashMarker for Nothing {}

impl OutputSizeUser for Nothing {
    type OutputSize = U32;
}

impl Update for Nothing {
    fn update(&mut self, _data: &[u8]) {}
}

impl FixedOutput for Nothing {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.fill(0);
    }
}

#[test]
fn a_scrambler_of_zero_is_refused_though_the_proof_is_right() {
    let protocol = Protocol::<Nothing>::new(Group::new(&MODULUS, GENERATOR).unwrap());
    let (v, key, secret) = (pad(&with_zeros(0)), pad(&with_zeros(1)), [7; 32]);
    let exchange = Exchange { identity: IDENTITY, salt: &SALT, verifier: &v, secret: &secret, client_key: &key };
    assert!(protocol.check(&exchange, &[0; 32]).is_none());
    assert_eq!(protocol.group.exponentiations(), 3);
}

#[test]
fn leading_zeros_are_dropped_and_no_others() {
    assert_eq!(minimal(&[0, 0, 1, 0]), [1, 0]);
    assert_eq!(minimal(&[0, 0]), [0; 0]);
}
