//! Changes of factors and contacts, as their owner makes them and as a thief would.

mod contacts;
mod passkeys;
mod totp;
