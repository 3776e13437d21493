//! The containers on one machine.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use ipnet::IpNet;
use serde_json::Value;

use super::image::is_pinned;
use super::yaml::{at, document, list, text};
use super::{is_setting, load, read};
use crate::process::keystead::run;

const FILE: &str = "deploy/compose/compose.yaml";
/// What `keystead init --compose` writes into `http.trusted_proxies`.
const PROXY: &str = "10.213.77.10";
const REPLICAS: [&str; 2] = ["keystead-a", "keystead-b"];

fn services() -> Vec<(String, Value)> {
    let services = at(&document(FILE), "/services").as_object().unwrap().clone();
    services.into_iter().collect()
}

fn service(name: &str) -> Value {
    at(&document(FILE), &format!("/services/{name}")).clone()
}

/// The networks a service is in.
fn networks(service: &Value) -> BTreeSet<&str> {
    at(service, "/networks").as_object().unwrap().keys().map(String::as_str).collect()
}

fn names(names: &[&'static str]) -> BTreeSet<&'static str> {
    names.iter().copied().collect()
}

#[test]
fn every_container_has_no_more_rights_than_it_needs() {
    for (name, service) in services() {
        assert_eq!(at(&service, "/read_only"), true, "{name}");
        assert_eq!(list(&service, "/cap_drop"), ["ALL"], "{name}");
        assert_eq!(list(&service, "/security_opt"), ["no-new-privileges:true"], "{name}");
        for more in ["privileged", "cap_add", "pid", "network_mode", "devices", "userns_mode"] {
            assert!(service.get(more).is_none(), "{name}: {more}");
        }
        let user: u32 = text(&service, "/user").split_once(':').unwrap().0.parse().unwrap();
        assert_ne!(user, 0, "{name}");
        for limit in ["cpus", "memory", "pids"] {
            at(&service, &format!("/deploy/resources/limits/{limit}"));
        }
        assert_eq!(text(&service, "/restart"), "unless-stopped", "{name}");
        let image = text(&service, "/image");
        assert!(is_pinned(image) || image == "${KEYSTEAD_IMAGE:-keystead:latest}", "{name}: {image}");
    }
}

#[test]
fn only_nginx_is_reached_from_outside_and_only_replicas_reach_the_stores() {
    let file = document(FILE);
    for (name, service) in services() {
        assert_eq!(service.get("ports").is_some(), name == "nginx", "{name}");
        let expected = match name.as_str() {
            "nginx" => names(&["outside", "inside"]),
            "postgres" | "redis" => names(&["stores"]),
            _ => names(&["inside", "stores"]),
        };
        assert_eq!(networks(&service), expected, "{name}");
    }
    assert_eq!(at(&file, "/networks/stores/internal"), true);
    assert_eq!(list(&service("nginx"), "/ports"), ["80:8080", "443:8443"]);
}

#[test]
fn nginx_and_the_replicas_find_and_trust_each_other() {
    let subnet: IpNet = text(&document(FILE), "/networks/inside/ipam/config/0/subnet").parse().unwrap();
    let address = |name: &str| text(&service(name), "/networks/inside/ipv4_address").to_owned();
    assert_eq!(address("nginx"), PROXY);
    let configuration = read("deploy/compose/nginx.conf");
    for name in REPLICAS {
        let address = address(name);
        assert!(subnet.contains(&address.parse::<std::net::IpAddr>().unwrap()), "{name}");
        assert!(configuration.contains(&format!("server {address}:8787 ")), "{name}");
    }
    assert_eq!(configuration.matches(":8787").count(), REPLICAS.len());
}

#[test]
fn the_master_key_is_the_replicas_alone() {
    for (name, service) in services() {
        let is_replica = REPLICAS.contains(&name.as_str());
        assert_eq!(service.get("env_file").and_then(Value::as_str), is_replica.then_some(".env"), "{name}");
        assert!(!is_replica || service.get("environment").is_none(), "{name}");
        let environment = service.get("environment").map(Value::to_string).unwrap_or_default();
        assert!(!environment.contains("KEYSTEAD"), "{name}: {environment}");
    }
    // What is not in that file has no other value: compose refuses to start.
    let asked: Vec<String> =
        read(FILE).split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0.to_owned()).collect();
    let wanted = |name: &str| asked.iter().any(|asked| asked.starts_with(&format!("{name}:?")));
    assert!(wanted("POSTGRES_PASSWORD") && wanted("REDIS_PASSWORD"), "{asked:?}");
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn replicas_start_after_their_stores_and_end_after_their_requests() {
    for name in REPLICAS {
        let replica = service(name);
        for store in ["postgres", "redis"] {
            assert_eq!(text(&replica, &format!("/depends_on/{store}/condition")), "service_healthy");
            list(&service(store), "/healthcheck/test");
        }
        assert_eq!(text(&replica, "/stop_grace_period"), "35s");
        assert_eq!(list(&replica, "/volumes"), ["./keystead.toml:/etc/keystead/keystead.toml:ro"]);
    }
}

#[test]
fn redis_keeps_its_data_and_evicts_none() {
    let redis = service("redis");
    let script = list(&redis, "/entrypoint").last().unwrap().as_str().unwrap();
    let lines: Vec<&str> = script.lines().collect();
    for line in ["appendonly yes", "maxmemory-policy noeviction", "requirepass $$REDIS_PASSWORD"] {
        assert!(lines.contains(&line), "{line}: {script}");
    }
    assert_eq!(list(&redis, "/volumes"), ["redis:/data"]);
    assert_eq!(list(&service("postgres"), "/volumes"), ["postgres:/var/lib/postgresql/data"]);
}

#[test]
fn what_init_writes_is_what_the_containers_ask_for() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["init", "--compose", "--public-url", "https://id.example.com", "--json"];
    run(home.path(), &arguments).ok();
    let written = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(written("compose.yaml"), read(FILE));
    assert_eq!(written("nginx.conf"), read("deploy/compose/nginx.conf"));
    // Containers of other users read what is no secret; the one other file is the owner's.
    let mode = |name: &str| home.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    let (mut secret, mut shown) = (Vec::new(), BTreeSet::new());
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if mode(&name) == 0o600 {
            secret.push(name);
        } else {
            shown.insert(name);
        }
    }
    assert_eq!(shown, ["compose.yaml", "keystead.toml", "nginx.conf"].map(str::to_owned).into());
    assert_eq!(secret, [text(&service(REPLICAS[0]), "/env_file")]);
    let environment: Vec<(String, String)> = written(&secret[0])
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    for (name, value) in &environment {
        let is_password = ["POSTGRES_PASSWORD", "REDIS_PASSWORD"].contains(&name.as_str());
        assert!(is_setting(name) || is_password, "{name}");
        // Neither the shell in front of Redis nor an address takes a part of it for something else.
        assert!(!is_password || value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{name}");
    }
    let value =
        |name: &str| environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap();
    assert!(value("KEYSTEAD_STORE__URL").contains(&format!(":{}@postgres:5432/keystead", value("POSTGRES_PASSWORD"))));
    assert!(value("KEYSTEAD_STORE__REDIS_URL").contains(&format!(":{}@redis:6379", value("REDIS_PASSWORD"))));

    let settings: Vec<_> = environment.iter().filter(|(name, _)| is_setting(name)).cloned().collect();
    let config = load(&home.path().join("keystead.toml"), &settings);
    assert_eq!(config.check_safety(), []);
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8787");
    assert_eq!(config.http.trusted_proxies, [PROXY.parse::<std::net::IpAddr>().unwrap().into()]);
}
