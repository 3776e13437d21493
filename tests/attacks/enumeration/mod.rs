//! E01 to E04: what an answer, its time or what follows from it tells about who has an account.

mod factors;
mod names;
mod srp;
