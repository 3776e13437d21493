//! Headers: credentials, cookies, addresses, languages, and what is logged of them.

use std::net::IpAddr;
use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::web::Data;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_api_actix::config::ForwardedHeader;
use keystead_api_actix::http::{
    Code, HttpSettings, Language, ShownCredentials, accept_language as kept_language, client_address as address_of,
    device_info, forwarded_hops, log_text as logged, otp_credentials, require_same_origin, step_up_proof,
};
use keystead_domain::language::LanguageRanges;
use keystead_domain::token::{ClientKind, DeviceInfo};

use super::request::SETTINGS;
use crate::check;
use crate::input::{lines, text};

/// The same deployment behind proxies that write `Forwarded`.
static BY_FORWARDED: LazyLock<Data<HttpSettings>> = LazyLock::new(|| {
    let settings = HttpSettings::clone(&SETTINGS);
    Data::new(HttpSettings { forwarded: ForwardedHeader::Forwarded, ..settings })
});

/// A request from a trusted proxy with these headers.
fn request(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>, peer: IpAddr) -> HttpRequest {
    let request = TestRequest::post().app_data(Data::clone(&SETTINGS)).peer_addr((peer, 9).into());
    headers.into_iter().fold(request, TestRequest::append_header).to_http_request()
}

fn with(name: HeaderName, value: &[u8]) -> Option<HttpRequest> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(request([(name, value)], IpAddr::from([10, 0, 0, 1])))
}

/// What is shown has the form tokens and cookies have, and nothing of the other kind of client.
fn shown(request: &HttpRequest) {
    match ShownCredentials::read(request) {
        Ok(shown) => {
            let is_token = |text: &str| {
                let body = text.trim_end_matches('=');
                !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
            };
            assert!(shown.bearer.is_none_or(|token| token.len() <= 4096 && is_token(token)));
            let cookies = [shown.refresh, shown.device];
            let is_plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            assert!(cookies.iter().flatten().all(|text| !text.is_empty() && text.len() <= 4096 && is_plain(text)));
            if shown.kind == ClientKind::Native {
                assert_eq!(cookies, [None, None], "a native client has no cookies");
            }
        }
        Err(error) => check::refusal(&error),
    }
}

/// `authorization`: the value of the header.
pub(super) fn authorization(bytes: &[u8]) {
    if let Some(request) = with(header::AUTHORIZATION, bytes) {
        shown(&request);
    }
}

/// `cookies`: the value of the header.
pub(super) fn cookies(bytes: &[u8]) {
    if let Some(request) = with(header::COOKIE, bytes) {
        shown(&request);
    }
}

/// `otp_authorization`: the value of the header.
pub(super) fn otp_authorization(bytes: &[u8]) {
    let name = HeaderName::from_static("otp-authorization");
    let Some(request) = with(name.clone(), bytes) else { return };
    step_up_proof(&request).err().iter().for_each(check::refusal);
    match otp_credentials(&request) {
        Ok(credentials) => {
            let (Some(user), Some(code)) = (credentials.user, credentials.code) else { return };
            assert!(code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
            // What was read is written back in one way, which is read to the same.
            let written = format!("Basic {}", STANDARD.encode(format!("{user}:{}", code.expose())));
            let again = with(name, written.as_bytes()).and_then(|request| otp_credentials(&request).ok());
            assert!(again.is_some_and(|again| again.user == Some(user) && again.code == Some(code)));
        }
        Err(error) => {
            check::refusal(&error);
            assert!(matches!(error.code(), Code::OTP_INVALID | Code::INVALID_HEADER), "{error}");
        }
    }
}

/// `credentials`: headers, one a line: `name: value`.
pub(super) fn credentials(bytes: &[u8]) {
    let headers = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        Some((HeaderName::from_bytes(name).ok()?, value))
    });
    let request = request(headers.take(64), IpAddr::from([10, 0, 0, 1]));
    shown(&request);
    step_up_proof(&request).err().iter().for_each(check::refusal);
    otp_credentials(&request).err().iter().for_each(check::refusal);
    require_same_origin(&request).err().iter().for_each(check::refusal);
    let info = device_info(&request);
    check::one_line(info.user_agent.as_deref().unwrap_or_default(), 512);
    assert!(kept_language(request.headers()).is_none_or(|list| list.len() <= 256));
    Language::of_request(request.headers(), HttpSettings::default().language);
}

/// `x_forwarded_for`: the peer on the first line, the lines of `X-Forwarded-For` behind it.
pub(super) fn x_forwarded_for(bytes: &[u8]) {
    client(bytes, &SETTINGS, "x-forwarded-for", "198.51.100.9, unknown, 10.0.0.9");
}

