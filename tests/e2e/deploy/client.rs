//! Clients in front of nginx, each at an address of its own of this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::front::{Front, NAME};
use crate::process::api::Api;

/// A client that nginx sees at this address, over TLS with the certificate checked. It is reached through a port of this
/// machine, because the HTTP client of these tests knows no TLS.
pub(super) async fn client(front: &Front, from: [u8; 4]) -> Api {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (to, connector) = (front.https(), TlsConnector::from(Arc::new(front.tls(&["http/1.1"]))));
    // Both kinds of tasks end with the test.
    tokio::spawn(async move {
        while let Ok((plain, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move { carry(plain, connector, from, to).await });
        }
    });
    Api::new(&url)
}

/// Carries one connection on. An end of either side is an end of the other.
async fn carry(mut plain: TcpStream, connector: TlsConnector, from: [u8; 4], to: SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = socket.connect(to).await.unwrap();
    let mut secure = connector.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap();
    // A connection that breaks is for the client to notice.
    let _ = tokio::io::copy_bidirectional(&mut plain, &mut secure).await;
}
