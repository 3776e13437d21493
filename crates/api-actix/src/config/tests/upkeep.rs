//! Administration, audit log, retention.

use keystead_application::settings::Retention;

use super::*;

const DAY: Duration = Duration::from_hours(24);

#[test]
fn defaults_are_those_of_the_use_cases() {
    let config = Bench::good().load();
    assert_eq!(config.retention.settings(), Retention::default());
    assert!(config.admin.notify_impersonation && config.audit.stream);
}

#[test]
fn what_is_set_reaches_the_use_cases() {
    let bench = Bench::good()
        .flag("retention.deactivated_days", "0")
        .flag("retention.login_history_days", "15")
        .flag("retention.audit_days", "1")
        .flag("admin.notify_impersonation", "false")
        .flag("audit.stream", "false");
    let config = bench.load();
    let expected = Retention { deactivated: Duration::ZERO, logins: 15 * DAY, audit: DAY };
    assert_eq!(config.retention.settings(), expected);
    assert!(!config.admin.notify_impersonation && !config.audit.stream);
}

#[test]
fn zero_days_keep_audit_events_for_ever() {
    let config = Bench::good().flag("retention.audit_days", "0").load();
    assert_eq!(config.retention.audit, None);
    let now = keystead_domain::Timestamp::from_micros(i64::MAX);
    assert!(now.minus(config.retention.settings().audit) <= keystead_domain::Timestamp::from_micros(0));
}

#[test]
fn a_login_is_shown_for_as_long_as_its_session_lives() {
    let problems = Bench::good().flag("retention.login_history_days", "14").problems();
    assert_eq!(only(&problems).key, "retention.login_history_days");
    assert!(problems[0].fix.contains("tokens.session_life"), "{problems:?}");
    // Who only made sessions longer has nothing else to change.
    let config = Bench::good().flag("tokens.session_life", "300d").load();
    assert_eq!(config.retention.login_history, 300 * DAY);
}

#[test]
fn days_are_whole_and_at_most_ten_years() {
    for (key, value) in [
        ("retention.deactivated_days", "-1"),
        ("retention.deactivated_days", "3651"),
        ("retention.login_history_days", "0"),
        ("retention.audit_days", "0.5"),
        ("retention.audit_days", "400d"),
        ("admin.notify_impersonation", "yes"),
        ("audit.stream", "1"),
    ] {
        let problems = Bench::good().flag(key, value).problems();
        assert_eq!(only(&problems).key, key, "{value}");
    }
}

#[test]
fn dev_shows_audit_events_to_those_who_ask() {
    let directory = tempfile::tempdir().unwrap();
    let key = SecretBytes::new(vec![7; MASTER_KEY_BYTES]);
    let config = Config::for_dev(([127, 0, 0, 1], 0).into(), directory.path(), &key).unwrap();
    assert!(!config.audit.stream);
}
