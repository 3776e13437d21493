//! Passkeys in a real browser: Chromium with virtual authenticators at the real service.

pub(crate) mod driver;
mod front;
mod page;
mod place;
mod raced;
mod refused;
mod story;
