//! Captchas: asking for them, and the one that needs nobody else, a proof of work.

mod gate;

pub use gate::{CaptchaDesk, CaptchaGate, CaptchaRefusal};
