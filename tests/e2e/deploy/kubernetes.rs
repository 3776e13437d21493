//! The manifests: what they claim, and that they fit each other and the service.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_api_actix::config::Data;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::image::is_pinned;
use super::yaml::{at, document, list, text};
use super::{is_setting, load, path};

const FOLDER: &str = "deploy/kubernetes";

fn manifest(name: &str) -> Value {
    document(&format!("{FOLDER}/{name}.yaml"))
}

/// The pod of the deployment.
fn pod() -> Value {
    at(&manifest("deployment"), "/spec/template/spec").clone()
}

/// Its containers, those that run first included.
fn containers() -> Vec<Value> {
    let pod = pod();
    [list(&pod, "/initContainers"), list(&pod, "/containers")].concat()
}

fn the_container() -> Value {
    let pod = pod();
    assert_eq!(list(&pod, "/containers").len(), 1);
    at(&pod, "/containers/0").clone()
}

#[test]
fn everything_but_the_secret_is_applied() {
    let files = std::fs::read_dir(path(FOLDER)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> =
        files.filter(|name| !["kustomization.yaml", "secret.example.yaml"].contains(&name.as_str())).collect();
    let kustomization = manifest("kustomization");
    let listed = list(&kustomization, "/resources").iter().map(|name| name.as_str().unwrap().to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), files);
    let name = text(&kustomization, "/images/0/name");
    let image = format!("{name}:{}", text(&kustomization, "/images/0/newTag"));
    for container in containers() {
        assert!(is_pinned(&image) && text(&container, "/image") == image, "{container:#}");
    }
}

#[test]
fn pods_hold_to_the_restricted_profile() {
    assert_eq!(manifest("namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let pod = pod();
    assert_eq!(at(&pod, "/securityContext/runAsNonRoot"), true);
    assert_eq!(at(&pod, "/securityContext/runAsUser"), 65532);
    assert_eq!(text(&pod, "/securityContext/seccompProfile/type"), "RuntimeDefault");
    assert_eq!(at(&pod, "/automountServiceAccountToken"), false);
    // Else the cluster puts KEYSTEAD_… variables of its own into the environment.
    assert_eq!(at(&pod, "/enableServiceLinks"), false);
    for container in containers() {
        let expected = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
        });
        assert_eq!(at(&container, "/securityContext"), &expected);
        at(&container, "/resources/requests/cpu");
        at(&container, "/resources/limits/memory");
    }
    for volume in list(&pod, "/volumes") {
        assert!(volume.get("hostPath").is_none());
    }
}

#[test]
fn the_cluster_asks_the_service_how_it_is_and_lets_it_end() {
    let (pod, container) = (pod(), the_container());
    for (probe, path) in
        [("startupProbe", "/health/live"), ("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")]
    {
        assert_eq!(at(&container, &format!("/{probe}/httpGet")), &json!({"path": path, "port": "http"}));
    }
    let pause = at(&container, "/lifecycle/preStop/sleep/seconds").as_u64().unwrap();
    // 30 s is how long requests under way may take.
    assert!(at(&pod, "/terminationGracePeriodSeconds").as_u64().unwrap() >= pause + 30);
    let strategy = manifest("deployment");
    assert_eq!(at(&strategy, "/spec/strategy/rollingUpdate/maxUnavailable"), 0);
    assert_eq!(at(&strategy, "/spec/replicas"), 2);
    let keys: Vec<&str> =
        list(&pod, "/topologySpreadConstraints").iter().map(|spread| text(spread, "/topologyKey")).collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
}

