//! A software authenticator and the browser in front of it, that lie where a test wants them to. It knows nothing of ours:
//! the end-to-end tests have the same file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::{Value, json};

pub const UP: u8 = 1;
pub const UV: u8 = 1 << 2;
pub const BE: u8 = 1 << 3;
pub const BS: u8 = 1 << 4;
pub const AT: u8 = 1 << 6;
pub const ED: u8 = 1 << 7;

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A byte string in CBOR.
pub fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    match bytes.len() {
        0..24 => [&[0x40 | length[1]], bytes].concat(),
        24..256 => [&[0x58, length[1]], bytes].concat(),
        _ => [&[0x59, length[0], length[1]], bytes].concat(),
    }
}

/// A private key, and its public part as a `COSE_Key`.
pub struct Key {
    private: PKey<Private>,
    pub cose: Vec<u8>,
    digest: Option<MessageDigest>,
}

impl Key {
    pub fn es256() -> Self {
        Self::elliptic(Nid::X9_62_PRIME256V1, &[0x26], 1, MessageDigest::sha256())
    }

    pub fn es384() -> Self {
        Self::elliptic(Nid::SECP384R1, &[0x38, 0x22], 2, MessageDigest::sha384())
    }

    /// A key of the other curve that calls itself ES256.
    pub fn es256_on_p384() -> Self {
        Self::elliptic(Nid::SECP384R1, &[0x26], 2, MessageDigest::sha256())
    }

    fn elliptic(curve: Nid, algorithm: &[u8], number: u8, digest: MessageDigest) -> Self {
        let group = EcGroup::from_curve_name(curve).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context).unwrap();
        let length = i32::try_from(group.degree() / 8).unwrap();
        let coordinate = |number: &BigNum| cbor_bytes(&number.to_vec_padded(length).unwrap());
        let cose =
            [&[0xa5, 1, 2, 3], algorithm, &[0x20, number, 0x21], &coordinate(&x), &[0x22], &coordinate(&y)].concat();
        Self { private: PKey::from_ec_key(key).unwrap(), cose, digest: Some(digest) }
    }

    pub fn rs256() -> Self {
        let key = Rsa::generate(2048).unwrap();
        let (n, e) = (cbor_bytes(&key.n().to_vec()), cbor_bytes(&key.e().to_vec()));
        let cose = [&[0xa4, 1, 3, 3, 0x39, 1, 0, 0x20][..], &n, &[0x21], &e].concat();
        Self { private: PKey::from_rsa(key).unwrap(), cose, digest: Some(MessageDigest::sha256()) }
    }

    pub fn ed25519() -> Self {
        let private = PKey::generate_ed25519().unwrap();
        let x = cbor_bytes(&private.raw_public_key().unwrap());
        let cose = [&[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21][..], &x].concat();
        Self { private, cose, digest: None }
    }

    pub fn sign(&self, data: &[u8]) -> Vec<u8> {
        let mut signer = match self.digest {
            Some(digest) => Signer::new(digest, &self.private),
            None => Signer::new_without_digest(&self.private),
        };
        signer.as_mut().unwrap().sign_oneshot_to_vec(data).unwrap()
    }
}

/// What authenticator and client make of the options of a registration.
pub struct Registration {
    pub key: Key,
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    pub aaguid: [u8; 16],
    /// The identifier in the authenticator's data.
    pub attested_id: Vec<u8>,
    /// The identifier in the answer.
    pub id: Vec<u8>,
    /// Behind the public key: extensions, or what has no business there.
    pub behind_key: Vec<u8>,
    pub format: &'static str,
    /// `None`: signed with the key itself, as `packed` self attestation.
    pub statement: Option<Vec<u8>>,
    pub behind_object: Vec<u8>,
}

impl Registration {
    /// What those that keep to the rules make of `PublicKeyCredentialCreationOptionsJSON` on a page of this origin.
    pub fn of(options: &str, origin: &str) -> Self {
        let options: Value = serde_json::from_str(options).unwrap();
        let id = b"an authenticator's identifier".to_vec();
        Self {
            key: Key::es256(),
            client_data: client_data("webauthn.create", &options, origin),
            rp_id: options["rp"]["id"].as_str().unwrap().to_owned(),
            flags: UP | UV | BE | BS | AT,
            counter: 0,
            aaguid: *b"a make, or model",
            attested_id: id.clone(),
            id,
            behind_key: vec![],
            format: "none",
            statement: Some(vec![0xa0]),
            behind_object: vec![],
        }
    }

