//! What proxies say about where a request came from: the hops of `Forwarded` (RFC 7239) and of `X-Forwarded-For`, read from
//! the right, where the nearest proxy wrote.
//!
//! What stands further to the left may be a client's own words. So no element is read with the help of anything to its
//! left: a quotation mark that a client never closes spoils its own words and nobody else's.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most pairs of an element. RFC 7239 section 5 knows four.
const MAX_PAIRS: usize = 16;

/// The hops of one line of `Forwarded`, the nearest first: the address of each element's `for`, IPv4-mapped IPv6 addresses as
/// IPv4. `None` for an element that tells none: it has no `for`, an obfuscated identifier, `unknown`, or is malformed.
pub fn forwarded_hops(line: &str) -> ForwardedHops<'_> {
    ForwardedHops { rest: Some(line) }
}

/// The hops of one line of `X-Forwarded-For`, the nearest first, with or without ports. `None` for what is no address.
pub fn x_forwarded_for_hops(line: &str) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(',').map(|hop| plain_address(hop.trim()))
}

fn plain_address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    plain.or_else(bracketed).or_else(with_port).map(|ip| ip.to_canonical())
}

/// See [`forwarded_hops`].
#[derive(Clone, Debug)]
pub struct ForwardedHops<'l> {
    /// What was not read yet; `None` once the first element was.
    rest: Option<&'l str>,
}

impl Iterator for ForwardedHops<'_> {
    type Item = Option<IpAddr>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.rest.take()?;
            let mut element = line;
            if let Some((before, last)) = last_comma(line).and_then(|at| line.split_at_checked(at)) {
                self.rest = Some(before);
                element = last.strip_prefix(',').unwrap_or(last);
            }
            let element = element.trim_matches([' ', '\t']);
            // Empty elements of a list are passed over (RFC 9110 section 5.6.1.2).
            if !element.is_empty() {
                return Some(node_of(element).as_deref().and_then(address_of));
            }
        }
    }
}

/// Where the last element begins. A comma in a quoted string parts nothing.
fn last_comma(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let is_escaped = |at| bytes.iter().take(at).rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(at) => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The value of `for` in an element that is well-formed to its end: `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`, no
/// parameter twice, no blanks (RFC 7239 section 4).
fn node_of(element: &str) -> Option<Cow<'_, str>> {
    let (mut rest, mut names, mut node) = (element, Vec::new(), None);
    loop {
        if !rest.is_empty() && !rest.starts_with(';') {
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix('=')?)?;
            if names.len() == MAX_PAIRS || names.iter().any(|other: &&str| other.eq_ignore_ascii_case(name)) {
                return None;
            }
            names.push(name);
            if name.eq_ignore_ascii_case("for") {
                node = Some(value);
            }
            rest = after;
        }
        match rest.strip_prefix(';') {
            Some(after) => rest = after,
            None if rest.is_empty() => return node,
            None => return None,
        }
    }
}

/// A token (RFC 9110 section 5.6.2), and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(token, _)| !token.is_empty())
}

/// A token or the text of a quoted string (RFC 9110 section 5.6.4), and what follows it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(token, rest)| (Cow::Borrowed(token), rest));
    };
    let is_text = |c: char| c == '\t' || c == ' ' || c.is_ascii_graphic();
    let (mut unquoted, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => return Some((Cow::Owned(unquoted), chars.as_str())),
            '\\' => unquoted.push(chars.next().filter(|c| is_text(*c))?),
            c if is_text(c) => unquoted.push(c),
            _ => return None,
        }
    }
}

/// The address of a node: `nodename [ ":" node-port ]` (RFC 7239 section 6). An IPv6 address stands in brackets.
fn address_of(node: &str) -> Option<IpAddr> {
    let (ip, port) = if let Some((name, port)) = node.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        (IpAddr::V6(name.parse::<Ipv6Addr>().ok()?), port)
    } else {
        let (name, port) = node.split_at_checked(node.find(':').unwrap_or(node.len()))?;
        (IpAddr::V4(name.parse::<Ipv4Addr>().ok()?), port)
    };
    let port_is_one = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    port_is_one.then(|| ip.to_canonical())
}

