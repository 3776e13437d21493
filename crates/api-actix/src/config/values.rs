//! How single values are written: durations, rates, addresses, networks, names.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::problem::Invalid;

/// Bits before the IPv4 address in an IPv4-mapped one.
const MAPPED_PREFIX: u8 = 96;
/// Units of durations, largest first, in milliseconds.
const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `30s`, `20m`, `2h`, `15d`, `500ms`.
pub(super) fn duration(text: &str) -> Result<Duration, Invalid> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
    scale.zip(number.parse::<u64>().ok()).and_then(|(scale, number)| number.checked_mul(scale)).map_or_else(
        || {
            let fix = "write a whole number and a unit, one of ms, s, m, h, d: \"30s\", \"20m\", \"15d\"";
            Err(Invalid::new(format!("{text:?} is not a duration"), fix))
        },
        |millis| Ok(Duration::from_millis(millis)),
    )
}

/// Writes a duration as [`duration`] reads it, in the largest unit that loses nothing.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, scale): &&(&str, u64)| millis > 0 && millis.is_multiple_of(*scale);
    UNITS.iter().find(fits).map_or_else(|| "0s".to_owned(), |(unit, scale)| format!("{}{unit}", millis / scale))
}

/// Reads `10/15m`: at most ten in fifteen minutes.
pub(super) fn rate(text: &str) -> Result<(u32, Duration), Invalid> {
    let parts = text.split_once('/').and_then(|(limit, window)| Some((limit.parse().ok()?, duration(window).ok()?)));
    match parts {
        Some((limit, window)) if limit > 0 && (1..=86_400 * 30).contains(&window.as_secs()) => Ok((limit, window)),
        _ => {
            let fix = "write how many, a slash, and in how long (1s to 30d): \"10/15m\"; to switch all limits off use limits.mode";
            Err(Invalid::new(format!("{text:?} is not a rate"), fix))
        }
    }
}

/// Writes a rate as [`rate`] reads it.
pub(super) fn rate_text(limit: u32, window: Duration) -> String {
    format!("{limit}/{}", duration_text(window))
}

/// Reads an address to listen on.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse().map_err(|_| {
        let fix = "write an IP address and a port: \"127.0.0.1:8787\", \"0.0.0.0:443\", \"[::]:8080\"";
        Invalid::new(format!("{text:?} is not an address to listen on"), fix)
    })
}

/// Reads a network, or one address. What is within `::ffff:0:0/96` is the IPv4 network that it maps: clients' addresses are
/// compared in that form, so the other would hold for nobody.
pub(super) fn network(text: &str) -> Result<IpNet, Invalid> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| unmapped(net.trunc())).map_err(|_| {
        let fix = "write networks or addresses: \"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\"";
        Invalid::new(format!("{text:?} is not a network"), fix)
    })
}

/// The IPv4 network that a network of IPv4-mapped addresses (RFC 4291, section 2.5.5.2) stands for; others as they are.
fn unmapped(net: IpNet) -> IpNet {
    let mapped = |net: Ipv6Net| {
        let prefix = net.prefix_len().checked_sub(MAPPED_PREFIX)?;
        Ipv4Net::new(net.network().to_ipv4_mapped()?, prefix).ok()
    };
    match net {
        IpNet::V4(_) => net,
        IpNet::V6(v6) => mapped(v6).map_or(net, IpNet::V4),
    }
}

/// Reads `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new(format!("{text:?} is neither true nor false"), "write true or false"))
}

/// Reads text that will stand on one line of a mail, a page or a token.
pub(super) fn line(text: &str) -> Result<String, Invalid> {
    if text.trim().is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        let fix = "write 1 to 200 characters on one line, without control characters";
        return Err(Invalid::new("is empty, too long, or more than one line", fix));
    }
    Ok(text.to_owned())
}

/// Reads one of a few names.
pub(super) fn choice<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, Invalid> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let hint = nearest(text, names.iter().copied()).unwrap_or_default();
    let fix = format!("did you mean {hint:?}? known are {}", names.join(", "));
    Err(Invalid::new(format!("{text:?} is not known here"), fix))
}

/// The candidate written most like `text`.
pub(super) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (likeness(text, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Spelling of the whole, or of the last part alone: `server.listen` is `http.listen` under another section.
fn likeness(text: &str, candidate: &str) -> f64 {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let whole = strsim::normalized_damerau_levenshtein(text, candidate);
    let part = strsim::normalized_damerau_levenshtein(&last(text), &last(candidate));
    whole.max(0.75 * part + 0.25 * whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("20m", 1200), ("2h", 7200), ("15d", 1_296_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for text in
            ["", "20", "m", "-5m", "1.5h", "20 m", "20min", "5M", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn rates_are_a_count_and_a_window() {
        assert_eq!(rate("10/15m"), Ok((10, Duration::from_secs(900))));
        for text in ["10", "10/", "/15m", "0/15m", "-1/15m", "10/0s", "10/999ms", "10/31d", "10/15m/2"] {
            assert!(rate(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn networks_are_networks_or_single_addresses() {
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(network("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert!(network("10.0.0.0/33").is_err() && network("lan").is_err());
    }

    #[test]
    fn networks_of_mapped_addresses_are_those_they_map() {
        for (text, expected) in [
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.77/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::FFFF:cb00:7107", "203.0.113.7/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            // Wider than what is mapped, or something else.
            ("::ffff:0:0/95", "::fffe:0:0/95"),
            ("::/0", "::/0"),
            ("::203.0.113.7", "::203.0.113.7/128"),
            ("64:ff9b::203.0.113.0/120", "64:ff9b::cb00:7100/120"),
        ] {
            assert_eq!(network(text).unwrap(), expected.parse::<IpNet>().unwrap(), "{text}");
        }
    }

    #[test]
    fn the_nearest_name_survives_typing_errors_and_wrong_sections() {
        let keys = || ["http.listen", "http.public_url", "tokens.access_life"].into_iter();
        assert_eq!(nearest("http.lisen", keys()), Some("http.listen"));
        assert_eq!(nearest("server.public_url", keys()), Some("http.public_url"));
        assert_eq!(nearest("token.acess_life", keys()), Some("tokens.access_life"));
    }

    proptest! {
        #[test]
        fn a_written_duration_is_read_back(millis in 0..u64::from(u32::MAX)) {
            let value = Duration::from_millis(millis);
            prop_assert_eq!(duration(&duration_text(value)), Ok(value));
        }

        #[test]
        fn no_text_upsets_the_parsers(text in ".{0,20}") {
            let _ = (duration(&text), rate(&text), network(&text), socket_address(&text), line(&text));
        }
    }
}