    pub fn authenticator_data(&self) -> Vec<u8> {
        let length = u16::try_from(self.attested_id.len()).unwrap().to_be_bytes();
        [
            &head(&self.rp_id, self.flags, self.counter)[..],
            &self.aaguid,
            &length,
            &self.attested_id,
            &self.key.cose,
            &self.behind_key,
        ]
        .concat()
    }

    pub fn attestation_object(&self) -> Vec<u8> {
        let data = self.authenticator_data();
        let statement = self.statement.clone().unwrap_or_else(|| {
            let signature = self.key.sign(&[&data[..], &sha256(&self.client_data_json())].concat());
            [&[0xa2, 0x63][..], b"alg\x26\x63sig", &cbor_bytes(&signature)].concat()
        });
        let format = [&[0x60 | u8::try_from(self.format.len()).unwrap()], self.format.as_bytes()].concat();
        [
            &[0xa3, 0x63][..],
            b"fmt",
            &format,
            b"\x67attStmt",
            &statement,
            b"\x68authData",
            &cbor_bytes(&data),
            &self.behind_object,
        ]
        .concat()
    }

    pub fn client_data_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.client_data).unwrap()
    }

    pub fn answer(&self) -> Value {
        registration_answer(&self.id, &self.client_data_json(), &self.attestation_object())
    }
}

/// As `PublicKeyCredential.toJSON()` writes it in Chromium.
pub fn registration_answer(id: &[u8], client_data: &[u8], attestation_object: &[u8]) -> Value {
    json!({
        "authenticatorAttachment": "platform",
        "clientExtensionResults": { "credProps": { "rk": true } },
        "id": base64url(id),
        "rawId": base64url(id),
        "response": {
            "attestationObject": base64url(attestation_object),
            "authenticatorData": "AAAA",
            "clientDataJSON": base64url(client_data),
            "publicKey": "AAAA",
            "publicKeyAlgorithm": -7,
            "transports": ["hybrid", "internal", "a way of tomorrow"],
        },
        "type": "public-key",
    })
}

/// What authenticator and client make of the options of an assertion.
pub struct Login {
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    pub behind_data: Vec<u8>,
    pub id: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
}

impl Login {
    /// What those that keep to the rules make of `PublicKeyCredentialRequestOptionsJSON` on a page of this origin, with this
    /// credential.
    pub fn of(options: &str, origin: &str, id: &[u8], user_handle: &[u8]) -> Self {
        let options: Value = serde_json::from_str(options).unwrap();
        Self {
            client_data: client_data("webauthn.get", &options, origin),
            rp_id: options["rpId"].as_str().unwrap().to_owned(),
            flags: UP | UV | BE | BS,
            counter: 0,
            behind_data: vec![],
            id: id.to_vec(),
            user_handle: Some(user_handle.to_vec()),
        }
    }

    pub fn authenticator_data(&self) -> Vec<u8> {
        [head(&self.rp_id, self.flags, self.counter), self.behind_data.clone()].concat()
    }

    pub fn client_data_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.client_data).unwrap()
    }

    pub fn signature(&self, key: &Key) -> Vec<u8> {
        key.sign(&[self.authenticator_data(), sha256(&self.client_data_json()).to_vec()].concat())
    }

    pub fn answer(&self, key: &Key) -> Value {
        assertion_answer(
            &self.id,
            &self.client_data_json(),
            &self.authenticator_data(),
            &self.signature(key),
            self.user_handle.as_deref(),
        )
    }
}

/// As `PublicKeyCredential.toJSON()` writes it in Chromium.
pub fn assertion_answer(
    id: &[u8],
    client_data: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
    user_handle: Option<&[u8]>,
) -> Value {
    json!({
        "authenticatorAttachment": "cross-platform",
        "clientExtensionResults": {},
        "id": base64url(id),
        "rawId": base64url(id),
        "response": {
            "authenticatorData": base64url(authenticator_data),
            "clientDataJSON": base64url(client_data),
            "signature": base64url(signature),
            "userHandle": user_handle.map(base64url),
        },
        "type": "public-key",
    })
}

fn client_data(kind: &str, options: &Value, origin: &str) -> Value {
    json!({ "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false })
}

fn head(rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
    [&sha256(rp_id.as_bytes())[..], &[flags], &counter.to_be_bytes()].concat()
}
