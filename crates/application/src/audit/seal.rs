use std::sync::Arc;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEvent;

use crate::ports::{
    AttendanceRepository, AuditChain, AuditFilter, AuditLog, AuditRow, AuditRowId, ChainLink, Checkpoint,
    CheckpointKind, ContactRepository, DeviceRepository, Entropy, FactorFailureRepository, FactorRepository,
    GuessBudgets, KeyRepository, KeyedHash, LeaseRepository, LinkTokenRepository, LoginHistory, MacPurpose, MacTag,
    Outbox, PasskeyRepository, RegistrationRepository, RevocationLog, SocialRepository, SrpRepository, Store,
    StoreError, Tx, UserRepository,
};

/// A [`Store`] whose audit events carry a keyed hash, made where they are written: nobody who can only write to the database
/// can add or change one unnoticed.
pub struct SealingStore {
    inner: Arc<dyn Store>,
    hash: Arc<dyn KeyedHash>,
    entropy: Arc<dyn Entropy>,
}

impl SealingStore {
    /// Seals what is appended through it.
    pub fn new(inner: Arc<dyn Store>, hash: Arc<dyn KeyedHash>, entropy: Arc<dyn Entropy>) -> Self {
        Self { inner, hash, entropy }
    }

    fn sealing(&self, inner: Box<dyn Tx>) -> Box<dyn Tx> {
        Box::new(SealingTx { inner, hash: Arc::clone(&self.hash), entropy: Arc::clone(&self.entropy) })
    }
}

#[async_trait]
impl Store for SealingStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(self.sealing(self.inner.begin().await?))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.inner.read().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

struct SealingTx {
    inner: Box<dyn Tx>,
    hash: Arc<dyn KeyedHash>,
    entropy: Arc<dyn Entropy>,
}

macro_rules! the_same {
    ($($name:ident: $repository:ty;)*) => {
        #[async_trait]
        impl Tx for SealingTx {
            $(fn $name(&mut self) -> &mut $repository {
                self.inner.$name()
            })*

            fn audit(&mut self) -> &mut dyn AuditLog {
                self
            }

            async fn commit(self: Box<Self>) -> Result<(), StoreError> {
                self.inner.commit().await
            }
        }
    };
}

the_same! {
    users: dyn UserRepository;
    registrations: dyn RegistrationRepository;
    link_tokens: dyn LinkTokenRepository;
    outbox: dyn Outbox;
    audit_chain: dyn AuditChain;
    revocations: dyn RevocationLog;
    guess_budgets: dyn GuessBudgets;
    factors: dyn FactorRepository;
    passkeys: dyn PasskeyRepository;
    contacts: dyn ContactRepository;
    factor_failures: dyn FactorFailureRepository;
    srp: dyn SrpRepository;
    social: dyn SocialRepository;
    attendance: dyn AttendanceRepository;
    leases: dyn LeaseRepository;
    devices: dyn DeviceRepository;
    login_history: dyn LoginHistory;
    keys: dyn KeyRepository;
}

#[async_trait]
impl AuditLog for SealingTx {
    async fn append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce);
        let seal = seal(&*self.hash, nonce, event);
        self.inner.audit().append_sealed(event, &seal).await
    }

    async fn append_sealed(&mut self, event: &AuditEvent, seal: &MacTag) -> Result<(), StoreError> {
        self.inner.audit().append_sealed(event, seal).await
    }

    async fn list_for_user(&mut self, user: UserId, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        self.inner.audit().list_for_user(user, limit).await
    }

    async fn list(
        &mut self,
        filter: &AuditFilter,
        before: Option<AuditRowId>,
        size: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.inner.audit().list(filter, before, size).await
    }
}

/// Bytes of a seal that are random, so that no two events have the same one and a copied row shows. The rest is the keyed
/// hash, cut to 192 bits.
const NONCE: usize = 8;

/// What tells the seals of two events apart.
pub(super) type Nonce = [u8; NONCE];

