//! Whoever has the service's own key, and still must not be believed: what is refused for another reason than its signature.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::jws::JwsSigner;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use keystead_adapters_crypto::{MasterKeySealer, OsEntropy};
use keystead_application::ports::{KeyUse, Sealer as _, StoredKey};
use keystead_domain::{SecretBytes, Timestamp};
use serde_json::{Value, json};

use super::{token, written};
use crate::support::Service;

/// A signing key of a service, taken out of its store with its master key.
pub(super) struct Insider {
    pub(super) kid: String,
    signer: Box<dyn JwsSigner>,
}

impl Insider {
    /// With the newest key of a use.
    pub(super) async fn of(service: &Service, key_use: KeyUse) -> Self {
        let process = service.other_process().await;
        let now = Timestamp::from_seconds(i64::try_from(service.now()).unwrap());
        let mut reading = process.store.read().await.unwrap();
        let keys = reading.keys().list(now).await.unwrap();
        let newest = keys.iter().filter(|key| key.key_use == key_use).max_by_key(|key| key.active_from);
        Self::with(service, newest.unwrap())
    }

    fn with(service: &Service, key: &StoredKey) -> Self {
        let file = std::fs::read_to_string(service.directory().join("master.key")).unwrap();
        let master = SecretBytes::new(URL_SAFE_NO_PAD.decode(file.trim()).unwrap());
        let sealer = MasterKeySealer::try_new(&master, Arc::new(OsEntropy)).unwrap();
        let opened = sealer.open(format!("key:{}", key.id.as_str()).as_bytes(), &key.sealed).unwrap();
        let mut jwk: Value = serde_json::from_slice(opened.expose()).unwrap();
        jwk.as_object_mut().unwrap().remove("keystead_use");
        let jwk = Jwk::from_bytes(jwk.to_string()).unwrap();
        let signer = EddsaJwsAlgorithm::Eddsa.signer_from_jwk(&jwk).unwrap();
        Self { kid: key.id.as_str().to_owned(), signer: Box::new(signer) }
    }

    /// The header of an access token this key signs.
    pub(super) fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "kid": self.kid, "typ": "at+jwt" })
    }

    pub(super) fn sign(&self, input: &[u8]) -> Vec<u8> {
        self.signer.sign(input).unwrap()
    }

    /// A token with a right signature.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        token(header, claims, |input| self.sign(input))
    }

    /// The same, written so.
    pub(super) fn written(&self, header: &str, claims: &str) -> String {
        written(header, claims, |input| self.sign(input))
    }
}
