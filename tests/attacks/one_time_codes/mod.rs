//! O01 to O12: second factors and codes that are repeated, raced for, guessed, moved, misspelt, or gone around.

mod again;
mod binding;
mod credentials;
mod enrolment;
mod forms;
mod guesses;
mod pumping;
mod races;
mod skipping;
mod steps;

/// Where codes and challenges are kept, with the tries at them, which a refused guess may change.
const TRIES: [&str; 1] = ["ceremonies"];
