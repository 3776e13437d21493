//! What a machine needs: to build the workspace a C compiler, make and perl (for the vendored OpenSSL); to test it curl,
//! with which a test runs the README's commands, nginx and systemd-analyze, a browser and its driver, a program that
//! computes one-time codes, Node and Python for other people's SRP, and the programs of the servers tests start for
//! themselves.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use keystead_test_servers::{Error, Suite};

use crate::{Outcome, shell};

/// A program the build or a test calls, and the Debian package that has it.
struct Tool {
    /// Any of these will do.
    programs: &'static [&'static str],
    package: &'static str,
    purpose: &'static str,
}

const TOOLS: [Tool; 12] = [
    Tool { programs: &["cc", "gcc", "clang"], package: "gcc libc6-dev", purpose: "a C compiler: SQLite, OpenSSL" },
    Tool { programs: &["make"], package: "make", purpose: "builds OpenSSL" },
    Tool { programs: &[PERL], package: "perl", purpose: "configures OpenSSL" },
    Tool { programs: &["curl"], package: "curl", purpose: "runs the README's commands" },
    Tool { programs: &["nginx"], package: "nginx-light", purpose: "stands in front of two replicas" },
    Tool { programs: &["systemd-analyze"], package: "systemd", purpose: "reads the units in deploy/" },
    Tool { programs: &["chromium"], package: "chromium", purpose: "registers passkeys and logs in with them" },
    Tool { programs: &["oathtool"], package: "oathtool", purpose: "computes the codes of an authenticator program" },
    Tool { programs: &["chromedriver"], package: "chromium-driver", purpose: "drives the browser" },
    Tool { programs: &["node"], package: "nodejs", purpose: "runs the client of clients/javascript" },
    Tool { programs: &["npm"], package: "npm", purpose: "fetches the OpenID Connect provider of the tests" },
    Tool { programs: &[PYTHON], package: "python3-srp", purpose: "speaks SRP as other people do" },
];

/// Stands for a perl with its modules. Debian always has one without them (`perl-base`), which OpenSSL cannot use.
const PERL: &str = "perl";
/// Modules OpenSSL's configuration loads that `perl-base` lacks.
const PERL_MODULES: [&str; 3] = ["-MFindBin", "-MIPC::Cmd", "-MFile::Compare"];

/// Stands for a Python with the package `srp`. Packages of Debian are those of Debian's own, whatever else comes first.
const PYTHON: &str = "/usr/bin/python3";

/// Makes sure everything is there. Installs it when this runs as root and apt-get exists; otherwise the error says what is
/// missing and the line that installs it. Servers the environment points at (`KEYSTEAD_TEST_…_URL`) need no programs.
pub(crate) fn ensure() -> Outcome {
    let tools = missing(&TOOLS, is_usable);
    for tool in &tools {
        println!("missing: {} ({})", tool.programs.join(" or "), tool.purpose);
    }
    let mut packages: Vec<&str> = tools.iter().flat_map(|tool| tool.package.split(' ')).collect();
    let servers = Suite::missing();
    for server in &servers {
        println!("missing: {} (the stores of the tests)", server.programs);
        packages.push(server.packages);
    }
    if packages.is_empty() {
        return Ok(());
    }
    install(&packages)?;
    // Debian's package can be older than what is needed.
    Suite::missing().first().map_or(Ok(()), |still| Err(Error::Missing(*still).into()))
}

/// Installs Debian packages, when that is possible without asking. None of them starts a service, now or with
/// the machine.
pub(crate) fn install(packages: &[&str]) -> Outcome {
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !(is_root() && shell::on_path("apt-get")) {
        return Err(format!("install what is missing, for example: sudo sh -c '{by_hand}'").into());
    }
    println!("{by_hand}");
    let apt = || {
        let mut command = Command::new("apt-get");
        // The second one keeps the file written below.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("UCF_FORCE_CONFFOLD", "1");
        command
    };
    if packages.contains(&"postgresql") {
        let _ = write_new(Path::new(CLUSTER_CONFIG), CLUSTER_CONFIG_TEXT);
    }
    let _services = NoServices::declare();
    shell::run(apt().args(["update", "--quiet=2"]))?;
    shell::run(apt().args(["install", "-y", "--quiet=2", "--no-install-recommends"]).args(packages))?;
    for (_, unit) in SERVICES.iter().filter(|(package, _)| packages.contains(package)) {
        // Fails without systemd, where nothing starts by itself.
        let _ = Command::new("systemctl").args(["--quiet", "disable", unit]).stderr(Stdio::null()).status();
    }
    Ok(())
}

/// Packages whose services would start with the machine, and those services.
const SERVICES: [(&str, &str); 2] = [("redis-server", "redis-server"), ("nginx-light", "nginx")];

/// Debian's PostgreSQL creates a cluster when it is installed, unless this says otherwise.
const CLUSTER_CONFIG: &str = "/etc/postgresql-common/createcluster.conf";
const CLUSTER_CONFIG_TEXT: &str = "\
# Written by Keystead's `cargo xtask test` before it installed PostgreSQL: tests start servers of their own, and nothing
# else on this machine asked for one. Remove it when you want a cluster with the next version.
create_main_cluster = false
";

/// While it exists, installed packages do not start their services: invoke-rc.d(8) asks this program.
struct NoServices {
    /// Whether the program was written here; one that was there before decides as it did.
    is_ours: bool,
}

impl NoServices {
    const PROGRAM: &str = "/usr/sbin/policy-rc.d";

    fn declare() -> Self {
        let path = Path::new(Self::PROGRAM);
        let written = write_new(path, "#!/bin/sh\n# Written while `cargo xtask test` installs packages.\nexit 101\n");
        let executable = || std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
        Self { is_ours: written.and_then(|()| executable()).is_ok() }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = std::fs::remove_file(Self::PROGRAM);
        }
    }
}

/// Writes a file that does not exist yet.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// Whether a program is there, perl with what OpenSSL wants of it, and Python with what tests want of it.
fn is_usable(program: &str) -> bool {
    let succeeds = |arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    // Debian keeps servers where only root's PATH looks.
    let exists = shell::on_path(program) || Path::new("/usr/sbin").join(program).is_file();
    exists
        && match program {
            PERL => succeeds(&[&PERL_MODULES[..], &["-e", "1"]].concat()),
            PYTHON => succeeds(&["-c", "import srp"]),
            _ => true,
        }
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
        assert_eq!(
            packages(&[
                "gcc",
                "make",
                "perl",
                "curl",
                "nginx",
                "systemd-analyze",
                "chromium",
                "chromedriver",
                "oathtool",
                "node",
                "npm",
                PYTHON
            ]),
            Vec::<&str>::new()
        );
        assert_eq!(
            packages(&["cc", "chromium"]),
            [
                "make",
                "perl",
                "curl",
                "nginx-light",
                "systemd",
                "oathtool",
                "chromium-driver",
                "nodejs",
                "npm",
                "python3-srp"
            ]
        );
        assert_eq!(
            packages(&[
                "make",
                "perl",
                "curl",
                "nginx",
                "systemd-analyze",
                "chromium",
                "chromedriver",
                "oathtool",
                "node",
                "npm",
                PYTHON
            ]),
            ["gcc libc6-dev"]
        );
    }

    #[test]
    fn a_file_that_exists_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        write_new(&path, "first").unwrap();
        assert!(write_new(&path, "second").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
    }

    #[test]
    fn the_effective_user_decides() {
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective_user("Name:\tx\nUid:\t0\t1000\t0\t0\n"), Some(1000));
        assert_eq!(effective_user("Name:\tx\n"), None);
    }
}
