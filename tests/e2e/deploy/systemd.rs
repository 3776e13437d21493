//! The units, as systemd itself reads and rates them.

use std::path::{Path, PathBuf};

use keystead_api_actix::config::EX_CONFIG;

use super::{is_setting, read, replaced, run};
use crate::process::keystead::binary;

/// Highest exposure `systemd-analyze security` may find, in tenths; 100 is none of the protections, 20 and below "OK".
const EXPOSURE: &str = "15";

const PROGRAM: &str = "/usr/local/bin/keystead";

/// The unit under the name it would be installed by, calling the binary of these tests.
fn installed(directory: &Path, file: &str, name: &str) -> PathBuf {
    let unit = replaced(&read(&format!("deploy/systemd/{file}")), PROGRAM, binary().to_str().unwrap());
    let path = directory.join(name);
    std::fs::write(&path, unit).unwrap();
    path
}

/// What `systemd-analyze` says about a unit: whether it is content, and its words.
fn analyze(arguments: &[&str], unit: &Path) -> (bool, String) {
    let output = run("systemd-analyze", "systemd", &[arguments, &[unit.to_str().unwrap()]].concat());
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(words).unwrap())
}

const UNITS: [(&str, &str); 2] =
    [("keystead.service", "keystead.service"), ("keystead@.service", "keystead@8787.service")];

#[test]
fn systemd_finds_nothing_to_say_about_the_units() {
    let directory = tempfile::tempdir().unwrap();
    for (file, name) in UNITS {
        let unit = installed(directory.path(), file, name);
        assert_eq!(analyze(&["verify", "--man=no"], &unit), (true, String::new()), "{name}");
        // It would have.
        let wrong = read(unit.to_str().unwrap()).replace("[Service]\n", "[Service]\nProtectSytem=strict\n");
        std::fs::write(&unit, wrong).unwrap();
        assert!(analyze(&["verify", "--man=no"], &unit).1.contains("ProtectSytem"));
    }
}

#[test]
fn systemd_rates_the_units_as_hardly_exposed() {
    let directory = tempfile::tempdir().unwrap();
    for (file, name) in UNITS {
        let unit = installed(directory.path(), file, name);
        let (content, words) = analyze(&["security", "--offline=true", "--threshold", EXPOSURE], &unit);
        assert!(content && words.contains("Overall exposure level"), "{name}: {words}");
    }
}

#[test]
fn the_units_stop_and_restart_as_the_service_means_it() {
    for (file, _) in UNITS {
        let unit = read(&format!("deploy/systemd/{file}"));
        let exit = format!("RestartPreventExitStatus={EX_CONFIG}");
        for line in ["Restart=on-failure", &exit, "TimeoutStopSec=35s", "DynamicUser=yes", "NoNewPrivileges=yes"] {
            assert!(unit.lines().any(|found| found == line), "{file}: {line}");
        }
    }
}

#[test]
fn secrets_kept_apart_are_read_under_names_the_service_knows() {
    let drop_in = read("deploy/systemd/keystead.service.d/secrets.conf");
    let credentials: Vec<&str> = drop_in
        .lines()
        .filter_map(|line| line.strip_prefix("LoadCredential="))
        .map(|credential| credential.split_once(':').unwrap().0)
        .collect();
    let variables: Vec<(&str, &str)> = drop_in
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="))
        .map(|assignment| assignment.split_once("=%d/").unwrap())
        .collect();
    assert!(!credentials.is_empty());
    assert_eq!(variables.iter().map(|(_, file)| *file).collect::<Vec<_>>(), credentials);
    for (variable, _) in variables {
        assert!(variable.ends_with("_FILE") && is_setting(variable), "{variable}");
    }
}
