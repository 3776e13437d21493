//! What the proxy does to bytes, in front of a server that answers every line with the same line.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use keystead_test_servers::Proxy;

/// A server that echoes, the lines it received, and a proxy in front of it.
fn start() -> (Proxy, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let Ok(line) = line else { return };
                    let _ = sender.send(line.clone());
                    let _ = writeln!(stream, "{line}");
                }
            });
        }
    });
    (proxy, received)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self, line: &str) -> Result<String, ErrorKind> {
        self.send(&format!("{line}\n"));
        self.answer()
    }

    fn answer(&mut self) -> Result<String, ErrorKind> {
        let mut line = String::new();
        self.0.read_line(&mut line).map_err(|error| error.kind())?;
        Ok(line.trim_end().to_owned())
    }
}

#[test]
fn everything_passes() {
    let (proxy, _received) = start();
    let mut client = Client::connect(&proxy);
    for line in ["one", "two"] {
        assert_eq!(client.ask(line).unwrap(), line);
    }
    assert_eq!(proxy.accepted(), 1);
    // The end of the one side is the end of the other.
    client.0.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.0.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn latency_is_added_to_every_request() {
    let (proxy, _received) = start();
    let mut client = Client::connect(&proxy);
    let delay = Duration::from_millis(60);
    proxy.latency(delay).unwrap();
    let before = now();
    assert_eq!(client.ask("one").unwrap(), "one");
    assert_eq!(client.ask("two").unwrap(), "two");
    assert!(now() - before >= 2 * delay);
}

#[test]
fn a_reset_is_a_reset_also_of_an_idle_connection() {
    let (proxy, _received) = start();
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask("one").unwrap(), "one");
    proxy.reset();
    assert_eq!(client.answer(), Err(ErrorKind::ConnectionReset));
    assert_eq!(Client::connect(&proxy).ask("two").unwrap(), "two");
}

#[test]
fn refused_until_it_passes_again() {
    let (proxy, _received) = start();
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask("one").unwrap(), "one");
    proxy.refuse().unwrap();
    assert_eq!(client.answer(), Err(ErrorKind::ConnectionReset));
    assert_eq!(TcpStream::connect(proxy.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    proxy.pass().unwrap();
    assert_eq!(Client::connect(&proxy).ask("two").unwrap(), "two");
}

#[test]
fn a_black_hole_swallows_and_what_it_swallowed_is_reset() {
    let (proxy, received) = start();
    let mut old = Client::connect(&proxy);
    assert_eq!(old.ask("one").unwrap(), "one");
    let mut idle = Client::connect(&proxy);
    assert_eq!(idle.ask("two").unwrap(), "two");
    proxy.black_hole().unwrap();
    let mut new = Client::connect(&proxy);
    for client in [&mut old, &mut new] {
        client.0.get_mut().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(client.ask("lost"), Err(ErrorKind::WouldBlock));
    }
    proxy.pass().unwrap();
    for client in [&mut old, &mut new] {
        assert_eq!(client.answer(), Err(ErrorKind::ConnectionReset));
    }
    assert_eq!(idle.ask("three").unwrap(), "three");
    drop(proxy);
    assert_eq!(received.iter().take(3).collect::<Vec<_>>(), ["one", "two", "three"]);
}

#[test]
fn the_server_gets_the_last_request_and_the_client_no_answer() {
    let (proxy, received) = start();
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask("begin").unwrap(), "begin");
    proxy.cut_when_client_sends(b"COMMIT\n").unwrap();
    assert_eq!(client.ask("insert").unwrap(), "insert");
    assert_eq!(proxy.cuts(), 0);
    // In two pieces.
    client.send("COM");
    assert_eq!(client.ask("MIT"), Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(received.iter().take(3).collect::<Vec<_>>(), ["begin", "insert", "COMMIT"]);
    assert_eq!(Client::connect(&proxy).ask("COMMIT").unwrap(), "COMMIT");
    assert!(proxy.cut_when_client_sends(b"").is_err());
}

#[test]
fn bytes_up_to_a_count_are_forwarded() {
    let (proxy, received) = start();
    let mut client = Client::connect(&proxy);
    proxy.cut_after_bytes(7).unwrap();
    assert_eq!(client.ask("one").unwrap(), "one");
    assert_eq!(client.ask("12345"), Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(received.iter().take(2).collect::<Vec<_>>(), ["one", "123"]);
}

#[test]
fn new_connections_go_to_the_new_upstream() {
    let ((proxy, received), (other, other_received)) = (start(), start());
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask("one").unwrap(), "one");
    proxy.upstream(other.address());
    assert_eq!(client.ask("two").unwrap(), "two");
    assert_eq!(Client::connect(&proxy).ask("three").unwrap(), "three");
    assert_eq!(other_received.recv().unwrap(), "three");
    assert_eq!(received.iter().take(2).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(proxy.url(&format!("redis://{}/0", other.address())), format!("redis://{}/0", proxy.address()));
}

#[expect(clippy::disallowed_methods, reason = "latency is real time")]
fn now() -> Instant {
    Instant::now()
}
