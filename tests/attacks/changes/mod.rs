//! M01 to M04: addresses. Who changes one, who had it first, how else it may be written, and who gets it of many who want it.

mod forms;
mod hijacked;
mod moved;
mod raced;

const ADA: &str = "ada@example.com";
const MALLORY: &str = "mallory@example.com";
