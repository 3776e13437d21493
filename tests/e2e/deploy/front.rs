//! A real nginx with the configurations of `deploy/`, and only their paths, ports and addresses changed.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{read, replaced, run};
use crate::process::api::{PATIENCE, eventually};

/// The name in the configurations, and in the certificate.
pub(super) const NAME: &str = "id.example.com";
const NGINX: &str = "/usr/sbin/nginx";
const PACKAGE: &str = "nginx-light";

/// Which of the configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `deploy/nginx/keystead.conf`, with the example of a protected application.
    Machine,
    /// `deploy/compose/nginx.conf`.
    Containers,
}

pub(super) const KINDS: [Kind; 2] = [Kind::Machine, Kind::Containers];

/// What stands behind nginx.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    /// `HOST:PORT` of two replicas.
    pub(super) replicas: [String; 2],
    /// The protected application.
    pub(super) application: SocketAddr,
}

impl Behind {
    /// Nothing at all.
    fn nobody() -> Self {
        Self { replicas: ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()], application: ([127, 0, 0, 1], 3).into() }
    }
}

/// A configuration in a directory of its own.
struct Prepared {
    home: TempDir,
    roots: RootCertStore,
    http: u16,
    https: u16,
    health: u16,
}

impl Prepared {
    fn new(kind: Kind, behind: &Behind) -> Self {
        let home = tempfile::tempdir().unwrap();
        let [http, https, health] = free_ports();
        let (certificate, key, roots) = certificate();
        let prepared = Self { home, roots, http, https, health };
        std::fs::create_dir(prepared.path("apps")).unwrap();
        prepared.write("fullchain.pem", &certificate);
        prepared.write("privkey.pem", &key);
        match kind {
            Kind::Machine => prepared.write_machine(behind),
            Kind::Containers => prepared.write_containers(behind),
        }
        prepared
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// As root nginx would give its workers another user, who cannot read this directory.
    fn user(&self) -> &'static str {
        if self.home.path().metadata().unwrap().uid() == 0 { "user root;" } else { "" }
    }

    fn write_machine(&self, behind: &Behind) {
        let [a, b] = &behind.replicas;
        let mut text = read("deploy/nginx/keystead.conf");
        for (from, to) in [
            ("    listen [::]:80;\n", String::new()),
            ("    listen [::]:443 ssl http2;\n", String::new()),
            ("listen 80;", format!("listen 127.0.0.1:{};", self.http)),
            ("listen 443 ", format!("listen 127.0.0.1:{} ", self.https)),
            ("server 127.0.0.1:8787 ", format!("server {a} ")),
            ("server 127.0.0.1:8788 ", format!("server {b} ")),
            ("/etc/letsencrypt/live/id.example.com/", self.path("")),
            ("/etc/nginx/keystead-apps/", self.path("apps/")),
        ] {
            text = replaced(&text, from, &to);
        }
        self.write("keystead.conf", &text);
        let application = read("deploy/nginx/protected-app.conf");
        let address = format!("http://{};", behind.application);
        self.write("apps/protected-app.conf", &replaced(&application, "http://127.0.0.1:9000;", &address));
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};", self.path(what)))
            .join("\n");
        let main = format!(
            "{}\nworker_processes 2;\npid {};\nerror_log stderr warn;\nevents {{ worker_connections 512; }}\n\
             http {{\n{temporary}\nlog_format replicas '$status $upstream_addr';\naccess_log {} replicas;\ninclude {};\n}}\n",
            self.user(),
            self.path("nginx.pid"),
            self.path("access.log"),
            self.path("keystead.conf"),
        );
        self.write("nginx.conf", &main);
    }

    fn write_containers(&self, behind: &Behind) {
        let [a, b] = &behind.replicas;
        let mut text = replaced(&read("deploy/compose/nginx.conf"), " /tmp/", &format!(" {}", self.path("")));
        for (from, to) in [
            ("listen 8080 ", format!("listen 127.0.0.1:{} ", self.http)),
            ("listen 8443 ", format!("listen 127.0.0.1:{} ", self.https)),
            ("listen 127.0.0.1:8081;", format!("listen 127.0.0.1:{};", self.health)),
            ("server 10.213.77.21:8787 ", format!("server {a} ")),
            ("server 10.213.77.22:8787 ", format!("server {b} ")),
            ("/etc/nginx/tls/", self.path("")),
            ("access_log /dev/stdout ", format!("access_log {} ", self.path("access.log"))),
        ] {
            text = replaced(&text, from, &to);
        }
        self.write("nginx.conf", &format!("{}\n{text}", self.user()));
    }
}

/// Three ports nobody listens on. Somebody else may take one before nginx does: then it does not start.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A certificate for [`NAME`], its key, and who vouches for it.
fn certificate() -> (String, String, RootCertStore) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    (own.pem(), key.serialize_pem(), roots)
}

/// What `nginx -t` says about a configuration: whether it is valid, and its words.
pub(super) fn checked(kind: Kind, change: impl Fn(&str) -> String) -> (bool, String) {
    let prepared = Prepared::new(kind, &Behind::nobody());
    let file = if kind == Kind::Machine { "keystead.conf" } else { "nginx.conf" };
    prepared.write(file, &change(&std::fs::read_to_string(prepared.path(file)).unwrap()));
    let output = run(NGINX, PACKAGE, &["-t", "-e", "stderr", "-c", &prepared.path("nginx.conf")]);
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// An nginx that runs. It ends when this is dropped.
pub(super) struct Front {
    child: Child,
    prepared: Prepared,
}

impl Front {
    /// Starts it and waits until it answers.
    pub(super) async fn start(kind: Kind, behind: &Behind) -> Self {
        let prepared = Prepared::new(kind, behind);
        let log = File::create(prepared.path("error.log")).unwrap();
        let child = Command::new(NGINX)
            .args(["-e", "stderr", "-g", "daemon off;", "-c", &prepared.path("nginx.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{NGINX}: {error}; install the Debian package {PACKAGE}"));
        let mut front = Self { child, prepared };
        eventually(PATIENCE, "nginx", async || {
            assert_eq!(front.child.try_wait().unwrap(), None, "nginx ended: {}", front.errors());
            TcpStream::connect(front.https()).await.ok()
        })
        .await;
        front
    }

    /// Where it speaks TLS.
    pub(super) fn https(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.prepared.https).into()
    }

    /// Where it speaks plain http.
    pub(super) fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.prepared.http).into()
    }

    /// Where the configuration for containers answers their health check.
    pub(super) fn health(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.prepared.health).into()
    }

    /// What its clients believe, offering these protocols (ALPN).
    pub(super) fn tls(&self, protocols: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.prepared.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    /// The protocol it chooses of these.
    pub(super) async fn negotiated(&self, protocols: &[&str]) -> Option<String> {
        let stream = TcpStream::connect(self.https()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(self.tls(protocols)));
        let stream = connector.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap();
        stream.get_ref().1.alpn_protocol().map(|chosen| String::from_utf8(chosen.to_vec()).unwrap())
    }

    /// Requests that were answered by this replica so far.
    pub(super) fn served_by(&self, replica: &str) -> usize {
        std::fs::read_to_string(self.prepared.path("access.log")).unwrap().matches(replica).count()
    }

    /// What it complained about.
    pub(super) fn errors(&self) -> String {
        std::fs::read_to_string(self.prepared.path("error.log")).unwrap()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Its workers end with it when it is asked to end, not when it is killed.
        let pid = self.child.id();
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("nginx said:\n{}", self.errors());
        }
    }
}
