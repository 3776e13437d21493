//! Request bodies: strict JSON, two document shapes, every problem at once.

mod check;
mod dto;
mod extract;
mod json;
mod pointers;
#[cfg(test)]
mod tests;

pub use check::{Check, Gathered, password_problem};
pub use dto::{Attribute, Attributes, Change, Dto};
pub use extract::{ApiBody, BodyCap, BodyLimits, NoBody, OptionalBody, RawBody};
pub use json::Json;
pub use pointers::Pointers;
