//! SRP-6a as clients speak it: our own module in Node and in Chromium, and the Python package `srp`, at the real service.

mod between;
mod browser;
mod many;
mod module;
mod person;
mod program;
mod story;
mod traffic;
