use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::account::{LoginName, User};
use keystead_domain::srp::{SrpCredential, SrpIdentity, SrpKdf, SrpProof, SrpPublicKey, SrpSalt, SrpVerifier};
use keystead_domain::{SecretBytes, SecretString, Timestamp, limits};

use super::Secrets;
use super::hex::hex;
use crate::failure::Failure;
use crate::ports::{
    CeremonyKey, CeremonyKind, CeremonyStore, Entropy, EphemeralError, HashError, KeyedHash, MacPurpose, SrpAnswer,
    SrpServer, StoreError, StoredSrp, Tx, Vault,
};

/// Bytes of a challenge's own identifier.
const ID: usize = 16;
/// How far the clocks of replicas may be apart before a used challenge could be answered again.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Bytes before what is sealed: the end of the challenge's life in microseconds, and its identifier.
const HEAD: usize = 8 + ID;

/// A challenge as it is given out (`2-api.md`, SRP-6a).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedSrpChallenge {
    /// I.
    pub identity: SrpIdentity,
    /// How the client stretches the password.
    pub kdf: SrpKdf,
    /// The salt of that.
    pub kdf_salt: SrpSalt,
    /// s.
    pub salt: SrpSalt,
    /// B.
    pub server_key: SrpPublicKey,
    /// b, for the server alone.
    pub sealed: SecretString,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// What a client answered.
#[derive(Clone, Debug)]
pub struct SrpResponse {
    /// A.
    pub client_key: SrpPublicKey,
    /// M1.
    pub proof: SrpProof,
    /// [`IssuedSrpChallenge::sealed`].
    pub sealed: SecretString,
}

/// Whom a challenge is for: an account with an SRP credential, or a name without one, which gets values that look the same
/// and open nothing.
pub(crate) struct SrpAccount {
    /// What a sealed challenge is bound to.
    key: Vec<u8>,
    pub(crate) credential: SrpCredential,
    is_decoy: bool,
}

/// A challenge that was opened.
pub struct OpenedChallenge {
    id: [u8; ID],
    secret: SecretBytes,
    expires_at: Timestamp,
}

impl OpenedChallenge {
    /// Opens the sealed part of a challenge that was made for the account of this key and lives. `None` whatever is wrong
    /// with it.
    pub fn read(vault: &dyn Vault, account: &[u8], sealed: &str, now: Timestamp) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (head, sealed) = bytes.split_at_checked(HEAD)?;
        let (micros, id) = head.split_first_chunk::<8>()?;
        let expires_at = Timestamp::from_micros(i64::from_be_bytes(*micros));
        let secret = vault.open(&context(account, head), sealed).ok()?;
        (now < expires_at).then_some(Self { id: id.try_into().ok()?, secret, expires_at })
    }
}

/// The server's half of SRP-6a without state: b travels with the client, sealed, and any replica takes it back once.
///
/// ```text
/// challenge ──> B, seal(b; account, expiry, id) ──> client ──> A, M1, seal ──> read ──> spend (once) ──> verify ──> M2
/// ```
#[derive(Clone)]
pub struct SrpExchange {
    server: Arc<dyn SrpServer>,
    secrets: Secrets,
    vault: Arc<dyn Vault>,
    hash: Arc<dyn KeyedHash>,
    ceremonies: Arc<dyn CeremonyStore>,
    entropy: Arc<dyn Entropy>,
}

impl SrpExchange {
    /// The service.
    pub fn new(
        server: Arc<dyn SrpServer>,
        secrets: Secrets,
        vault: Arc<dyn Vault>,
        hash: Arc<dyn KeyedHash>,
        ceremonies: Arc<dyn CeremonyStore>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { server, secrets, vault, hash, ceremonies, entropy }
    }

    /// The account behind a name, or its decoy. Both ask the store the same and draw the same values.
    pub(crate) async fn account(
        &self,
        tx: &mut dyn Tx,
        name: &LoginName,
        user: Option<&User>,
    ) -> Result<SrpAccount, StoreError> {
        // Whoever it is, a decoy is made and sealed, and one credential is opened: opening takes a time that can be measured.
        let decoy = self.decoy(name)?;
        let nobody = self.nobody(name);
        let id = user.map_or(nobody, |user| user.id);
        let sealed = self.secrets.seal(nobody, &decoy.credential)?;
        let unused = StoredSrp { user_id: nobody, sealed, created_at: Timestamp::from_micros(0) };
        let (opened, key, is_decoy) = match (user, tx.srp().get(id).await?) {
            (Some(user), Some(stored)) => (stored, user.id.to_string().into_bytes(), false),
            _ => (unused, decoy.key, true),
        };
        Ok(SrpAccount { key, credential: self.secrets.open(&opened)?, is_decoy })
    }

    /// The account of somebody signed in.
    pub(crate) async fn account_of(&self, tx: &mut dyn Tx, user: &User) -> Result<SrpAccount, StoreError> {
        let name = LoginName::Unknown(user.id.to_string());
        self.account(tx, &name, Some(user)).await
    }

