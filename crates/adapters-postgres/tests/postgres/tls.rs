//! The server's certificate is checked, and nothing is sent in plain text instead.

use keystead_adapters_postgres::{PgConfig, PgDatabase, Tls};
use keystead_application::testing::a_user;
use keystead_test_servers::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::insert;

/// A certificate authority and a certificate it signed.
struct Papers {
    authority: String,
    certificate: String,
    key: String,
}

fn papers(names: &[&str]) -> Papers {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    Papers { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
}

fn verified(url: &str, authority: Option<&str>) -> PgConfig {
    let extra_ca_pem = authority.map(|pem| pem.as_bytes().to_vec());
    PgConfig { tls: Tls::Verified { extra_ca_pem }, ..PgConfig::new(url) }
}

fn refused(config: &PgConfig) -> String {
    PgDatabase::open(config).unwrap_err().to_string()
}

#[tokio::test]
async fn only_a_certificate_of_a_known_authority_for_the_right_name_is_accepted() {
    let papers = papers(&["localhost", "127.0.0.1"]);
    let server = Postgres::options()
        .tls(&papers.certificate, &papers.key)
        .require_tls()
        .password("correct horse")
        .start()
        .unwrap();
    let address = |host: &str| format!("postgres://postgres:correct%20horse@{host}:{}/postgres", server.port());

    // The password goes over a channel that is bound to this certificate (RFC 5929), not to somebody's in between.
    let right = verified(&format!("{}?channel_binding=require", address("localhost")), Some(&papers.authority));
    PgDatabase::migrate(&right).unwrap();
    insert(&PgDatabase::open(&right).unwrap().store(), &a_user()).await.unwrap();
    PgDatabase::open(&verified(&address("127.0.0.1"), Some(&papers.authority))).unwrap();

    let unknown = refused(&verified(&address("localhost"), None));
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
    let stranger = self::papers(&["localhost"]).authority;
    let other = refused(&verified(&address("localhost"), Some(&stranger)));
    assert!(other.to_lowercase().contains("certificate"), "{other}");
    // Connects to the same server, whose certificate does not name it so.
    let elsewhere = format!("{}?hostaddr=127.0.0.1", address("db.example.com"));
    let wrong_name = refused(&verified(&elsewhere, Some(&papers.authority)));
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
    // `sslmode` in the address changes nothing.
    let downgrade = format!("{}?sslmode=disable", address("localhost"));
    assert!(refused(&verified(&downgrade, None)).to_lowercase().contains("certificate"));
    let plain = refused(&PgConfig::new(&address("localhost")));
    assert!(plain.contains("no pg_hba.conf entry"), "{plain}");
}

#[test]
fn a_server_without_tls_is_refused() {
    let server = Postgres::start().unwrap();
    let error = refused(&verified(server.url(), None));
    assert!(error.contains("does not support TLS"), "{error}");
}
