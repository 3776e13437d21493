//! C01, C02: no captcha, a bad one, one of somewhere else, one that was used; and a company that is asked about it and is
//! down, dawdles or lies.

mod company;
mod once;
mod refused;
mod routes;

use crate::captcha::{challenge, invalid, required, solve, solved, start};