/// `forwarded`: the peer on the first line, the lines of `Forwarded` (RFC 7239) behind it.
pub(super) fn forwarded(bytes: &[u8]) {
    client(bytes, &BY_FORWARDED, "forwarded", "for=198.51.100.9;host=\", for=_x, for=10.0.0.9");
    let Some(line) = bytes.split(|byte| *byte == b'\n').nth(1).and_then(text) else { return };
    let hops: Vec<_> = forwarded_hops(line).collect();
    for ip in hops.iter().flatten() {
        let written = if ip.is_ipv6() { format!("for=\"[{ip}]:4711\"") } else { format!("for={ip}") };
        assert_eq!(forwarded_hops(&written).collect::<Vec<_>>(), [Some(*ip)], "{written:?}");
    }
    if !hops.is_empty() && hops.iter().all(Option::is_some) {
        // What a proxy wrote means the same behind whatever a client wrote.
        let forged = format!("for=192.0.2.1;by=\"\\, ,{line}");
        assert_eq!(forwarded_hops(&forged).take(hops.len()).collect::<Vec<_>>(), hops, "{forged:?}");
    }
}

fn client(bytes: &[u8], settings: &Data<HttpSettings>, name: &'static str, forged: &'static str) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let peer = lines.next().and_then(text).and_then(|peer| peer.parse().ok()).unwrap_or(IpAddr::from([10, 0, 0, 1]));
    let values: Option<Vec<_>> = lines.map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let Some(values) = values else { return };
    let address = |values: &[HeaderValue]| {
        let request = TestRequest::get().app_data(Data::clone(settings)).peer_addr((peer, 9).into());
        let named = values.iter().map(|value| (HeaderName::from_static(name), value.clone()));
        address_of(&named.fold(request, TestRequest::append_header).to_http_request())
    };
    let client = address(&values);
    let ip = client.ip().expect("a request over a socket has an address");
    let trusts = |ip: IpAddr| ["10.0.0.0/8", "fd00::/8", "127.0.0.0/8"].iter().any(|net| is_in(net, ip));
    assert_eq!(ip, ip.to_canonical(), "one address has one form");
    if !trusts(peer.to_canonical()) {
        assert_eq!(ip, peer.to_canonical(), "nobody else's word counts");
    }
    if !trusts(ip) {
        // Whatever somebody wrote in front of it: the rightmost address that is no proxy's is the client's.
        let forged: Vec<_> = [HeaderValue::from_static(forged)].into_iter().chain(values).collect();
        assert_eq!(address(&forged).ip(), Some(ip));
    }
    assert!(client.limit_key().len() <= 43);
}

fn is_in(net: &str, ip: IpAddr) -> bool {
    net.parse().is_ok_and(|net: ipnet::IpNet| net.contains(&ip))
}

/// `accept_language`: the value of the header.
pub(super) fn accept_language(bytes: &[u8]) {
    let Some(list) = text(bytes) else { return };
    let tags = ["en", "de", "fr", "pt", "pt-BR", "zh-Hant"];
    let ranges = LanguageRanges::parse(list);
    let found = ranges.lookup(&tags.into_iter());
    assert_eq!(ranges.lookup(&tags.into_iter()), found);
    if list.len() > 512 {
        assert_eq!(ranges, LanguageRanges::default(), "what is too long asks for nothing");
    }
    if let Some(tag) = found {
        let primary = tag.split('-').next().unwrap_or_default();
        assert!(list.to_ascii_lowercase().contains(primary), "{tag} was not asked for");
        // What is refused is not answered with, whatever else is asked for.
        let refused = format!("{tag};q=0, {list}");
        if refused.len() <= 512 {
            assert_ne!(LanguageRanges::parse(&refused).lookup(&tags.into_iter()), Some(tag));
        }
    }
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    headers.insert(header::ACCEPT_LANGUAGE, value);
    let language = Language::of_request(&headers, Language::English);
    assert!(language == Language::English || Language::lookup(list) == Some(language));
}

/// `log_text`: text that ends in a log, and as the name of a device.
pub(super) fn log_text(bytes: &[u8]) {
    let Some(lines) = lines(bytes) else { return };
    let whole = lines.join("\n");
    let line = logged(&whole);
    check::one_line(&line, 512);
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_unseen = |c: char| matches!(c, '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}');
    assert!(!line.contains(|c| turns(c) || is_unseen(c)), "{line:?}");
    assert_eq!(logged(&line), line, "what is fit for a log stays as it is");
    let info = DeviceInfo::new(None, Some(&whole));
    let agent = info.user_agent.clone().unwrap_or_default();
    check::one_line(&agent, 512);
    assert_eq!(DeviceInfo::new(None, Some(&agent)), info);
}
