//! Every parser of outside bytes as a function of bytes, with what must hold of its answers.
//!
//! A target fails by panicking: that is how a fuzzer, and the test that replays the corpus, learn of a finding. Beyond
//! "no panic" each one asks for properties: what is read is written back and read to the same; canonical forms are their
//! own canonical forms; what was signed or sealed is taken unchanged or not at all; limits hold; a refusal is the client's
//! fault (4xx), never the service's.
//!
//! `corpus/<target>/` holds the seeds: examples of the RFCs and the attacks the service is held against.
//! `regressions/<target>/` holds every finding there was. Both are replayed by `cargo test`, and are what
//! `cargo xtask fuzz` starts from. See `docs/fuzzing.md`.
#![expect(clippy::expect_used, reason = "a finding is a panic")]

mod check;
mod input;
mod strict;
mod targets;
mod world;

pub use targets::TARGETS;

/// A parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line, and the name of its folders.
    pub name: &'static str,
    /// Runs it once. Panics when a property does not hold.
    pub run: fn(&[u8]),
    /// The longest input worth trying, in bytes: a little more than the parser takes.
    pub longest: usize,
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
