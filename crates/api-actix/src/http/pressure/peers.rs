//! Who may connect, and how often.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use crate::config::contains;
use crate::http::TrustedProxies;

/// What peers of connections may have: by default everything.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Connections of one address (of an IPv6 /64) at once.
    pub per_address: usize,
    /// Connections of one IPv6 /48 at once.
    pub per_site: usize,
    /// Peers that stand for many clients: nothing here is about them.
    pub trusted: TrustedProxies,
    /// Networks whose connections are not counted.
    pub allowed: Vec<IpNet>,
    /// Networks that may not connect.
    pub denied: Vec<IpNet>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            per_address: usize::MAX,
            per_site: usize::MAX,
            trusted: TrustedProxies::NONE,
            allowed: Vec::new(),
            denied: Vec::new(),
        }
    }
}

/// The connections of a server, on all threads, by whose they are.
#[derive(Clone, Debug)]
pub(super) struct Door(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    peers: Peers,
    open: Mutex<HashMap<IpNet, usize>>,
}

impl Door {
    pub(super) fn new(peers: Peers) -> Self {
        Self(Arc::new(Counted { peers, open: Mutex::default() }))
    }

    /// Lets a peer in for as long as what is given lives; an error of kind `ConnectionRefused` when it may not.
    pub(super) fn admit(&self, peer: IpAddr) -> io::Result<Admitted> {
        let (peer, rules) = (peer.to_canonical(), &self.0.peers);
        if rules.trusted.contains(peer) {
            return Ok(Admitted { trusted: true, _place: None });
        }
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        if contains(&rules.denied, peer) {
            return Err(refused());
        }
        if contains(&rules.allowed, peer) {
            return Ok(Admitted::default());
        }
        let place = Place::take(&self.0, peer).ok_or_else(refused)?;
        Ok(Admitted { trusted: false, _place: Some(place) })
    }
}

/// A peer that was let in.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// It stands for many clients.
    pub(super) trusted: bool,
    _place: Option<Place>,
}

/// A connection that counts until this is dropped.
#[derive(Debug)]
struct Place {
    of: Arc<Counted>,
    networks: [Option<IpNet>; 2],
}

impl Place {
    fn take(of: &Arc<Counted>, peer: IpAddr) -> Option<Self> {
        let network = |bits| IpNet::new(peer, bits).ok().map(|network| network.trunc());
        let networks = match peer {
            IpAddr::V4(_) => [network(32), None],
            IpAddr::V6(_) => [network(64), network(48)],
        };
        let mut open = of.open.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = |(network, most): (&Option<IpNet>, usize)| {
            network.is_none_or(|network| open.get(&network).copied().unwrap_or(0) < most)
        };
        if !networks.iter().zip([of.peers.per_address, of.peers.per_site]).all(has_room) {
            return None;
        }
        for network in networks.iter().flatten() {
            *open.entry(*network).or_default() += 1;
        }
        drop(open);
        Some(Self { of: Arc::clone(of), networks })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        for network in self.networks.iter().flatten() {
            if let Some(count) = open.get_mut(network) {
                *count -= 1;
                if *count == 0 {
                    open.remove(network);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        let networks = |text: &str| vec![text.parse().unwrap()];
        Door::new(Peers {
            per_address: 2,
            per_site: 3,
            trusted: TrustedProxies::new(networks("10.0.0.0/8")),
            allowed: networks("198.51.100.0/24"),
            denied: networks("203.0.113.0/24"),
        })
    }

    fn admit(door: &Door, peer: &str) -> Option<Admitted> {
        door.admit(peer.parse().unwrap()).ok()
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let door = door();
        let one = admit(&door, "192.0.2.1").expect("the first");
        let two = admit(&door, "::ffff:192.0.2.1").expect("the second");
        assert!(admit(&door, "192.0.2.1").is_none());
        assert!(admit(&door, "192.0.2.2").is_some(), "somebody else");
        drop(one);
        assert!(admit(&door, "192.0.2.1").is_some(), "a place that was left");
        drop(two);
        assert!(door.0.open.lock().unwrap().is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_64_is_one_address_and_a_48_one_site() {
        let door = door();
        let _two = [admit(&door, "2001:db8::1").unwrap(), admit(&door, "2001:db8::ffff:1").unwrap()];
        assert!(admit(&door, "2001:db8::2").is_none());
        let _third = admit(&door, "2001:db8:0:1::1").expect("another network of the site");
        assert!(admit(&door, "2001:db8:0:2::1").is_none(), "the site has its share");
        assert_eq!(door.0.open.lock().unwrap().len(), 3, "who was refused has no place");
        assert!(admit(&door, "2001:db8:1::1").is_some());
    }

    #[test]
    fn proxies_and_allowed_networks_are_not_counted_and_denied_ones_do_not_get_in() {
        let door = door();
        let many = |peer: &str| (0..10).filter_map(|_| admit(&door, peer)).collect::<Vec<_>>();
        assert_eq!(many("10.1.2.3").iter().filter(|peer| peer.trusted).count(), 10);
        assert_eq!(many("198.51.100.1").iter().filter(|peer| !peer.trusted).count(), 10);
        assert!(many("203.0.113.1").is_empty() && many("::ffff:203.0.113.1").is_empty());
    }
}
