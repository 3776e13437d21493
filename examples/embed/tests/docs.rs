//! The Rust in `docs/embedding.md` is the Rust of the files it names.
#![expect(clippy::expect_used, reason = "a page of another form must fail the test")]

use std::fs;
use std::path::Path;

/// The path in the comment line above a block of Rust, and the block.
fn snippets(text: &str) -> Vec<(&str, &str)> {
    let blocks = text.split("<!-- ").skip(1).map(|rest| rest.split_once(" -->\n```rust\n").expect("a path, then Rust"));
    blocks.map(|(path, rest)| (path, rest.split_once("```").expect("the block ends").0)).collect()
}

#[test]
fn every_snippet_stands_in_its_file_as_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/embedding.md")).unwrap();
    let snippets = snippets(&page);
    assert_eq!(snippets.len(), page.matches("```rust").count(), "every block names its file");
    assert!(snippets.len() >= 5);
    for (path, snippet) in snippets {
        let file = fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(file.contains(snippet), "not in {path} as printed:\n{snippet}");
    }
}
