//! TLS, and the address metrics are on.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};

use crate::process::api::{Api, admin_of};
use crate::process::configured::Configured;
use crate::process::keystead::Keystead;

/// A certificate for `localhost`, its key, and who vouches for it.
fn certificate() -> (String, String, RootCertStore) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    (own.pem(), key.serialize_pem(), roots)
}

/// One request over TLS of exactly this version. The version that was spoken, and the answer.
async fn over_tls(
    address: &str,
    roots: &RootCertStore,
    version: &'static SupportedProtocolVersion,
) -> (ProtocolVersion, String) {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let address: SocketAddr = address.parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let spoken = stream.get_ref().1.protocol_version().unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (spoken, answer)
}

#[tokio::test]
async fn https_is_spoken_in_both_current_versions_and_http_is_not() {
    let configured = Configured::new(&[]);
    let (certificate, key, roots) = certificate();
    configured.write("cert.pem", &certificate);
    configured.write("key.pem", &key);
    let service = configured.serve(&[
        "http.public_url=https://localhost:8443",
        "http.tls.certificate_file=cert.pem",
        "http.tls.key_file=key.pem",
    ]);
    assert!(service.url().starts_with("https://127.0.0.1:"), "{}", service.url());
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let (spoken, answer) = over_tls(service.address(), &roots, version).await;
        assert_eq!(spoken, expected);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("strict-transport-security: max-age=63072000"), "{answer}");
    }
    // ASVS 12.2.1: no plain listener on the same port.
    let plain = Api::new(&format!("http://{}", service.address()));
    assert!(plain.try_send("GET", "/health/live", &[], None).await.is_err());
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_told() {
    let configured = Configured::new(&[]);
    let ((certificate, _, _), (_, key, _)) = (certificate(), certificate());
    configured.write("cert.pem", &certificate);
    configured.write("key.pem", &key);
    let set = ["http.tls.certificate_file=cert.pem", "http.tls.key_file=key.pem"];
    let refused = Keystead::try_start(configured.serve_command(&set)).err().unwrap();
    refused.refused(1, &["cert.pem"]);
}

#[tokio::test]
async fn metrics_are_on_their_own_address_alone() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&["http.admin_listen=127.0.0.1:0"]);
    let api = Api::new(service.url());
    api.get("/api/v1/auth/status").await.expect(200);
    assert_eq!(api.get("/metrics").await.expect(404).code(), "NOT_FOUND");

    let metrics = admin_of(&service).await;
    let page = metrics.get("/metrics").await.expect(200).body;
    for line in [
        "keystead_http_requests_total{route=\"/api/v1/auth/status\",method=\"GET\",status=\"200\"} 1",
        "keystead_hash_total 0",
        "keystead_hash_queued 0",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    metrics.get("/api/v1/auth/status").await.expect(404);
}
