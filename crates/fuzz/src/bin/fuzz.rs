//! The program libFuzzer drives. `KEYSTEAD_FUZZ_TARGET` says which target; `cargo xtask fuzz` sets it.
#![no_main]

use std::sync::LazyLock;

use keystead_fuzz::{TARGETS, Target, find};

/// The target of this process. `?` asks for all of them, each with the longest input worth trying.
static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("KEYSTEAD_FUZZ_TARGET").unwrap_or_default();
    if let Some(target) = find(&name) {
        return target;
    }
    for target in TARGETS {
        println!("{} {}", target.name, target.longest);
    }
    std::process::exit(if name == "?" { 0 } else { 2 })
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
