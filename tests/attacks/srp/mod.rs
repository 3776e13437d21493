//! S01 to S06: numbers that give an SRP session away, answers that were given before, challenges that were tampered with,
//! guesses, credentials anybody could guess, and numbers that another arithmetic writes otherwise.

mod forged;
mod guesses;
mod interop;
mod replays;
mod values;

use crate::srp::{BOB, EMAIL, NEW, NOBODY, WRONG, actors, invalid_credentials, limited, srp_invalid};