#[test]
fn the_configuration_is_valid_safe_and_complete() {
    let (secret, config_map) = (manifest("secret.example"), manifest("configmap"));
    let mut env = Vec::new();
    for variable in list(&the_container(), "/env") {
        let name = text(variable, "/name");
        assert!(is_setting(name), "{name}");
        assert_eq!(text(variable, "/valueFrom/secretKeyRef/name"), text(&secret, "/metadata/name"));
        let key = text(variable, "/valueFrom/secretKeyRef/key");
        let value = match (key, text(&secret, &format!("/stringData/{key}"))) {
            // Nobody can start with the example's.
            ("KEYSTEAD_SECRETS__MASTER_KEY", value) => {
                assert_eq!(value, "");
                STANDARD.encode(Sha256::digest("what openssl rand would print"))
            }
            (_, value) => value.to_owned(),
        };
        env.push((name.to_owned(), value));
    }
    assert_eq!(env.len(), at(&secret, "/stringData").as_object().unwrap().len());

    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keystead.toml");
    std::fs::write(&file, text(&config_map, "/data/keystead.toml")).unwrap();
    let config = load(&file, &env);
    assert_eq!(config.check_safety(), []);
    let ports: Vec<u64> =
        list(&the_container(), "/ports").iter().map(|port| at(port, "/containerPort").as_u64().unwrap()).collect();
    let listening = [config.http.listen.port(), config.http.admin_listen.unwrap().port()].map(u64::from);
    assert_eq!(ports, listening);
    assert!(!config.http.trusted_proxies.is_empty() && config.http.listen.ip().is_unspecified());
    let Data::Shared(shared) = &config.store.data else { panic!("replicas need PostgreSQL and Redis") };
    assert!(!shared.postgres.migrate && shared.postgres.link.tls && shared.redis.link.tls);
    // As many hashes at once as processors, and their memory fits.
    let cpus: u64 = text(&the_container(), "/resources/limits/cpu").parse().unwrap();
    let permits = config.passwords.argon2.permits as u64;
    assert_eq!(permits, cpus);
    let memory: u64 = text(&the_container(), "/resources/limits/memory").strip_suffix("Mi").unwrap().parse().unwrap();
    assert!(permits * u64::from(config.passwords.argon2.memory_kib) / 1024 + 64 + 128 <= memory);
}

#[test]
fn each_pod_migrates_before_it_serves_with_the_same_configuration() {
    let pod = pod();
    let (first, then) = (at(&pod, "/initContainers/0"), at(&pod, "/containers/0"));
    let configured = ["--config", "/etc/keystead/keystead.toml"];
    assert_eq!(list(first, "/args"), [&["migrate"], &configured[..]].concat());
    assert_eq!(list(then, "/args"), [&["serve"], &configured[..]].concat());
    assert_eq!(at(first, "/env"), at(then, "/env"));
    assert_eq!(at(first, "/volumeMounts"), at(then, "/volumeMounts"));
    let volume = at(&pod, "/volumes/0");
    assert_eq!(text(volume, "/name"), text(then, "/volumeMounts/0/name"));
    assert_eq!(text(volume, "/configMap/name"), text(&manifest("configmap"), "/metadata/name"));
    assert_eq!(text(then, "/volumeMounts/0/mountPath"), "/etc/keystead");
}

#[test]
fn everything_selects_the_pods_of_the_deployment() {
    let deployment = manifest("deployment");
    let labels = at(&deployment, "/spec/template/metadata/labels");
    for (name, pointer) in [
        ("deployment", "/spec/selector/matchLabels"),
        ("deployment", "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels"),
        ("deployment", "/spec/template/spec/topologySpreadConstraints/1/labelSelector/matchLabels"),
        ("service", "/spec/selector"),
        ("disruptionbudget", "/spec/selector/matchLabels"),
        ("networkpolicy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(at(&manifest(name), pointer), labels, "{name}{pointer}");
    }
    assert_eq!(at(&manifest("disruptionbudget"), "/spec/maxUnavailable"), 1);
    let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": text(&deployment, "/metadata/name")});
    let autoscaler = manifest("autoscaler");
    assert_eq!(at(&autoscaler, "/spec/scaleTargetRef"), &scaled);
    assert!(at(&autoscaler, "/spec/minReplicas").as_u64() >= Some(2));
}

#[test]
fn requests_come_through_the_ingress_and_metrics_stay_inside() {
    let (service, ingress, policy) = (manifest("service"), manifest("ingress"), manifest("networkpolicy"));
    let ports: Vec<Value> = list(&the_container(), "/ports").iter().map(|port| port["name"].clone()).collect();
    assert_eq!(list(&service, "/spec/ports").len(), 1, "metrics are no part of the service");
    assert_eq!(text(&service, "/spec/ports/0/targetPort"), "http");
    let backend = at(&ingress, "/spec/rules/0/http/paths/0/backend/service");
    let expected = json!({"name": text(&service, "/metadata/name"), "port": {"name": "http"}});
    assert_eq!(backend, &expected);
    assert_eq!(at(&ingress, "/spec/tls/0/hosts/0"), at(&ingress, "/spec/rules/0/host"));
    assert_eq!(list(&policy, "/spec/policyTypes"), ["Ingress", "Egress"]);
    let open: Vec<Value> =
        list(&policy, "/spec/ingress").iter().map(|rule| at(rule, "/ports/0/port").clone()).collect();
    assert_eq!(open, ports);
    for rule in list(&policy, "/spec/ingress") {
        assert!(!list(rule, "/from").is_empty());
    }
}
