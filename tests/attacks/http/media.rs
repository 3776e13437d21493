//! H04: media types, charsets, and bytes that are no text.

use reqwest::Method;
use serde_json::json;

use super::{JSON, LOGIN, Target, refused};

#[tokio::test]
async fn h04_media_types_are_exact() {
    // What is read at the end are guesses.
    let target = Target::start_but_for(&["guess_budgets"]).await;
    let body = json!({"identity": "ada@example.com", "password": "a wrong password 1"}).to_string();
    for media in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/xml",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application/json; charset=utf-7",
        "application/json, text/plain",
        "application/json-patch+json",
        "application/vnd.api+json; charset=utf-16",
        "application/vnd.api+json; ext=\"https://evil.example\"",
        "application/vnd.api+json; q=1",
        "application/",
        "json",
        "",
    ] {
        refused(media, &target.login(Some(media), body.clone()).await, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    refused("absent", &target.login(None, body.clone()).await, 415, "UNSUPPORTED_MEDIA_TYPE");
    for accept in ["text/html", "application/xml", "application/vnd.api+json; ext=\"x\"", "*/*;q=0", "image/*"] {
        let call = target.service.api().at(Method::POST, LOGIN).header("accept", accept);
        refused(accept, &call.json(&json!({})).send().await, 406, "NOT_ACCEPTABLE");
        let call = target.ada.call(Method::GET, "/users/me").header("accept", accept);
        refused(accept, &call.send().await, 406, "NOT_ACCEPTABLE");
    }
    // The two forms of the contract are read, and the credentials in them looked at.
    let document = json!({"data": {"type": "logins", "attributes": {"identity": "ada@example.com", "password": "x"}}});
    for (media, body) in [
        (JSON, body.clone()),
        ("application/json; charset=UTF-8", body),
        ("application/vnd.api+json", document.to_string()),
    ] {
        refused(media, &target.login(Some(media), body).await, 401, "INVALID_CREDENTIALS");
    }
    target.unharmed().await;
}

#[tokio::test]
async fn h04_what_is_not_utf_8_is_not_read() {
    let target = Target::start().await;
    let body = |inside: &[u8]| [b"{\"identity\":\"", inside, b"\",\"password\":\"x\"}"].concat();
    let utf_16: Vec<u8> = "{\"identity\":\"a\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (attack, bytes) in [
        ("a stray byte", body(b"\xff")),
        ("a byte too few", body(b"\xc3")),
        ("a continuation alone", body(b"\x80")),
        ("overlong in two", body(b"\xc0\xaf")),
        ("overlong in three", body(b"\xe0\x80\xaf")),
        ("an overlong NUL", body(b"\xc0\x80")),
        ("a surrogate", body(b"\xed\xa0\x80")),
        ("a pair of surrogates", body(b"\xed\xa0\xbd\xed\xb8\x80")),
        ("beyond Unicode", body(b"\xf4\x90\x80\x80")),
        ("Latin-1", body(b"S\xf6hne")),
        ("half a pair, escaped", body(b"\\ud83d")),
        ("a pair in the wrong order, escaped", body(b"\\ude00\\ud83d")),
        ("a byte order mark", [b"\xef\xbb\xbf".to_vec(), body(b"a")].concat()),
        ("UTF-16 with its mark", [b"\xfe\xff".to_vec(), utf_16.clone()].concat()),
        ("UTF-16", utf_16),
    ] {
        refused(attack, &target.login(Some(JSON), bytes).await, 400, "BAD_JSON");
    }
    target.unharmed().await;
}
