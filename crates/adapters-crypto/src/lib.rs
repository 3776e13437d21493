//! The cryptographic adapters behind Keystead's ports. Only this crate names a cryptographic library.
//!
//! | module | ports it implements | built on |
//! |---|---|---|
//! | [`clock`] | `Clock` | the operating system |
//! | [`entropy`] | `Entropy` | getrandom |
//! | [`passwords`] | `PasswordHasher`, `PasswordImport` | argon2, threads of its own; bcrypt, OpenSSL |
//! | [`sealing`] | `Sealer` | XChaCha20-Poly1305, HKDF-SHA-256 |
//! | [`keyring`] | `KeyRing`, `TokenSigner`, `TokenVerifier`, `KeyedHash`, `Vault` | josekit, ed25519-dalek, HMAC, HKDF |
//! | [`srp`] | `SrpServer` | crypto-bigint, the threads of [`passwords`] |
//! | [`totp`] | `TotpAlgorithm` | totp-lite, qrcode |

pub mod clock;
mod encoding;
pub mod entropy;
mod jws;
mod kdf;
pub mod keyring;
pub mod passwords;
pub mod sealing;
pub mod srp;
pub mod totp;

pub use clock::{SettableClock, SystemClock};
pub use entropy::OsEntropy;
pub use jws::{JwsError, verify_jws};
pub use keyring::{JoseKeyRing, KeyRingConfig, SigningAlgorithm};
pub use passwords::{Argon2Config, Argon2ConfigError, Argon2Hasher, ForeignHashes, HashPool};
pub use sealing::{MasterKeyError, MasterKeySealer};
pub use srp::Srp;
pub use totp::Totp;