/// The seal of an event.
fn seal(hash: &dyn KeyedHash, nonce: Nonce, event: &AuditEvent) -> MacTag {
    let fields = sealed_fields(nonce, event);
    let MacTag { key, mut bytes } = hash.mac(MacPurpose::AuditEvent, &parts(&fields));
    // The nonce in front, the hash behind it.
    bytes.rotate_right(NONCE);
    for (byte, random) in bytes.iter_mut().zip(nonce) {
        *byte = random;
    }
    MacTag { key, bytes }
}

/// The nonce of a row's seal, when it is the seal of its event. Whoever asks has the key: nothing is to be learnt from how long
/// the comparison takes.
pub(super) fn sealed_with(hash: &dyn KeyedHash, row: &AuditRow) -> Option<Nonce> {
    let seal = row.seal.as_ref()?;
    let nonce: Nonce = seal.bytes.first_chunk().copied()?;
    let fields = sealed_fields(nonce, &row.event);
    let expected = hash.mac_with(&seal.key, MacPurpose::AuditEvent, &parts(&fields))?;
    (seal.bytes.get(NONCE..) == expected.get(..expected.len() - NONCE)).then_some(nonce)
}

fn sealed_fields(nonce: Nonce, event: &AuditEvent) -> Vec<Vec<u8>> {
    let mut fields = vec![nonce.to_vec()];
    fields.extend(event.canonical());
    fields
}

/// What the chain begins with.
pub(super) fn genesis(hash: &dyn KeyedHash) -> ChainLink {
    ChainLink { position: 0, hash: hash.digest(b"keystead audit chain v1") }
}

/// The link of a row after the one before it: a keyed hash over the hash before, the position, the row's number and its seal,
/// under the key of that seal, so that nobody without the key links anything anew. The seal stands for what is in the row,
/// also where this version cannot read it. A row without a seal is linked by a plain hash over its fields. `None` when there is
/// no place after the one before.
pub(super) fn link_after(hash: &dyn KeyedHash, before: ChainLink, row: &AuditRow) -> Option<ChainLink> {
    let position = before.position.checked_add(1)?;
    let mut fields = vec![before.hash.to_vec(), position.to_be_bytes().to_vec(), row.id.0.to_be_bytes().to_vec()];
    if let Some(seal) = &row.seal {
        fields.push(seal.bytes.to_vec());
        if let Some(hash) = hash.mac_with(&seal.key, MacPurpose::AuditLink, &parts(&fields)) {
            return Some(ChainLink { position, hash });
        }
    }
    fields.extend(row.event.canonical());
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    }
    Some(ChainLink { position, hash: hash.digest(&bytes) })
}

/// A checkpoint of the chain as it is.
pub(super) fn checkpoint(hash: &dyn KeyedHash, kind: CheckpointKind, link: ChainLink, at: Timestamp) -> Checkpoint {
    let seal = hash.mac(MacPurpose::AuditCheckpoint, &parts(&checkpoint_fields(kind, link, at)));
    Checkpoint { kind, link, at, seal }
}

/// Whether this server signed a checkpoint.
pub(super) fn is_signed(hash: &dyn KeyedHash, checkpoint: &Checkpoint) -> bool {
    let fields = checkpoint_fields(checkpoint.kind, checkpoint.link, checkpoint.at);
    hash.verify(&checkpoint.seal.key, MacPurpose::AuditCheckpoint, &parts(&fields), &checkpoint.seal.bytes)
}

fn checkpoint_fields(kind: CheckpointKind, link: ChainLink, at: Timestamp) -> Vec<Vec<u8>> {
    vec![
        kind.as_str().as_bytes().to_vec(),
        link.position.to_be_bytes().to_vec(),
        link.hash.to_vec(),
        at.as_micros().to_be_bytes().to_vec(),
    ]
}

fn parts(fields: &[Vec<u8>]) -> Vec<&[u8]> {
    fields.iter().map(Vec::as_slice).collect()
}
