//! `cargo xtask arch`: refuses dependencies that point the wrong way.

mod model;
mod rules;
mod sources;

use std::path::Path;

use crate::Outcome;

/// Checks the workspace at `root` and prints every violation. Any violation is an error.
pub(crate) fn run(root: &Path) -> Outcome {
    let model = model::Model::load(root)?;
    let violations = check(&model);
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!(
                "architecture: {} crates, {} files, every arrow allowed",
                model.packages.len(),
                model.sources.len()
            );
            Ok(())
        }
        1 => Err("architecture: 1 violation".into()),
        n => Err(format!("architecture: {n} violations").into()),
    }
}

/// Everything that is wrong, one sentence each.
fn check(model: &model::Model) -> Vec<String> {
    let mut violations = rules::check(&model.packages);
    violations.extend(sources::check(&model.sources));
    violations
}
