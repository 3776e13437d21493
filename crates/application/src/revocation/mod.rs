//! What every authenticated request is checked against, without a round trip.

mod gate;
mod keeper;
mod listener;
mod view;

pub use gate::{AccessError, AccessGate, Authenticated};
pub use keeper::RevocationKeeper;
pub use listener::{Heard, RevocationListener};
pub use view::{RevocationView, UserFloor, Verdict};