    /// Draws b and B, and seals b for the client to carry.
    pub(crate) async fn challenge(&self, account: &SrpAccount, now: Timestamp) -> Result<IssuedSrpChallenge, Failure> {
        let challenge = self.server.challenge(&account.credential.verifier).await?;
        let expires_at = now.plus(limits::SRP_CHALLENGE_LIFE);
        let mut head = expires_at.as_micros().to_be_bytes().to_vec();
        let mut id = [0; ID];
        self.entropy.fill(&mut id);
        head.extend(id);
        let context = context(&account.key, &head);
        let sealed = self.vault.seal(&context, challenge.secret.expose());
        let sealed = sealed.map_err(|error| Failure::Internal(error.to_string()))?;
        head.extend(sealed);
        let SrpCredential { identity, kdf, kdf_salt, salt, .. } = account.credential.clone();
        let sealed = SecretString::new(URL_SAFE_NO_PAD.encode(head));
        Ok(IssuedSrpChallenge { identity, kdf, kdf_salt, salt, server_key: challenge.public_key, sealed, expires_at })
    }

    /// Opens a challenge that was made for this account and lives. `None` whatever is wrong with it.
    pub(crate) fn read(&self, account: &SrpAccount, sealed: &SecretString, now: Timestamp) -> Option<OpenedChallenge> {
        OpenedChallenge::read(&*self.vault, &account.key, sealed.expose(), now)
    }

    /// Uses a challenge up. `true` for exactly one caller, over all replicas.
    pub(crate) async fn spend(&self, challenge: &OpenedChallenge, now: Timestamp) -> Result<bool, EphemeralError> {
        let key = CeremonyKey { kind: CeremonyKind::Srp, id: hex(&challenge.id) };
        // Remembered past its end: by the clock of a replica that is behind it lives on.
        let until = challenge.expires_at.plus(CLOCKS_APART);
        self.ceremonies.insert(&key, b"", now, until).await
    }

    /// Checks the client's proof. A decoy costs the same and is never right.
    pub(crate) async fn verify(
        &self,
        account: &SrpAccount,
        challenge: OpenedChallenge,
        response: &SrpResponse,
    ) -> Result<Option<SrpProof>, HashError> {
        let answer = SrpAnswer {
            credential: account.credential.clone(),
            secret: challenge.secret,
            client_key: response.client_key.clone(),
            proof: response.proof,
        };
        let proof = self.server.verify(answer).await?;
        Ok(proof.filter(|_| !account.is_decoy))
    }

    /// Reads, spends and verifies an answer. `None` whatever is wrong with it.
    pub(crate) async fn answered(
        &self,
        account: &SrpAccount,
        response: &SrpResponse,
        now: Timestamp,
    ) -> Result<Option<SrpProof>, Failure> {
        let Some(challenge) = self.read(account, &response.sealed, now) else { return Ok(None) };
        if !self.spend(&challenge, now).await? {
            return Ok(None);
        }
        Ok(self.verify(account, challenge, response).await?)
    }

    /// Whether the account still has the credential that was proved.
    pub(crate) async fn is_current(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        proved: &SrpAccount,
    ) -> Result<bool, StoreError> {
        let stored = tx.srp().get(user.id).await?;
        Ok(match stored {
            Some(stored) => self.secrets.open(&stored)? == proved.credential,
            None => false,
        })
    }

    fn nobody(&self, name: &LoginName) -> keystead_domain::account::UserId {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(self.drawn(name, "id")).for_each(|(byte, drawn)| *byte = drawn);
        keystead_domain::account::UserId::from_random(bytes)
    }

    /// What a name without a credential has: the same for ever, of the same form, and nobody knows its password.
    fn decoy(&self, name: &LoginName) -> Result<SrpAccount, StoreError> {
        let mut identity = [0; 16];
        identity.iter_mut().zip(self.drawn(name, "identity")).for_each(|(byte, drawn)| *byte = drawn);
        let mut salt = self.drawn(name, "salt");
        // Clients redraw salts that begin with a zero byte: every other first byte is as likely as the next.
        if let ([first @ 0, ..], Some(other)) =
            (&mut salt, self.drawn(name, "salt, again").into_iter().find(|byte| *byte != 0))
        {
            *first = other;
        }
        // 511 bytes: always below N, and above 1.
        let verifier: Vec<u8> =
            (0_u8..16).flat_map(|part| self.drawn(name, &format!("verifier {part}"))).take(511).collect();
        let verifier = SrpVerifier::try_from_bytes(&verifier);
        let verifier = verifier.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let credential = SrpCredential {
            identity: SrpIdentity::from_bytes(identity),
            kdf: SrpKdf::DEFAULT,
            kdf_salt: SrpSalt::from_bytes(self.drawn(name, "kdf salt")),
            salt: SrpSalt::from_bytes(salt),
            verifier,
        };
        let key = [b"nobody:", self.drawn(name, "key").as_slice()].concat();
        Ok(SrpAccount { key, credential, is_decoy: true })
    }

    fn drawn(&self, name: &LoginName, label: &str) -> [u8; 32] {
        let parts: [&[u8]; 3] = [b"srp", label.as_bytes(), name.canonical().as_bytes()];
        self.hash.mac(MacPurpose::Decoy, &parts).bytes
    }
}

/// What a sealed b is bound to: the account, its end, its identifier.
fn context(account: &[u8], head: &[u8]) -> Vec<u8> {
    [b"srp challenge:", head, account].concat()
}
