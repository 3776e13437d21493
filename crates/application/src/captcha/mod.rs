//! Captchas: asking for them, and the one that needs nobody else, a proof of work.

mod difficulty;
mod gate;
mod proof_of_work;

pub use difficulty::{BASE_DIFFICULTY, HashingLoad, LoadGauge, MOST_LOAD_BITS};
pub use gate::{CaptchaDesk, CaptchaGate, CaptchaRefusal, LONGEST_SOLUTION};
pub use proof_of_work::{Challenge, ProofOfWork, ProofOfWorkTools};
