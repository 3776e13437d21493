//! Who is calling: the client's address, believed only as far as trusted proxies vouch for it.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

use super::HttpSettings;
use super::forwarded::{forwarded_hops, x_forwarded_for_hops};
use crate::config::ForwardedHeader;

/// Most proxies a request is followed back through.
const MAX_HOPS: usize = 16;

/// Networks that are believed about client addresses. Empty by default: the peer is the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts nobody.
    pub const NONE: Self = Self(Vec::new());

    /// Trusts these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this address is believed.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The first hop that is not one of these, or the last that is known.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.take(MAX_HOPS) {
            let Some(hop) = hop else { return client };
            client = hop;
            if !self.contains(client) {
                return client;
            }
        }
        client
    }
}

/// A client's address; absent for connections that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// A client at this address; IPv4-mapped IPv6 addresses are IPv4.
    pub const fn of(ip: IpAddr) -> Self {
        Self(Some(ip.to_canonical()))
    }

    /// The address; IPv4-mapped IPv6 addresses come as IPv4.
    pub const fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// What limits count: an IPv4 address, or the /64 an IPv6 host can move about in at will.
    pub fn limit_key(self) -> String {
        self.prefix_key(64)
    }

    /// What coarse limits count, for whoever owns many /64s: the /48 of an IPv6 address. An IPv4 address has none.
    pub fn site_key(self) -> Option<String> {
        matches!(self.0, Some(IpAddr::V6(_))).then(|| self.prefix_key(48))
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
    let peer = req.peer_addr().map(|peer| peer.ip().to_canonical());
    let settings = HttpSettings::of(req);
    ClientAddress(peer.map(
        |peer| {
            if settings.proxies.contains(peer) { follow(peer, req.headers(), settings) } else { peer }
        },
    ))
}

/// Goes back from a trusted peer through the one header that is believed, right to left, while each hop is a trusted
/// proxy. Stops at the last address that could be read. Every other header would let a client choose: no proxy replaces
/// what it does not know.
fn follow(peer: IpAddr, headers: &HeaderMap, settings: &HttpSettings) -> IpAddr {
    let lines = |name: &'static str| {
        let lines: Vec<&str> = headers.get_all(name).map(|line| line.to_str().unwrap_or("?")).collect();
        lines.into_iter().rev()
    };
    match settings.forwarded {
        ForwardedHeader::XForwardedFor => {
            settings.proxies.walk(peer, lines("x-forwarded-for").flat_map(x_forwarded_for_hops))
        }
        ForwardedHeader::Forwarded => settings.proxies.walk(peer, lines("forwarded").flat_map(forwarded_hops)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;
    use actix_web::web::Data;

    use super::*;

    const TRUSTED: &str = "10.0.0.0/8";

    fn address(peer: &str, headers: &[(&str, &str)]) -> String {
        address_by(ForwardedHeader::XForwardedFor, peer, headers)
    }

    fn address_by(forwarded: ForwardedHeader, peer: &str, headers: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies::new(vec![TRUSTED.parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let settings = HttpSettings { proxies, forwarded, ..HttpSettings::default() };
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
    fn g17_forwarded_is_believed_where_it_is_the_configured_header_and_then_alone() {
        let (xff, forwarded) = ("X-Forwarded-For", "Forwarded");
        for (peer, headers, expected) in [
            ("203.0.113.9", vec![(forwarded, "for=1.2.3.4")], "203.0.113.9"),
            ("10.0.0.1", vec![(xff, "1.2.3.4"), ("X-Real-IP", "1.2.3.4")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "1.2.3.4"), (forwarded, "for=198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", vec![(forwarded, "for=1.2.3.4, for=198.51.100.7, for=10.2.2.2")], "198.51.100.7"),
            (
                "10.0.0.1",
                vec![(forwarded, "for=1.2.3.4"), (forwarded, "for=198.51.100.7,for=10.2.2.2")],
                "198.51.100.7",
            ),
            ("fd00::1", vec![(forwarded, r#"for="[2001:db8::1]:4711";proto=https"#)], "2001:db8::1"),
            ("10.0.0.1", vec![(forwarded, r#"for="[::ffff:198.51.100.7]""#)], "198.51.100.7"),
            // What names nobody ends the walk at the last good address.
            ("10.0.0.1", vec![(forwarded, "for=198.51.100.7, for=unknown")], "10.0.0.1"),
            ("10.0.0.1", vec![(forwarded, "for=198.51.100.7, for=_hidden, for=10.3.3.3")], "10.3.3.3"),
            ("10.0.0.1", vec![(forwarded, "for=198.51.100.7, proto=https")], "10.0.0.1"),
            ("10.0.0.1", vec![(forwarded, "for=198.51.100.7, for=10.3.3.3:80")], "10.0.0.1"),
            ("10.0.0.1", vec![(forwarded, "for=1.2.3.4;host=\""), (forwarded, "for=10.3.3.3")], "10.3.3.3"),
            ("10.0.0.1", vec![(forwarded, "\u{e9}")], "10.0.0.1"),
        ] {
            assert_eq!(address_by(ForwardedHeader::Forwarded, peer, &headers), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn no_more_than_so_many_hops_are_followed() {
        let hops = |count| ["6.6.6.6"].into_iter().chain(vec!["10.9.9.9"; count]).collect::<Vec<_>>().join(",");
        assert_eq!(address("10.0.0.1", &[("x-forwarded-for", &hops(MAX_HOPS - 1))]), "6.6.6.6");
        assert_eq!(address("10.0.0.1", &[("x-forwarded-for", &hops(MAX_HOPS))]), "10.9.9.9");
    }

    #[test]
    fn limits_count_a_64_as_one_host() {
        let key = |text: &str| ClientAddress(Some(text.parse().unwrap())).limit_key();
        assert_eq!(key("203.0.113.9"), "203.0.113.9");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2:ffff::1"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
        let site = |text: &str| ClientAddress(Some(text.parse().unwrap())).site_key();
        assert_eq!(site("2001:db8:1:2::1").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(site("203.0.113.9"), None);
        assert_eq!(site("2001:db8:1:3::1"), site("2001:db8:1:2::1"));
        assert_ne!(site("2001:db8:2::1"), site("2001:db8:1::1"));
        assert_eq!(ClientAddress(None).limit_key(), "unknown");
    }
}
