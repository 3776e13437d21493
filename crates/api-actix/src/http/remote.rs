//! Who is calling: the client's address, believed only as far as trusted proxies vouch for it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

use super::HttpSettings;

/// Most proxies a request is followed back through.
const MAX_HOPS: usize = 16;

/// Networks whose `X-Forwarded-For` is believed. Empty by default: the peer is the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts nobody.
    pub const NONE: Self = Self(Vec::new());

    /// Trusts these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// A client's address; absent for connections that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The address; IPv4-mapped IPv6 addresses come as IPv4.
    pub const fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// What limits count: an IPv4 address, or the /64 an IPv6 host can move about in at will.
    pub fn limit_key(self) -> String {
        self.prefix_key(64)
    }

    /// A coarser bucket, for whoever owns many /64s: the /48 of an IPv6 address; an IPv4 address as it is.
    pub fn site_key(self) -> String {
        self.prefix_key(48)
    }

    fn prefix_key(self, bits: u32) -> String {
        match self.0 {
            None => "unknown".to_owned(),
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => {
                format!("{}/{bits}", Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - bits))))
            }
        }
    }
}

/// The address of the client of a request.
pub fn client_address(req: &HttpRequest) -> ClientAddress {
    let peer = req.peer_addr().map(|peer| peer.ip());
    ClientAddress(peer.map(|peer| follow(peer, req.headers(), &HttpSettings::of(req).proxies)))
}

/// Goes back from the peer through `X-Forwarded-For`, right to left, while each hop is a trusted proxy. Stops at the
/// last address that could be read. No other header is believed: `Forwarded` and `X-Real-IP` would let a client choose.
fn follow(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let mut client = peer.to_canonical();
    if !proxies.contains(client) {
        return client;
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").map(|line| line.to_str().unwrap_or("?")).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
        let Some(hop) = parse_hop(hop.trim()) else { return client };
        client = hop;
        if !proxies.contains(client) {
            return client;
        }
    }
    client
}

/// An address, with or without a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    plain.or_else(bracketed).or_else(with_port).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use actix_web::web::Data;

    use super::*;

    const TRUSTED: &str = "10.0.0.0/8";

    fn address(peer: &str, headers: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies::new(vec![TRUSTED.parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let settings = HttpSettings { proxies, ..HttpSettings::default() };
        let request =
            TestRequest::default().app_data(Data::new(settings)).peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        let request = headers.iter().fold(request, |request, header| request.append_header(*header));
        client_address(&request.to_http_request()).ip().unwrap().to_string()
    }

    #[test]
    fn g17_the_rightmost_untrusted_hop_wins() {
        let xff = "X-Forwarded-For";
        let thousand = vec!["6.6.6.6"; 1000].join(", ");
        for (peer, headers, expected) in [
            // An untrusted peer is the client, whatever it says.
            ("203.0.113.9", vec![(xff, "1.2.3.4")], "203.0.113.9"),
            ("203.0.113.9", vec![(xff, "10.0.0.1"), ("Forwarded", "for=1.2.3.4")], "203.0.113.9"),
            ("203.0.113.9", vec![("X-Real-IP", "1.2.3.4"), ("CF-Connecting-IP", "1.2.3.4")], "203.0.113.9"),
            // A trusted one names its client; what the client wrote before does not count.
            ("10.0.0.1", vec![(xff, "198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", vec![(xff, "1.2.3.4, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", vec![(xff, "1.2.3.4, 198.51.100.7, 10.2.2.2")], "198.51.100.7"),
            ("10.0.0.1", vec![(xff, "1.2.3.4"), (xff, "198.51.100.7,10.2.2.2")], "198.51.100.7"),
            ("10.0.0.1", vec![("Forwarded", "for=1.2.3.4"), ("X-Real-IP", "1.2.3.4")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, thousand.as_str())], "6.6.6.6"),
            // Garbage ends the walk at the last good address.
            ("10.0.0.1", vec![(xff, "198.51.100.7, unknown")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "198.51.100.7, ')--, 10.3.3.3")], "10.3.3.3"),
            ("10.0.0.1", vec![(xff, "")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "\u{e9}")], "10.0.0.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            // One address has one form.
            ("::ffff:203.0.113.9", vec![], "203.0.113.9"),
            ("::ffff:10.0.0.1", vec![(xff, "::ffff:198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", vec![(xff, "198.51.100.7:4711")], "198.51.100.7"),
            ("fd00::1", vec![(xff, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("fd00::1", vec![(xff, "[2001:db8::1]")], "2001:db8::1"),
        ] {
            assert_eq!(address(peer, &headers), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn limits_count_a_64_as_one_host() {
        let key = |text: &str| ClientAddress(Some(text.parse().unwrap())).limit_key();
        assert_eq!(key("203.0.113.9"), "203.0.113.9");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2:ffff::1"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
        let site = |text: &str| ClientAddress(Some(text.parse().unwrap())).site_key();
        assert_eq!(site("2001:db8:1:3::1"), site("2001:db8:1:2::1"));
        assert_ne!(site("2001:db8:2::1"), site("2001:db8:1::1"));
        assert_eq!(ClientAddress(None).limit_key(), "unknown");
    }
}