/// `1*5DIGIT`, or an obfuscated one: `"_" 1*(ALPHA / DIGIT / "." / "_" / "-")`.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hops of a line as text, the nearest first; `-` where none is told.
    fn hops(line: &str) -> String {
        let text = |hop: Option<IpAddr>| hop.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        forwarded_hops(line).map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn examples_of_rfc_7239() {
        for (line, expected) in [
            // Section 4.
            (r#"for="_gazonk""#, "-"),
            (r#"For="[2001:db8:cafe::17]:4711""#, "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17 192.0.2.43"),
            // Section 6.
            (r#"for="192.0.2.43:47011""#, "192.0.2.43"),
            (r#"for="[2001:db8:cafe::17]:47011""#, "2001:db8:cafe::17"),
            // Section 6.2 and 6.3.
            ("for=unknown", "-"),
            ("for=_hidden, for=_SEVKISEK", "- -"),
            // Section 7.1: one list, in one line or two.
            (r#"for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown"#, "- 2001:db8:cafe::17 192.0.2.43"),
            (r#"for=192.0.2.43, for="[2001:db8:cafe::17]", for=unknown"#, "- 2001:db8:cafe::17 192.0.2.43"),
            (r#"for="[2001:db8:cafe::17]", for=unknown"#, "- 2001:db8:cafe::17"),
            // Section 7.4.
            (r#"for=192.0.2.43, for="[2001:db8:cafe::17]""#, "2001:db8:cafe::17 192.0.2.43"),
            // Section 7.5.
            (
                "for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com",
                "198.51.100.17 192.0.2.43",
            ),
        ] {
            assert_eq!(hops(line), expected, "{line}");
        }
    }

    #[test]
    fn every_form_the_grammar_has() {
        for (line, expected) in [
            ("", ""),
            (" , ,\t", ""),
            (";", "-"),
            (";;for=192.0.2.1;;", "192.0.2.1"),
            ("for=192.0.2.1;", "192.0.2.1"),
            (r#"proto=https;FOR="192.0.2.1""#, "192.0.2.1"),
            (r#"for="192.0.2.1:_port-1.a""#, "192.0.2.1"),
            (r#"for="\1\9\2.0.2.1""#, "192.0.2.1"),
            (r#"for="[::ffff:192.0.2.1]""#, "192.0.2.1"),
            // Commas, semicolons and quotation marks in quoted strings.
            (r#"for=192.0.2.1;host="a,b;c", for=192.0.2.2"#, "192.0.2.2 192.0.2.1"),
            (r#"host="a\",for=6.6.6.6,\"b";for=192.0.2.1, for=192.0.2.2"#, "192.0.2.2 192.0.2.1"),
            (r#"host="a\\";for=192.0.2.1, for=192.0.2.2"#, "192.0.2.2 192.0.2.1"),
            ("proto=https", "-"),
        ] {
            assert_eq!(hops(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_malformed_tells_nothing() {
        for element in [
            "192.0.2.1",
            "for",
            "for=",
            "=192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=192.0.2.1 ;proto=http",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;For=192.0.2.1",
            "for=192.0.2.1:80",
            "for=[2001:db8::1]",
            "for=2001:db8::1",
            r#"for="2001:db8::1""#,
            r#"for="[2001:db8::1""#,
            r#"for="[192.0.2.1]""#,
            r#"for="[2001:db8::1%eth0]""#,
            r#"for="[2001:db8::1]4711""#,
            r#"for="192.0.2.1:""#,
            r#"for="192.0.2.1:123456""#,
            r#"for="192.0.2.1:_""#,
            r#"for="192.0.2.1:http""#,
            r#"for="192.0.2.1"#,
            r#"for="192.0.2.1"x"#,
            r#"for="192.0.2.1\"#,
            r#"for=" 192.0.2.1""#,
            "for=192.0.2.01",
            "for=192.0.2",
            "for=0x7f.1",
            "for=\u{e9}",
            "for=\"192.0.2.1\u{e9}\"",
        ] {
            assert_eq!(hops(element), "-", "{element}");
        }
        let pair = |n: usize| format!("p{n}=v");
        let many = |count| (0..count).map(pair).chain(["for=192.0.2.1".to_owned()]).collect::<Vec<_>>().join(";");
        assert_eq!((hops(&many(MAX_PAIRS - 1)), hops(&many(MAX_PAIRS))), ("192.0.2.1".to_owned(), "-".to_owned()));
    }

    #[test]
    fn what_a_client_wrote_spoils_nothing_to_its_right() {
        for claim in [
            r#"for="6.6.6.6"#,
            r#"for=6.6.6.6;host=""#,
            r#"for=6.6.6.6;host="\"#,
            "for=6.6.6.6;\\",
            "\"",
            "\\",
            ",",
            "=",
        ] {
            for (written, expected) in [
                ("for=198.51.100.7", "198.51.100.7"),
                (r#"for="198.51.100.7:4711";by="_a""#, "198.51.100.7"),
                (r#"for="[2001:db8::7]";host="x,y""#, "2001:db8::7"),
            ] {
                let line = format!("{claim}, {written}");
                assert_eq!(hops(&line).split(' ').next(), Some(expected), "{line}");
            }
        }
    }

    #[test]
    fn hops_of_the_older_header() {
        let hops = |line| x_forwarded_for_hops(line).collect::<Vec<_>>();
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        // RFC 7239 section 7.4.
        assert_eq!(hops("192.0.2.43, 2001:db8:cafe::17"), [ip("2001:db8:cafe::17"), ip("192.0.2.43")]);
        assert_eq!(hops("unknown,[2001:db8::1]:80 , 192.0.2.1:80"), [ip("192.0.2.1"), ip("2001:db8::1"), None]);
        assert_eq!(hops(""), [None]);
    }
}
