//! Files that are written from the code: the OpenAPI document and the tables under `docs/`.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, conformance, shell};

/// What `keystead debug docs` can print.
const TABLES: [&str; 4] = ["api-errors", "limits", "configuration", "authorization"];

/// Writes or checks `docs/openapi.json`.
pub(crate) fn openapi(root: &Path, check: bool) -> Outcome {
    let keystead = shell::debug_keystead(root)?;
    let text = shell::read(Command::new(keystead).arg("openapi"))?;
    serde_json::from_str::<serde_json::Value>(&text)?;
    settle(root, "docs/openapi.json", &text, check, "openapi")
}

/// Writes or checks the generated tables.
pub(crate) fn docs(root: &Path, check: bool) -> Outcome {
    let keystead = shell::debug_keystead(root)?;
    let mut stale = Vec::new();
    for table in TABLES {
        let text = shell::read(Command::new(&keystead).args(["debug", "docs", table]))?;
        if let Err(error) = settle(root, &format!("docs/{table}.md"), &text, check, "docs") {
            stale.push(error.to_string());
        }
    }
    let conformance =
        conformance::page(root).and_then(|text| settle(root, "docs/conformance.md", &text, check, "docs"));
    stale.extend(conformance.err().map(|error| error.to_string()));
    if stale.is_empty() { Ok(()) } else { Err(stale.join("\n").into()) }
}

/// Writes the file when it differs, or says where it differs.
fn settle(root: &Path, name: &str, text: &str, check: bool, command: &str) -> Outcome {
    let path = root.join(name);
    let wanted = format!("{}\n", text.trim_end());
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == wanted {
        println!("{name}: up to date");
        return Ok(());
    }
    if check {
        return Err(format!(
            "{name} is not what the code says: {}; run `cargo xtask {command}`",
            difference(&found, &wanted)
        )
        .into());
    }
    std::fs::write(&path, wanted)?;
    println!("{name}: written");
    Ok(())
}

/// The first line that differs, in words.
fn difference(found: &str, wanted: &str) -> String {
    let (mut ours, mut theirs) = (found.lines(), wanted.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (ours.next(), theirs.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return "line ends differ".into(),
            (a, b) => {
                let side = |line: Option<&str>| line.map_or("the end of the file".into(), |line| format!("`{line}`"));
                return format!("line {number} has {}, the code says {}", side(a), side(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_fails_the_check_and_is_named_with_its_first_difference() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        settle(folder.path(), "docs/limits.md", "a\nb\n", false, "docs").unwrap();
        settle(folder.path(), "docs/limits.md", "a\nb", true, "docs").unwrap();
        let error = settle(folder.path(), "docs/limits.md", "a\nc\n", true, "docs").unwrap_err().to_string();
        assert_eq!(
            error,
            "docs/limits.md is not what the code says: line 2 has `b`, the code says `c`; run `cargo xtask docs`"
        );
        let shorter = settle(folder.path(), "docs/limits.md", "a\n", true, "docs").unwrap_err().to_string();
        assert!(shorter.contains("line 2 has `b`, the code says the end of the file"), "{shorter}");
        assert_eq!(std::fs::read_to_string(folder.path().join("docs/limits.md")).unwrap(), "a\nb\n");
    }
}
