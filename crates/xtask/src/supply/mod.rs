//! `cargo xtask supply`: what this workspace is built from, held against `deny.toml`.
//!
//! The file is cargo-deny's, so that `cargo deny check` reads the same decisions; this command needs nothing installed and
//! no network, asks for a reason where cargo-deny is content with an entry, and looks at the binary separately.

mod graph;
mod licences;
mod ours;
mod policy;
mod rules;

use std::path::Path;

use graph::Graph;
use policy::Policy;

use crate::Outcome;

/// Checks the workspace at `root` and prints every violation. Any violation is an error.
pub(crate) fn run(root: &Path) -> Outcome {
    let text = std::fs::read_to_string(root.join("deny.toml")).map_err(|error| format!("deny.toml: {error}"))?;
    let policy = Policy::parse(&text)?;
    let graph = Graph::load(root, &policy.graph.targets)?;
    let mut violations = check(&graph, &policy);
    violations.extend(licences::ours(&graph.members));
    violations.extend(ours::check(root, &graph.members)?);
    violations.extend(rules::times(&std::fs::read_to_string(root.join("docs/supply-chain.md")).unwrap_or_default()));
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!(
                "supply: {} packages, {} of them in the binary, {} doubled with a reason, {} under an exception",
                graph.packages.len(),
                graph.linked.len(),
                policy.bans.skip.len(),
                policy.licenses.exceptions.len()
            );
            Ok(())
        }
        1 => Err("supply: 1 violation".into()),
        n => Err(format!("supply: {n} violations").into()),
    }
}

/// Everything that is wrong with what others wrote, one sentence each.
fn check(graph: &Graph, policy: &Policy) -> Vec<String> {
    let mut violations = rules::sources(&graph.locked, &graph.members);
    violations.extend(rules::bans(&graph.packages, &policy.bans.deny));
    violations.extend(rules::duplicates(&graph.packages, &policy.bans.skip));
    violations.extend(rules::advisories(&policy.advisories.ignore));
    violations.extend(licences::check(&graph.packages, &policy.licenses));
    violations
}
