//! The sources laid over each other, everything that is refused, and what `keystead init` writes.

mod attendance;
mod factors;
mod upkeep;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use keystead_domain::SecretString;
use tempfile::TempDir;

use super::*;

/// 32 bytes of a random generator.
const KEY: &str = "0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco";

const FILE: &str = "
[http]
public_url = \"https://id.example.com\"
trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]
[store]
url = \"sqlite://keystead.db\"
[secrets]
master_key = \"0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco\"
";

struct Bench {
    dir: TempDir,
    sources: ConfigSources,
}

impl Bench {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystead.toml");
        write_new_private(&path, text).unwrap();
        Self { dir, sources: ConfigSources { file: Some(path), ..ConfigSources::default() } }
    }

    fn good() -> Self {
        Self::new(FILE)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn load(&self) -> Config {
        Config::load(self.sources.clone()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn problems(&self) -> Vec<Problem> {
        Config::load(self.sources.clone()).expect_err("was accepted").0
    }

    fn risks(&self) -> Vec<(Risk, String)> {
        self.load().check_safety().into_iter().map(|found| (found.risk, found.problem.key)).collect()
    }
}

fn only(problems: &[Problem]) -> &Problem {
    assert_eq!(problems.len(), 1, "{problems:#?}");
    &problems[0]
}

#[test]
fn each_source_overrides_the_one_before() {
    let file = format!("{FILE}\n[passwords]\nmin_length = 10\n");
    assert_eq!(Bench::good().load().passwords.min_length, 8);
    assert_eq!(Bench::new(&file).load().passwords.min_length, 10);
    let env = Bench::new(&file).env("KEYSTEAD_PASSWORDS__MIN_LENGTH", "12");
    assert_eq!(env.load().passwords.min_length, 12);
    let flag = env.flag("passwords.min_length", "14").flag("passwords.min_length", "15");
    assert_eq!(flag.load().passwords.min_length, 15);
    let source = flag.flag("passwords.min_length", "7").problems();
    assert_eq!(only(&source).source, Source::Flag("passwords.min_length".to_owned()));
}

#[test]
fn defaults_are_the_figures_of_the_domain() {
    use keystead_domain::limits;
    let config = Bench::good().load();
    assert_eq!(config.tokens.access_life, limits::ACCESS_TOKEN_LIFE);
    assert_eq!(config.tokens.session_life, limits::SESSION_LIFE);
    assert_eq!(config.tokens.session_idle, limits::SESSION_IDLE);
    assert_eq!(config.tokens.max_sessions, limits::SESSIONS_MOST);
    assert_eq!(config.tokens.issuer, "https://id.example.com");
    assert_eq!(config.http.body_bytes, limits::BODY_BYTES);
    assert_eq!(config.passwords.argon2.memory_kib, limits::ARGON2_MEMORY_KIB);
    let argon2 = config.passwords.argon2;
    assert_eq!(argon2.queue, (argon2.permits * limits::HASH_QUEUE_PER_PERMIT).max(limits::HASH_QUEUE_LEAST));
    assert_eq!(config.limits.policies, limits::RATE_POLICIES);
    assert!(config.check_safety().is_empty());
}

#[test]
fn lists_nested_keys_and_hyphens_work_in_the_environment() {
    let config = Bench::good()
        .env("KEYSTEAD_HTTP__TRUSTED_PROXIES", "127.0.0.1, ::1")
        .env("KEYSTEAD_LIMITS__REGISTER_VERIFY", "3/20s")
        .env("KEYSTEAD_PASSWORDS__ARGON2__PERMITS", "3")
        .env("KEYSTEAD_REGISTRATION__OPEN", "false")
        .env("KEYSTEAD_HTTP__ADMIN_LISTEN", "")
        .load();
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert_eq!(config.http.forwarded, ForwardedHeader::XForwardedFor);
    let policy = config.limits.policy(&keystead_domain::limits::REGISTER_VERIFY);
    assert_eq!((policy.limit, policy.window), (3, Duration::from_secs(20)));
    assert_eq!((config.passwords.argon2.permits, config.passwords.argon2.queue), (3, 96));
    assert!(!config.registration.open && config.http.admin_listen.is_none());
}

#[test]
fn an_address_has_a_quarter_of_the_connections_unless_told() {
    let share = |bench: Bench| bench.load().http.max_connections_per_address;
    assert_eq!(share(Bench::good()), 2500);
    assert_eq!(share(Bench::good().flag("http.max_connections", "64")), 100);
    assert_eq!(share(Bench::good().flag("http.max_connections_per_address", "7")), 7);
    let none = Bench::good().flag("http.max_connections_per_address", "0");
    assert_eq!(only(&none.problems()).key, "http.max_connections_per_address");
}

#[test]
fn one_header_is_believed_about_addresses() {
    let by = |header| Bench::good().flag("http.forwarded", header);
    assert_eq!(by("forwarded").load().http.forwarded, ForwardedHeader::Forwarded);
    assert_eq!(by("x-forwarded-for").load().http.forwarded, ForwardedHeader::XForwardedFor);
    for other in ["x-real-ip", "both", "Forwarded"] {
        assert_eq!(only(&by(other).problems()).key, "http.forwarded", "{other}");
    }
}

#[test]
fn variables_of_kubernetes_services_are_passed_over() {
    let bench = Bench::good()
        .env("KEYSTEAD_SERVICE_HOST", "10.0.0.1")
        .env("KEYSTEAD_SERVICE_PORT_HTTP", "80")
        .env("KEYSTEAD_PORT", "tcp://10.0.0.1:80")
        .env("KEYSTEAD_PORT_80_TCP_ADDR", "10.0.0.1")
        .env("PATH", "/bin");
    bench.load();
    let problems = bench.env("KEYSTEAD_LISTEN", "127.0.0.1:1").problems();
    assert!(only(&problems).fix.contains("KEYSTEAD_HTTP__LISTEN"), "{problems:?}");
}

#[test]
fn unknown_keys_name_their_line_and_the_nearest_key() {
    let text = FILE.replace("trusted_proxies", "trusted_proxy");
    let problems = Bench::new(&text).problems();
    let problem = only(&problems);
    assert_eq!(problem.key, "http.trusted_proxy");
    assert!(matches!(problem.source, Source::File { line: 4, .. }), "{:?}", problem.source);
    assert_eq!(problem.fix, "did you mean http.trusted_proxies?");
    let bench = Bench::new(&format!("{FILE}\n[htpp]\nlisten = \"x\"\n")).env("KEYSTEAD_TOKENS__ISUER", "x");
    let problems = bench.flag("log.fromat", "text").problems();
    let fixes: Vec<&str> = problems.iter().map(|problem| problem.fix.as_str()).collect();
    let expected = ["did you mean [http]?", "did you mean KEYSTEAD_TOKENS__ISSUER?", "did you mean log.format?"];
    assert_eq!(fixes, expected);
}

#[test]
fn all_problems_are_told_at_once_with_key_source_and_fix() {
    let text = "
        http = 5
        [tokens]
        access_life = \"61m\"
        algorithm = \"RS256\"
        session_life = 15
        [limits]
        login = \"often\"
        allow = [\"lan\", \"10.0.0.0/8\", \"wan\"]
        [store]
        url = \"mysql://user:hunter2@db/keystead\"
        [secrets]
        master_key = \"hunter2\"
        [log]
        level = \"inof\"
    ";
    let bench = Bench::new(text).env("KEYSTEAD_REGISTRATION__OPEN", "maybe").flag("mail.from", "nobody");
    let problems = bench.problems();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    for key in [
        "http",
        "http.public_url",
        "tokens.access_life",
        "tokens.algorithm",
        "tokens.session_life",
        "limits.login",
        "limits.allow",
        "store.url",
        "secrets.master_key",
        "log.level",
        "registration.open",
        "mail.from",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(keys.iter().filter(|key| **key == "limits.allow").count(), 2);
    let text = ConfigErrors(problems.clone()).to_string();
    assert!(!text.contains("hunter2"), "{text}");
    let block = "error: registration.open (from environment variable KEYSTEAD_REGISTRATION__OPEN): \"maybe\" is neither true \
                 nor false\n  fix: write true or false";
    assert!(text.contains(block), "{text}");
    assert_eq!(text.matches("error: ").count(), keys.len());
    assert_eq!(text.matches("\n  fix: ").count(), keys.len());
}

#[test]
fn broken_toml_is_told_by_line_and_without_its_text() {
    let problems = Bench::new(&format!("{FILE}master_key_file = hunter2\n")).problems();
    assert!(!problems.is_empty());
    assert!(matches!(problems[0].source, Source::File { line: 9, .. }), "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.what.contains("not valid TOML")), "{problems:#?}");
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:#?}");
    let missing = ConfigSources { file: Some("/nonexistent/keystead.toml".into()), ..ConfigSources::default() };
    let problems = Config::load(missing).unwrap_err().0;
    assert!(only(&problems).what.contains("cannot be read"));
}

#[test]
fn secrets_come_from_files_too_and_not_from_both() {
    let text = FILE.replace("master_key = ", "# master_key = ");
    let bench = Bench::new(&text.replace("[secrets]", "[secrets]\nmaster_key_file = \"key\""));
    bench.file("key", &format!("{KEY}\n"), 0o600);
    let config = bench.load();
    assert_eq!(encode_master_key(&config.secrets.master_key).as_str(), KEY);

    // A later source displaces the earlier one, in whichever form.
    let other = Bench::good();
    let path = other.file("other", "3q2-7_sX0K4yJ8m1cZ6vT5uWbA9eLpRnHgFdQkOoIiE", 0o600);
    let config = other.env("KEYSTEAD_SECRETS__MASTER_KEY_FILE", &path).load();
    assert_ne!(encode_master_key(&config.secrets.master_key).as_str(), KEY);
    assert_eq!(encode_master_key(&bench.flag("secrets.master_key", KEY).load().secrets.master_key).as_str(), KEY);

    let both = Bench::new(&FILE.replace("[secrets]", "[secrets]\nmaster_key_file = \"key\""));
    both.file("key", KEY, 0o600);
    assert!(only(&both.problems()).what.contains("and so is secrets.master_key_file"));
}

#[test]
fn unreadable_and_bad_secret_files_are_told() {
    for (content, what) in [(None, "cannot be read"), (Some("\n"), "is empty"), (Some("c2hvcnQ"), "holds 5 bytes")] {
        let bench = Bench::new(&FILE.replace("master_key = ", "# master_key = "));
        if let Some(content) = content {
            bench.file("key", content, 0o600);
        }
        let path = bench.dir.path().join("key");
        let problems = bench.flag("secrets.master_key_file", path.to_str().unwrap()).problems();
        assert_eq!(only(&problems).key, "secrets.master_key_file");
        assert!(problems[0].what.contains(what), "{}", problems[0].what);
    }
    let endless = Bench::good().flag("secrets.master_key_file", "/dev/zero").problems();
    assert!(only(&endless).what.contains("too many"), "{endless:?}");
}

#[test]
fn relative_paths_start_where_they_were_written() {
    let bench = Bench::new(&format!("{FILE}\n[mail]\ntemplates_dir = \"mail\"\n"));
    let config = bench.load();
    assert_eq!(config.store.sqlite().unwrap().path, bench.dir.path().join("keystead.db"));
    assert_eq!(config.mail.templates_dir, Some(bench.dir.path().join("mail")));
    assert_eq!(
        bench.flag("store.url", "sqlite://here.db").load().store.sqlite().unwrap().path,
        PathBuf::from("here.db")
    );
}

#[test]
fn mail_settings_fit_together() {
    let smtp = |url| Bench::good().flag("mail.smtp_url", url);
    let MailTransport::Smtp(server) =
        smtp("smtp://ada@mail.example.com").flag("mail.smtp_password", "x").load().mail.transport
    else {
        panic!("no server")
    };
    assert_eq!(server.from.as_str(), "no-reply@id.example.com");
    assert_eq!(server.credentials.unwrap().1.expose(), "x");
    for (bench, what) in [
        (smtp("smtp://ada@mail.example.com"), "names a user and no password"),
        (smtp("smtp://ada:y@mail.example.com").flag("mail.smtp_password", "x"), "mail.smtp_password is set too"),
        (smtp("smtp://mail.example.com").flag("mail.smtp_password", "x"), "names no user"),
        (Bench::good().flag("mail.smtp_password", "x"), "without a mail server"),
        (smtp("smtp://mail.example.com").flag("http.public_url", "https://192.0.2.1"), "has no domain"),
        (smtp("smtp://mail.example.com").flag("mail.from_name", "a\nBcc: b"), "more than one line"),
    ] {
        let problems = bench.problems();
        assert!(only(&problems).what.contains(what), "{problems:?}");
    }
}

#[test]
fn lives_fit_together() {
    for (key, value) in [
        ("tokens.access_life", "60m"),
        ("tokens.access_life", "1s"),
        ("tokens.session_idle", "16d"),
        ("tokens.session_idle", "19m"),
        ("tokens.max_sessions", "0"),
        ("tokens.max_sessions", "1001"),
    ] {
        assert!(only(&Bench::good().flag(key, value).problems()).key.starts_with("tokens."), "{key} = {value}");
    }
    assert_eq!(Bench::good().flag("tokens.access_life", "59m").load().tokens.access_life, Duration::from_mins(59));
}

#[test]
fn half_a_certificate_is_refused() {
    for key in ["http.tls.certificate_file", "http.tls.key_file"] {
        assert!(only(&Bench::good().flag(key, "x.pem").problems()).what.contains("without its"));
    }
}

#[test]
fn proxies_are_no_large_part_of_the_world() {
    let risks = |nets: &str| Bench::good().flag("http.trusted_proxies", nets).risks();
    for nets in ["0.0.0.0/1,128.0.0.0/1", "::/1,8000::/1", "::ffff:0:0/96", "10.0.0.0/7", "fc00::/6", "2000::/15"] {
        let found = risks(nets);
        assert_eq!(found.len(), nets.split(',').count(), "{nets}: {found:?}");
        assert!(found.iter().all(|(risk, _)| *risk == Risk::TrustEveryone), "{nets}: {found:?}");
    }
    let usual = "10.0.0.0/8,172.16.0.0/12,127.0.0.1,::1,2001:db8::/32,fc00::/7,fd00::/8,::ffff:10.0.0.0/104";
    assert_eq!(risks(usual), []);
}

#[test]
fn every_danger_is_refused_unless_it_is_accepted_by_name() {
    let zeros = "A".repeat(43);
    let cases = [
        (Risk::WeakMasterKey, "secrets.master_key", zeros.as_str()),
        (Risk::PlainHttp, "http.public_url", "http://id.example.com"),
        (Risk::PlainHttp, "http.allowed_origins", "http://app.example.com"),
        (Risk::PlainSmtp, "mail.smtp_url", "smtp+plain://mail.example.com"),
        (Risk::WeakPasswordHash, "passwords.argon2.memory_kib", "19455"),
        (Risk::LimitsOff, "limits.mode", "off"),
        (Risk::TrustEveryone, "http.trusted_proxies", "0.0.0.0/0"),
    ];
    for (risk, key, value) in cases {
        let bench = Bench::good().flag(key, value);
        assert_eq!(bench.risks(), [(risk, key.to_owned())]);
        let told = bench.load().check_safety()[0].to_string();
        assert!(told.starts_with(&format!("error: {key} (from flag --set {key}): ")), "{told}");
        assert!(told.contains("\n  fix: ") && told.contains(&format!("unsafe_allow = [\"{}\"]", risk.as_str())));
        assert!(key != "secrets.master_key" || !told.contains(value));

        let accepted = bench.flag("unsafe_allow", risk.as_str()).load();
        assert!(accepted.check_safety().is_empty());
        assert!(accepted.warnings().iter().any(|warning| warning.0.key == key), "{:?}", accepted.warnings());
    }
    let problems = Bench::good().flag("unsafe_allow", "plain-htp").problems();
    assert!(only(&problems).fix.contains("\"plain-http\""), "{problems:?}");
}

#[test]
fn what_stays_on_this_machine_may_be_plain() {
    let bench = Bench::good().flag("http.public_url", "http://localhost:8787");
    assert_eq!(bench.flag("mail.smtp_url", "smtp+plain://127.0.0.1:1025").risks(), []);
    assert_eq!(Bench::good().flag("mail.smtp_url", "smtp://mail.example.com").risks(), []);
}

#[test]
fn files_open_to_everyone_are_refused_and_those_open_to_a_group_told() {
    let bench = Bench::good();
    let key = bench.file("key", KEY, 0o600);
    bench.file("keystead.db", "", 0o600);
    let certificate = bench.file("cert.pem", "", 0o644);
    let tls = bench.file("tls.pem", "", 0o600);
    let bench = bench
        .flag("secrets.master_key_file", &key)
        .flag("http.tls.key_file", &tls)
        .flag("http.tls.certificate_file", &certificate);
    assert_eq!(bench.risks(), []);
    let file = bench.sources.file.clone().unwrap();
    for (path, named) in [
        (PathBuf::from(&key), "secrets.master_key_file"),
        (PathBuf::from(&tls), "http.tls.key_file"),
        (bench.dir.path().join("keystead.db"), "store.url"),
        (file, "configuration file"),
    ] {
        for mode in [0o604, 0o602, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(bench.risks(), [(Risk::ReadableFiles, named.to_owned())]);
            assert!(bench.load().check_safety()[0].problem.fix.contains("chmod 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(bench.risks(), []);
        let told = bench
            .load()
            .warnings()
            .into_iter()
            .any(|warning| warning.0.key == named && warning.0.what.contains("group"));
        assert!(told, "{named}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_file_without_secrets_may_be_read_by_everyone() {
    let bench = Bench::new(&FILE.replace("master_key = ", "# master_key = "));
    fs::set_permissions(bench.sources.file.as_ref().unwrap(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(bench.env("KEYSTEAD_SECRETS__MASTER_KEY", KEY).risks(), []);
}

#[test]
fn doubtful_settings_are_warned_about() {
    let keys = |bench: Bench| -> Vec<String> { bench.load().warnings().into_iter().map(|found| found.0.key).collect() };
    let quiet = || Bench::good().flag("mail.smtp_url", "smtps://mail.example.com");
    assert_eq!(keys(quiet()), [""; 0]);
    assert_eq!(keys(Bench::good()), ["mail.smtp_url"]);
    let alone = || quiet().flag("http.trusted_proxies", "");
    assert_eq!(keys(alone().flag("http.listen", "0.0.0.0:8787")), ["http.listen"]);
    assert_eq!(keys(alone()), ["http.trusted_proxies"]);
    assert_eq!(
        keys(alone().flag("http.public_url", "http://localhost:8787").flag("mail.from", "a@example.com")),
        [""; 0]
    );
    assert_eq!(keys(quiet().flag("http.admin_listen", "0.0.0.0:9787")), ["http.admin_listen"]);
}

#[test]
fn dev_needs_no_settings_and_follows_its_port() {
    let key = Bench::good().load().secrets.master_key;
    let mut config = Config::for_dev("127.0.0.1:0".parse().unwrap(), Path::new("/tmp/try"), &key).unwrap();
    config.set_bound_address("127.0.0.1:4321".parse().unwrap());
    assert_eq!(config.http.public_url.as_str(), "http://127.0.0.1:4321");
    assert_eq!(config.tokens.issuer, "http://127.0.0.1", "tokens outlive a port that changes with every start");
    let fixed = Config::for_dev("127.0.0.1:8787".parse().unwrap(), Path::new("/tmp/try"), &key).unwrap();
    assert_eq!(fixed.tokens.issuer, "http://127.0.0.1:8787");
    assert!(config.http.is_allowed_origin("http://localhost:4321"));
    assert!(!config.http.is_allowed_origin("http://localhost:1"));
    assert!(matches!(config.mail.transport, MailTransport::DevMailbox));
    assert_eq!(config.store.sqlite().unwrap().path, Path::new("/tmp/try/keystead.db"));
    let refused = Config::for_dev("0.0.0.0:8787".parse().unwrap(), Path::new("/tmp/try"), &key).unwrap_err().0;
    assert!(only(&refused).what.contains("other machines"));
    let mut served = Bench::good().load();
    served.set_bound_address("127.0.0.1:4321".parse().unwrap());
    assert_eq!(served.http.public_url.as_str(), "https://id.example.com");
}

fn init_options(out: PathBuf) -> InitOptions {
    InitOptions {
        out,
        store: InitStore::Sqlite("keystead.db".into()),
        public_url: "https://id.example.com".to_owned(),
        listen: "127.0.0.1:9999".parse().unwrap(),
        smtp_url: Some("smtp://ada:p%23w@mail.example.com".to_owned().into()),
        mail_from: None,
        master_key: Bench::good().load().secrets.master_key,
        compose: None,
    }
}

#[test]
fn what_init_writes_is_private_loads_and_is_safe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keystead.toml");
    let options = init_options(path.clone());
    let text = render_init(&options).unwrap().config;
    write_new_private(&path, text.expose()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let config = Config::load(ConfigSources { file: Some(path.clone()), ..ConfigSources::default() }).unwrap();
    assert_eq!(config.http.listen, options.listen);
    assert_eq!(config.http.public_url.as_str(), options.public_url);
    assert_eq!(config.secrets.master_key, options.master_key);
    assert_eq!(config.store.sqlite().unwrap().path, std::path::absolute("keystead.db").unwrap());
    assert_eq!(config.check_safety(), []);
    let MailTransport::Smtp(smtp) = &config.mail.transport else { panic!("no mail server") };
    assert_eq!(smtp.credentials.as_ref().unwrap().1.expose(), "p#w");

    let again = write_new_private(&path, "other").unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), text.expose());
}

#[test]
fn init_refuses_what_serve_would_refuse_and_writes_nothing() {
    let mut options = init_options("keystead.toml".into());
    options.public_url = "https://id.example.com/auth".to_owned();
    let refused = render_init(&options).err().unwrap().0;
    assert_eq!(only(&refused).key, "http.public_url");
    options.public_url = "https://id.example.com".to_owned();
    options.smtp_url = None;
    let text = render_init(&options).unwrap().config;
    assert!(text.expose().contains("url = \"sqlite://keystead.db\"") && text.expose().contains("# smtp_url = "));
}

#[test]
fn what_init_writes_for_containers_keeps_its_secrets_apart() {
    let secret = |text: &str| SecretString::new(text.to_owned());
    let mut options = init_options("keystead.toml".into());
    options.listen = "0.0.0.0:8787".parse().unwrap();
    options.store = InitStore::Shared {
        postgres: secret("postgres://keystead:hunter2@postgres/keystead?sslmode=disable"),
        redis: secret("redis://:hunter3@redis"),
    };
    options.compose = Some(InitCompose {
        variables: vec![("POSTGRES_PASSWORD", secret("hunter2"))],
        unsafe_allow: vec![Risk::PlainPostgres, Risk::PlainRedis],
        proxy: "10.213.77.10",
    });
    let rendered = render_init(&options).unwrap();
    let (text, environment) = (rendered.config, rendered.environment.unwrap());
    for hidden in ["hunter", "p%23w", encode_master_key(&options.master_key).as_str()] {
        assert!(!text.expose().contains(hidden) && environment.expose().contains(hidden), "{hidden}");
    }
    let variables: Vec<(String, String)> = environment
        .expose()
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    assert!(variables.contains(&("POSTGRES_PASSWORD".into(), "hunter2".into())));
    let config = Config::from_text(Path::new("keystead.toml"), text.expose(), &variables).unwrap();
    assert_eq!(config.check_safety(), []);
    assert_eq!(config.http.trusted_proxies, ["10.213.77.10/32".parse().unwrap()]);
    assert!(matches!(config.store.data, Data::Shared(_)));
}

#[test]
fn plain_links_to_other_machines_are_dangers() {
    let risks = |postgres: &str, redis: &str| {
        let bench = Bench::good().flag("store.url", postgres).flag("store.redis_url", redis);
        bench.load().check_safety().iter().map(|danger| danger.risk).collect::<Vec<_>>()
    };
    assert_eq!(risks("postgres://k:p@db.example.com/k", "rediss://redis.example.com"), []);
    assert_eq!(risks("postgres://k:p@127.0.0.1/k", "redis://localhost"), []);
    let plain = risks("postgres://k:p@db.example.com/k?sslmode=disable", "redis://redis.example.com");
    assert_eq!(plain, [Risk::PlainPostgres, Risk::PlainRedis]);
}

#[test]
fn postgres_and_redis_come_together() {
    let problems = Bench::good().flag("store.url", "postgres://k:p@db/k").problems();
    assert_eq!(only(&problems).key, "store.redis_url");
    let problems = Bench::good().flag("store.redis_url", "redis://r").problems();
    assert_eq!(only(&problems).key, "store.redis_url");
    let shared = Bench::good().flag("store.url", "postgres://k:p@db/k").flag("store.redis_url", "redis://r").load();
    assert_eq!(shared.store.acquire_timeout, Duration::from_secs(1));
    assert_eq!(Bench::good().load().store.acquire_timeout, Duration::from_secs(5));
}

#[test]
fn every_line_init_comments_out_is_a_working_setting() {
    let text = render_init(&init_options("keystead.toml".into())).unwrap().config;
    let is_setting = |line: &&str| {
        line.strip_prefix("# ").is_some_and(|rest| {
            rest.split_once(" = ")
                .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)))
        })
    };
    let commented: Vec<&str> = text.expose().lines().filter(is_setting).collect();
    let shown = keys::all().iter().filter(|key| !key.secret_file).count();
    assert_eq!(commented.len(), shown - 5, "{commented:#?}");
    let live: Vec<String> = text
        .expose()
        .lines()
        // What would stand beside the same secret in `smtp_url`, beside another way for mail to leave, beside another
        // sender; and what a SQLite file needs no more.
        .filter(|line| {
            let beside = ["smtp_password = ", "sendgrid_key = ", "messaging_service = ", "redis_url = "];
            beside.iter().all(|setting| !line.contains(setting))
        })
        .map(|line| if is_setting(&line) { line.replacen("# ", "", 1) } else { line.to_owned() })
        // Its other settings mean nothing without a provider.
        .map(|line| line.replace("provider = \"none\"", "provider = \"twilio\""))
        .map(|line| line.replace("provider = \"proof-of-work\"", "provider = \"siteverify\""))
        .collect();
    Config::from_text(Path::new("keystead.toml"), &live.join("\n"), &[]).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn the_reference_names_every_key_variable_and_danger() {
    let text = reference_markdown();
    for key in keys::all() {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", key.name)));
        let row = row.unwrap_or_else(|| panic!("{} is missing", key.name));
        assert!(row.contains(&key.env()) && row.contains(&key.meaning), "{row}");
        assert_eq!(row.matches(" | ").count(), 3, "{row}");
    }
    for risk in Risk::all() {
        assert!(text.contains(risk.as_str()));
    }
}
