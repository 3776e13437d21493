//! Every seed and every finding there ever was goes through its target again.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use keystead_fuzz::{TARGETS, find};

/// Fewer say nothing about a parser.
const FEWEST: usize = 10;
/// The most a seed has, in bytes: they are here to be read.
const LARGEST: u64 = 2048;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files below a target's folder, none when there is no such folder.
fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(kind).join(target)) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn corpus_is_replayed() {
    let mut findings = Vec::new();
    for target in TARGETS {
        let seeds = files("corpus", target.name);
        assert!(seeds.len() >= FEWEST, "corpus/{} has {} seeds", target.name, seeds.len());
        for seed in &seeds {
            assert!(fs::metadata(seed).unwrap().len() <= LARGEST, "{} is too large to be read", seed.display());
        }
        for file in seeds.into_iter().chain(files("regressions", target.name)) {
            let bytes = fs::read(&file).unwrap();
            if catch_unwind(|| (target.run)(&bytes)).is_err() {
                findings.push(file);
            }
        }
    }
    assert!(findings.is_empty(), "findings: {findings:#?}");
}

#[test]
fn no_folder_is_without_a_target_and_no_target_without_a_name() {
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len(), "every name once");
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')));
    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(folder(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(find(&name).is_some() || name == "README.md", "{kind}/{name} belongs to no target");
        }
    }
}

#[test]
fn an_input_of_no_form_at_all_is_no_finding() {
    for target in TARGETS {
        for input in [&b""[..], b"\n", b"~", b"\0", b"\xff\xfe", b"{}", b"$", b"~\0\0\0\0", &[0x80; 300]] {
            assert!(catch_unwind(|| (target.run)(input)).is_ok(), "{} breaks at {input:?}", target.name);
        }
    }
}
