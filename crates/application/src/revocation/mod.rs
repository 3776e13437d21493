//! What every authenticated request is checked against, without a round trip.

mod gate;
mod keeper;
mod view;

pub use gate::{AccessError, AccessGate, Authenticated};
pub use keeper::RevocationKeeper;
pub use view::{RevocationView, UserFloor, Verdict};
