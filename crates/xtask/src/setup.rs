//! What a machine needs before the workspace builds: a C compiler, make and perl (for the vendored OpenSSL); and curl,
//! with which a test runs the README's commands.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Outcome, shell};

/// A program the build calls, and the Debian package that has it.
struct Tool {
    /// Any of these will do.
    programs: &'static [&'static str],
    package: &'static str,
    purpose: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool { programs: &["cc", "gcc", "clang"], package: "gcc libc6-dev", purpose: "a C compiler: SQLite, OpenSSL" },
    Tool { programs: &["make"], package: "make", purpose: "builds OpenSSL" },
    Tool { programs: &[PERL], package: "perl", purpose: "configures OpenSSL" },
    Tool { programs: &["curl"], package: "curl", purpose: "runs the README's commands" },
];

/// Stands for a perl with its modules. Debian always has one without them (`perl-base`), which OpenSSL cannot use.
const PERL: &str = "perl";
/// Modules OpenSSL's configuration loads that `perl-base` lacks.
const PERL_MODULES: [&str; 3] = ["-MFindBin", "-MIPC::Cmd", "-MFile::Compare"];

/// Makes sure the build tools are there. Installs them when this runs as root and apt-get exists; otherwise the error
/// says what is missing and the line that installs it.
pub(crate) fn ensure_build_tools() -> Outcome {
    let missing = missing(&TOOLS, is_usable);
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        println!("missing: {} ({})", tool.programs.join(" or "), tool.purpose);
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.package.split(' ')).collect();
    install(&packages)
}

/// Installs Debian packages, when that is possible without asking.
pub(crate) fn install(packages: &[&str]) -> Outcome {
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !(is_root() && shell::on_path("apt-get")) {
        return Err(format!("install what is missing, for example: sudo sh -c '{by_hand}'").into());
    }
    println!("{by_hand}");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    shell::run(apt().args(["update", "--quiet=2"]))?;
    shell::run(apt().args(["install", "-y", "--quiet=2", "--no-install-recommends"]).args(packages))
}

/// Whether a program is there, and perl with what OpenSSL wants of it.
fn is_usable(program: &str) -> bool {
    let has_modules = || {
        let mut perl = Command::new(PERL);
        perl.args(PERL_MODULES).args(["-e", "1"]).stderr(Stdio::null());
        perl.status().is_ok_and(|status| status.success())
    };
    shell::on_path(program) && (program != PERL || has_modules())
}

fn missing(tools: &[Tool], present: impl Fn(&str) -> bool) -> Vec<&Tool> {
    tools.iter().filter(|tool| !tool.programs.iter().any(|program| present(program))).collect()
}

/// Whether the effective user is root, from the kernel's own account of this process.
fn is_root() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    effective_user(&status) == Some(0)
}

/// The second number of the `Uid:` line of proc(5).
fn effective_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_exactly_the_packages_that_are_missing() {
        let packages = |present: &[&str]| -> Vec<&str> {
            missing(&TOOLS, |program| present.contains(&program)).iter().map(|tool| tool.package).collect()
        };
        assert_eq!(packages(&["gcc", "make", "perl", "curl"]), Vec::<&str>::new());
        assert_eq!(packages(&["cc"]), ["make", "perl", "curl"]);
        assert_eq!(packages(&["make", "perl", "curl"]), ["gcc libc6-dev"]);
    }

    #[test]
    fn the_effective_user_decides() {
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective_user("Name:\tx\nUid:\t0\t1000\t0\t0\n"), Some(1000));
        assert_eq!(effective_user("Name:\tx\n"), None);
    }
}
