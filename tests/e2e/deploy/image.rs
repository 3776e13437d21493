//! The image, and the images the others start.

use std::collections::BTreeSet;

use keystead_api_actix::config::keys;

use super::read;

/// Whether an image is named with a tag or a digest, and the tag moves with no release.
pub(super) fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap();
    name.contains("@sha256:") || name.split_once(':').is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

#[test]
fn the_image_is_small_pinned_and_nobodys_root() {
    let file = read("deploy/Containerfile");
    let instructions: Vec<(&str, &str)> =
        file.lines().filter(|line| !line.starts_with(['#', ' '])).filter_map(|line| line.split_once(' ')).collect();
    let of = |name: &str| -> Vec<&str> {
        instructions.iter().filter(|(instruction, _)| *instruction == name).map(|(_, rest)| *rest).collect()
    };
    assert_eq!(of("FROM"), ["${RUST_IMAGE} AS build", "${RUNTIME_IMAGE}"]);
    let bases: Vec<&str> =
        of("ARG").iter().filter_map(|arg| arg.split_once("_IMAGE=")).map(|(_, image)| image).collect();
    assert!(bases.len() == 2 && bases.iter().all(|image| is_pinned(image)), "{bases:?}");
    // The compiler the workspace asks for.
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(bases[0].contains(&format!("rust:{version}-")), "{}", bases[0]);
    assert_eq!(of("USER"), ["65532:65532"]);
    assert_eq!(of("ENTRYPOINT"), ["[\"/keystead\"]"]);
    let (_, port) = keys::find("http.listen").unwrap().sample().split_once(':').unwrap();
    assert_eq!(of("EXPOSE"), [port]);
    assert!(file.contains("cargo build --release --locked"), "{file}");
}

#[test]
fn the_build_sees_what_it_needs_and_no_more() {
    let ignored = read(".dockerignore");
    let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "everything is left out first");
    let taken: BTreeSet<&str> = lines.iter().filter_map(|line| line.strip_prefix('!')).collect();
    for needed in ["Cargo.toml", "Cargo.lock", "crates", "examples", "tests", "migrations", "deploy/compose"] {
        assert!(taken.contains(needed) && super::path(needed).exists(), "{needed}");
    }
    assert!(!taken.contains(".git") && !taken.contains("target"), "{taken:?}");
}

#[test]
fn tags_that_move_are_told_from_those_that_do_not() {
    for pinned in ["nginx:1.28-alpine", "host:5000/keystead:0.1.0", "keystead@sha256:00"] {
        assert!(is_pinned(pinned), "{pinned}");
    }
    for moving in ["nginx", "nginx:latest", "host:5000/keystead", "nginx:"] {
        assert!(!is_pinned(moving), "{moving}");
    }
}
