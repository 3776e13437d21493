//! A client of SRP-6a as the API speaks it, on num-bigint's numbers: nothing of it is shared with the server's arithmetic.
//!
//! ```text
//! register: srpIdentity, kdf, kdfSalt, srpSalt, verifier     ─►
//! challenge                                                  ─►   srpIdentity, kdf, kdfSalt, srpSalt, serverPublicKey, sealed
//! login:    identity, clientPublicKey, clientProof, sealed   ─►   serverProof
//! ```

mod group;
mod login;

use std::fs::File;
use std::io::Read as _;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use group::{Group, hash};
pub use login::Login;
use login::Prepared;

/// Parameters of scrypt (RFC 7914 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kdf {
    /// N, a power of two.
    pub n: u32,
    /// r.
    pub r: u32,
    /// p.
    pub p: u32,
}

/// How P is made of the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stretch {
    /// With the parameters of the credential, as every client must.
    #[default]
    Scrypt,
    /// With N = 16 whatever the credential says. The server cannot tell, and a test need not wait.
    Quick,
}

/// How g goes into M1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofForm {
    /// H(PAD(g)), 512 bytes.
    #[default]
    Padded,
    /// H(g), one byte.
    Bare,
}

/// Why the client does not go on.
#[derive(Debug, Error)]
pub enum ClientRefusal {
    /// An attribute is missing, or not what it should be.
    #[error("the challenge has no proper {0}")]
    Malformed(&'static str),
    /// B mod N = 0 (RFC 5054 section 2.5.3), or u = 0.
    #[error("the server's public key gives the session away")]
    UnsafeKey,
}

/// Fills with random bytes.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A person's client, which knows the password.
#[derive(Clone)]
pub struct SrpClient {
    password: String,
    stretch: Stretch,
    form: ProofForm,
}

/// What a client makes at registration.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCredential {
    /// I.
    pub identity: String,
    /// For the client, later.
    pub kdf: Kdf,
    /// The salt of scrypt.
    pub kdf_salt: [u8; 32],
    /// s.
    pub salt: [u8; 32],
    /// v, without leading zeros.
    pub verifier: Vec<u8>,
}

/// What the server sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    /// I.
    pub identity: String,
    /// How P is made.
    pub kdf: Kdf,
    /// The salt of that.
    pub kdf_salt: [u8; 32],
    /// s.
    pub salt: [u8; 32],
    /// B, without leading zeros.
    pub server_key: Vec<u8>,
    /// b, for the server only.
    pub sealed: String,
}

/// The operating system's generator.
pub fn os_random(buffer: &mut [u8]) {
    if File::open("/dev/urandom").and_then(|mut source| source.read_exact(buffer)).is_err() {
        std::process::abort();
    }
}

/// What a client with this password registers; see [`SrpClient::register`].
pub fn register_values(password: &str, kdf: Kdf, random: Random<'_>) -> Result<NewCredential, ClientRefusal> {
    SrpClient::new(password).register(kdf, random)
}

impl SrpClient {
    /// A client that does everything as specified.
    pub fn new(password: &str) -> Self {
        Self { password: password.nfc().collect(), stretch: Stretch::default(), form: ProofForm::default() }
    }

    /// The same client, making P another way.
    #[must_use]
    pub fn stretching(self, stretch: Stretch) -> Self {
        Self { stretch, ..self }
    }

    /// The same client, making M1 another way.
    #[must_use]
    pub fn proving(self, form: ProofForm) -> Self {
        Self { form, ..self }
    }

    /// Draws salts and I, and computes v. The first byte of s is never zero, and I is drawn again while H(I ‖ ":" ‖ P)
    /// begins with zero: common libraries drop leading zeros there.
    pub fn register(&self, kdf: Kdf, random: Random<'_>) -> Result<NewCredential, ClientRefusal> {
        let (mut kdf_salt, mut salt) = ([0; 32], [0; 32]);
        random(&mut kdf_salt);
        while salt.first() == Some(&0) {
            random(&mut salt);
        }
        let password = self.stretched(kdf, &kdf_salt)?;
        let identity = loop {
            let mut identity = [0; 16];
            random(&mut identity);
            let identity = HEXLOWER.encode(&identity);
            if inner(&identity, &password).first() != Some(&0) {
                break identity;
            }
        };
        let verifier = Group::new().verifier(&outer(&salt, &identity, &password));
        Ok(NewCredential { identity, kdf, kdf_salt, salt, verifier })
    }

