//! The diesel vocabulary Keystead's databases share: tables, rows, conversions, constraint names. Opens no connection.
//!
//! | room | what it holds |
//! |---|---|
//! | [`schema`] | the tables both databases have |
//! | [`types`] | SQL types with one name here and a native column type in each database |
//! | [`rows`] | one struct per table, and its way from and to the domain |
//! | [`constraint`] | which [`Constraint`](keystead_application::ports::Constraint) a refused write lost against |
//! | [`error`] | what a database error means to the ports |
//! | [`Hold`] | what a transaction holds against others |
//! | [`Prepared`] | statements prepared once per connection |
//! | [`transfer`] | whole rows of every table on their way from one database to another |
//! | `transfer_pages.rs` | reading them page by page; compiled by each adapter, not here |
//! | `repositories/` | what can be done inside a transaction; compiled by each adapter, not here |

pub mod constraint;
pub mod error;
mod hold;
mod prepared;
pub mod rows;
pub mod schema;
pub mod transfer;
pub mod types;

pub use constraint::constraint_of;
pub use error::{RowError, is_statement_error, store_error};
pub use hold::Hold;
pub use prepared::Prepared;

/// Most rows one statement takes away because they lapsed: some ten milliseconds' work, so that a backlog of a million
/// neither outlasts a statement's time nor keeps writers waiting.
pub const LAPSED_BATCH: u32 = 1000;