    /// Answers a challenge with a random a.
    pub fn answer(&self, challenge: &Challenge) -> Result<Login, ClientRefusal> {
        let mut secret = [0; 32];
        os_random(&mut secret);
        self.answer_with(challenge, &secret)
    }

    /// Answers a challenge with this a, big-endian.
    pub fn answer_with(&self, challenge: &Challenge, secret: &[u8]) -> Result<Login, ClientRefusal> {
        let x = self.private_key(challenge)?;
        Prepared::new(challenge, &x, self.form)?.login(secret)
    }

    /// Answers with the first of many a for which the login is as wanted: with A or S that begins with zeros, for example
    /// (one of 256 does). `None` when 10,000 are not.
    pub fn answer_where(
        &self,
        challenge: &Challenge,
        wanted: impl Fn(&Login) -> bool,
    ) -> Result<Option<Login>, ClientRefusal> {
        let x = self.private_key(challenge)?;
        let prepared = Prepared::new(challenge, &x, self.form)?;
        let mut secret = [0; 32];
        os_random(&mut secret);
        for count in 0..10_000_u16 {
            if let Some(last) = secret.last_chunk_mut() {
                *last = count.to_be_bytes();
            }
            let login = prepared.login(&secret)?;
            if wanted(&login) {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }

    /// x.
    fn private_key(&self, challenge: &Challenge) -> Result<[u8; 32], ClientRefusal> {
        let password = self.stretched(challenge.kdf, &challenge.kdf_salt)?;
        Ok(outer(&challenge.salt, &challenge.identity, &password))
    }

    /// P: 64 hexadecimal characters.
    fn stretched(&self, kdf: Kdf, salt: &[u8; 32]) -> Result<String, ClientRefusal> {
        let Kdf { n, r, p } = kdf;
        let cost = match self.stretch {
            Stretch::Scrypt => u8::try_from(n.trailing_zeros()).ok().filter(|_| n.is_power_of_two() && n <= 1 << 20),
            Stretch::Quick => Some(4),
        };
        let parameters = cost.and_then(|cost| scrypt::Params::new(cost, r, p).ok());
        let parameters = parameters.ok_or(ClientRefusal::Malformed("kdf"))?;
        let mut key = [0; 32];
        scrypt::scrypt(self.password.as_bytes(), salt, &parameters, &mut key)
            .map_err(|_| ClientRefusal::Malformed("kdf"))?;
        Ok(HEXLOWER.encode(&key))
    }
}

/// H(I ‖ ":" ‖ P).
fn inner(identity: &str, password: &str) -> [u8; 32] {
    hash(&[identity.as_bytes(), b":", password.as_bytes()])
}

/// x = H(s ‖ H(I ‖ ":" ‖ P)).
fn outer(salt: &[u8; 32], identity: &str, password: &str) -> [u8; 32] {
    hash(&[salt, &inner(identity, password)])
}

impl NewCredential {
    /// The attributes of a registration; the address is the caller's.
    pub fn attributes(&self) -> Value {
        let Kdf { n, r, p } = self.kdf;
        json!({
            "srpIdentity": self.identity,
            "kdf": { "n": n, "r": r, "p": p },
            "kdfSalt": HEXLOWER.encode(&self.kdf_salt),
            "srpSalt": HEXLOWER.encode(&self.salt),
            "verifier": HEXLOWER.encode(&self.verifier),
        })
    }
}

impl Challenge {
    /// Reads the attributes of an answer.
    pub fn from_attributes(attributes: &Value) -> Result<Self, ClientRefusal> {
        let text = |name| attributes.get(name).and_then(Value::as_str).ok_or(ClientRefusal::Malformed(name));
        let salt = |name| {
            let bytes = HEXLOWER.decode(text(name)?.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or(ClientRefusal::Malformed(name))
        };
        let number = |name| {
            let number = attributes.get("kdf").and_then(|kdf| kdf.get(name)).and_then(Value::as_u64);
            number.and_then(|number| number.try_into().ok()).ok_or(ClientRefusal::Malformed("kdf"))
        };
        Ok(Self {
            identity: text("srpIdentity")?.to_owned(),
            kdf: Kdf { n: number("n")?, r: number("r")?, p: number("p")? },
            kdf_salt: salt("kdfSalt")?,
            salt: salt("srpSalt")?,
            server_key: HEXLOWER
                .decode(text("serverPublicKey")?.as_bytes())
                .map_err(|_| ClientRefusal::Malformed("serverPublicKey"))?,
            sealed: text("sealed")?.to_owned(),
        })
    }
}
