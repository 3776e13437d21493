//! H01 to H04, P07: query strings and bodies that are not what a route takes (G18).

use serde_json::json;

use super::Target;
use crate::process::api::{Answer, Api, PASSWORD, admin_of};
use crate::process::configured::Configured;
use crate::support::client_builder;

const JSON: &str = "application/json";
const LOGIN: &str = "/api/v1/auth/login";
const REGISTER: &str = "/api/v1/auth/register";
const ME: &str = "/api/v1/users/me";

impl Target {
    /// A request with this body, byte by byte; with somebody's token where the route needs one.
    async fn body(&self, path: &str, media: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
        let method = if path == ME { "PATCH" } else { "POST" };
        let client = client_builder().build().unwrap();
        let mut request = client
            .request(method.parse().unwrap(), format!("{}{path}", self.service().url()))
            .header("keystead-client", "native")
            .header("keystead-client-id", &self.ada.client_id)
            .header("authorization", format!("Bearer {}", self.ada.access))
            .body(body.into());
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }
}

#[tokio::test]
async fn h01_query_strings_are_strict() {
    let target = Target::start().await;
    let many = (0..5000).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    let forty = (0..40).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    for (query, status, code) in [
        ("page[size]=1&page[size]=2", 400, "DUPLICATE_PARAMETER"),
        ("page[size]=1&page%5Bsize%5D=2", 400, "DUPLICATE_PARAMETER"),
        ("a=1&a=2", 400, "DUPLICATE_PARAMETER"),
        ("page[size][]=1", 400, "UNKNOWN_PARAMETER"),
        ("page=1", 400, "UNKNOWN_PARAMETER"),
        ("include=user", 400, "UNKNOWN_PARAMETER"),
        ("fields[sessions]=ip", 400, "UNKNOWN_PARAMETER"),
        ("sort=-passwordHash", 400, "UNKNOWN_PARAMETER"),
        ("page[size]=0", 400, "INVALID_PARAMETER"),
        ("page[size]=-1", 400, "INVALID_PARAMETER"),
        ("page[size]=101", 400, "INVALID_PARAMETER"),
        ("page[size]=1e9", 400, "INVALID_PARAMETER"),
        ("page[size]=99999999999999999999", 400, "INVALID_PARAMETER"),
        ("page[size]=", 400, "INVALID_PARAMETER"),
        ("page[after]='", 400, "INVALID_PARAMETER"),
        ("page[after]=%00", 400, "INVALID_PARAMETER"),
        ("page[size]=%ff", 400, "INVALID_PARAMETER"),
        ("page[size]=%2", 400, "INVALID_PARAMETER"),
        (forty.as_str(), 400, "INVALID_PARAMETER"),
        (many.as_str(), 414, "URI_TOO_LONG"),
    ] {
        for path in ["/api/v1/sessions", "/api/v1/login-history"] {
            let answer = target.api.send_as(&target.ada, "GET", &format!("{path}?{query}"), None).await;
            target.refused(query, &answer, status, code);
        }
    }
    let answer = target.api.send_as(&target.ada, "POST", "/api/v1/auth/logout?all=yes", None).await;
    target.refused("a flag", &answer, 400, "INVALID_PARAMETER");
    target.unharmed().await;
}

#[tokio::test]
async fn h02_json_has_one_reading() {
    let target = Target::start().await;
    let credentials = r#""identity":"ada@example.com","password":"x""#;
    for text in [
        String::new(),
        "{".into(),
        "{\"identity\":}".into(),
        format!("{{{credentials},}}"),
        format!("{{{credentials}}} x"),
        format!("{{{credentials}}}{{}}"),
        format!("{{{credentials},\"password\":\"y\"}}"),
        format!("{{{credentials},\"pass\\u0077ord\":\"y\"}}"),
        "{\"Identity\":\"a\",\"identity\":\"a\",\"password\":\"b\"}".into(),
        format!("{{/* a comment */{credentials}}}"),
        format!("{{{credentials}}} // a comment"),
        format!("\u{feff}{{{credentials}}}"),
        "{'identity':'ada'}".into(),
        "{identity:\"ada\"}".into(),
        "{\"identity\":NaN}".into(),
        "{\"identity\":Infinity}".into(),
        "{\"identity\":1e400}".into(),
        "{\"identity\":18446744073709551616}".into(),
        "{\"identity\":01}".into(),
        "{\"identity\":\"\\ud800\"}".into(),
        "{\"identity\":\"a\nb\"}".into(),
        "{\"a\":{\"b\":1,\"b\":2}}".into(),
    ] {
        let answer = target.body(LOGIN, Some(JSON), text.clone()).await;
        target.refused(&text, &answer, 400, "BAD_JSON");
    }
    for bytes in [b"{\"identity\":\"\xff\"}".as_slice(), b"{\"identity\":\"\xc0\xaf\"}", b"\xfe\xff\x00{\x00}"] {
        let answer = target.body(LOGIN, Some(JSON), bytes).await;
        target.refused("not UTF-8", &answer, 400, "BAD_JSON");
    }
    // Names are exact; whole values of the wrong type are told as such.
    for (text, code) in [
        ("[]", "WRONG_TYPE"),
        ("null", "WRONG_TYPE"),
        ("\"text\"", "WRONG_TYPE"),
        ("{\"Identity\":\"a\",\"password\":\"b\"}", "MISSING_ATTRIBUTE"),
        ("{\"identity\":\"a\",\"password\":\"b\",\"pass word\":\"b\"}", "UNKNOWN_ATTRIBUTE"),
        ("{\"identity\":7,\"password\":\"b\"}", "WRONG_TYPE"),
        ("{\"identity\":[\"a\"],\"password\":\"b\"}", "WRONG_TYPE"),
        ("{\"identity\":{\"$ne\":null},\"password\":\"b\"}", "WRONG_TYPE"),
        ("{\"identity\":null,\"password\":\"b\"}", "WRONG_TYPE"),
        ("{\"identity\":\"a\"}", "MISSING_ATTRIBUTE"),
        ("{}", "MISSING_ATTRIBUTE"),
    ] {
        let answer = target.body(LOGIN, Some(JSON), text).await;
        target.refused(text, &answer, 422, code);
    }
    target.unharmed().await;
}

#[tokio::test]
async fn h03_large_and_deep_bodies_cost_nothing() {
    let target = Target::start().await;
    let nested = |depth: usize| format!("{{\"identity\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let open = |depth: usize| "[".repeat(depth);
    let text = |length: usize| format!("{{\"identity\":\"{}\"}}", "a".repeat(length));
    let elements = format!("{{\"identity\":[{}1]}}", "1,".repeat(20_000));
    let members: String = (0..5000).fold(String::new(), |all, n| all + &format!("\"m{n}\":1,"));
    let cases = [
        ("nested 33", nested(33), 400, "BAD_JSON"),
        ("nested 10 000", nested(10_000), 400, "BAD_JSON"),
        ("open 60 000", open(60_000), 400, "BAD_JSON"),
        ("nested 1 000 000", nested(1_000_000), 413, "PAYLOAD_TOO_LARGE"),
        ("a string of 60 KB", text(60_000), 400, "BAD_JSON"),
        ("20 000 elements", elements, 400, "BAD_JSON"),
        ("5000 members", format!("{{{members}\"x\":1}}"), 400, "BAD_JSON"),
        ("64 KiB and one", "a".repeat(65_537), 413, "PAYLOAD_TOO_LARGE"),
        ("10 MB", "a".repeat(10_000_000), 413, "PAYLOAD_TOO_LARGE"),
    ];
    // Once to warm up: buffers and threads are kept.
    for _ in 0..2 {
        for (attack, body, status, code) in &cases {
            target.refused(attack, &target.body(LOGIN, Some(JSON), body.clone()).await, *status, code);
        }
    }
    let before = target.service().resident_kib();
    for _ in 0..10 {
        for (attack, body, status, code) in &cases {
            target.refused(attack, &target.body(LOGIN, Some(JSON), body.clone()).await, *status, code);
        }
    }
    let grown = target.service().resident_kib().saturating_sub(before);
    assert!(grown < 5 * 1024, "it grew by {grown} KiB");
    target.unharmed().await;
}

#[tokio::test]
async fn h04_media_types_are_exact() {
    let target = Target::start().await;
    let body = json!({"identity": "ada@example.com", "password": "a wrong password 1"}).to_string();
    for media in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application/json, text/plain",
        "application/vnd.api+json; ext=\"https://evil.example\"",
        "application/vnd.api+json; q=1",
        "application/",
        "json",
    ] {
        target.refused(media, &target.body(LOGIN, Some(media), body.clone()).await, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    target.refused("absent", &target.body(LOGIN, None, body.clone()).await, 415, "UNSUPPORTED_MEDIA_TYPE");
    for accept in ["text/html", "application/xml", "application/vnd.api+json; ext=\"x\"", "*/*;q=0"] {
        let answer = target.api.send("POST", LOGIN, &[("accept", accept)], Some(&json!({}))).await;
        target.refused(accept, &answer, 406, "NOT_ACCEPTABLE");
    }
    // The two forms of the contract are read, and the credentials in them looked at.
    let document = json!({"data": {"type": "logins", "attributes": {"identity": "ada@example.com", "password": "x"}}});
    for (media, body) in [
        (JSON, body.clone()),
        ("application/json; charset=UTF-8", body),
        ("application/vnd.api+json", document.to_string()),
    ] {
        target.refused(media, &target.body(LOGIN, Some(media), body).await, 401, "INVALID_CREDENTIALS");
    }
    target.unharmed().await;
}

#[tokio::test]
async fn a01_a02_attributes_nobody_may_set_and_documents_of_another_shape() {
    let target = Target::start().await;
    for name in [
        "role",
        "isActive",
        "is_active",
        "isAdmin",
        "id",
        "epoch",
        "status",
        "emailVerified",
        "mfaEnabled",
        "createdAt",
        "passwordHash",
        "password_hash",
        "__proto__",
        "constructor",
    ] {
        let own = json!({"fullName": "Ada", name: "x"});
        target.refused(name, &target.body(ME, Some(JSON), own.to_string()).await, 422, "UNKNOWN_ATTRIBUTE");
        let new = json!({"email": "eve@example.com", "password": PASSWORD, name: "x"});
        target.refused(name, &target.body(REGISTER, Some(JSON), new.to_string()).await, 422, "UNKNOWN_ATTRIBUTE");
    }
    assert_eq!(target.api.mails_to("eve@example.com").await, Vec::<String>::new());
    let attributes = json!({"fullName": "Eve"});
    for (document, status, code) in [
        (json!({"data": {"type": "admins", "attributes": attributes}}), 409, "TYPE_CONFLICT"),
        (json!({"data": {"attributes": attributes}}), 422, "MISSING_ATTRIBUTE"),
        (json!({"data": {"type": 1, "attributes": attributes}}), 422, "WRONG_TYPE"),
        (json!({"data": [{"type": "users", "attributes": attributes}]}), 422, "WRONG_TYPE"),
        (json!({"data": null}), 422, "WRONG_TYPE"),
        (json!({}), 422, "MISSING_ATTRIBUTE"),
        (json!({"data": {"type": "users", "attributes": attributes}, "included": []}), 422, "UNKNOWN_ATTRIBUTE"),
        (json!({"data": {"type": "users", "attributes": attributes, "lid": "1"}}), 422, "UNKNOWN_ATTRIBUTE"),
        (json!({"data": {"type": "users", "attributes": attributes, "relationships": {}}}), 422, "UNKNOWN_ATTRIBUTE"),
        (json!({"data": {"type": "users", "attributes": {"role": "admin"}}}), 422, "UNKNOWN_ATTRIBUTE"),
    ] {
        let answer = target.body(ME, Some("application/vnd.api+json"), document.to_string()).await;
        target.refused(&document.to_string(), &answer, status, code);
    }
    target.unharmed().await;
}

#[tokio::test]
async fn o07_o08_h08_values_that_only_look_right() {
    let target = Target::start().await;
    let registered = target.api.register("bob@example.com").await.expect(201);
    let (token, client_id) = (registered.attribute("accessToken"), registered.attribute("clientId"));
    let code = crate::process::api::code_in(&target.api.mail_to("bob@example.com").await);
    let wide: String = code.bytes().map(|digit| char::from_u32(0xff10 + u32::from(digit - b'0')).unwrap()).collect();
    let number: u32 = code.parse().unwrap();
    for wrong in [
        json!(number),
        json!(format!(" {code}")),
        json!(format!("{code}\n")),
        json!(format!("+{}", &code[1..])),
        json!(&code[1..]),
        json!(format!("0{code}")),
        json!(format!("{code}\u{200b}")),
        json!(wide),
        json!("\u{664}\u{664}\u{664}\u{664}\u{664}\u{664}"),
        json!([code]),
        json!({"code": code}),
        json!(null),
        json!(true),
        json!(""),
    ] {
        let body = json!({ "code": wrong });
        let answer =
            target.api.send_with(&token, &client_id, "POST", "/api/v1/auth/register/verify", Some(&body)).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
        target.explained(&wrong.to_string(), &answer);
    }
    for email in [
        "eve@x\r\nRCPT TO:<v@example.com>\r\n[127.0.0.1]",
        "eve@example.com\r\nBcc: v@example.com",
        "eve@example.com\u{0}",
        "<eve@example.com>",
        "eve@[127.0.0.1]",
        "eve @example.com",
        "\"eve\"@example.com",
        "eve@example.com,v@example.com",
        "eve@@example.com",
        "eve@",
        &format!("{}@example.com", "e".repeat(320)),
    ] {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = target.api.post(REGISTER, &body).await;
        target.refused(email, &answer, 422, "INVALID_EMAIL");
    }
    // Fourteen malformed codes were no tries: the right one still counts.
    target.api.verify(&registered, &code).await.expect(200);
    target.unharmed().await;
}

#[tokio::test]
async fn p07_no_password_is_hashed_that_cannot_be_chosen() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&["http.admin_listen=127.0.0.1:0", "limits.mode=off", "unsafe_allow=limits-off"]);
    let admin = admin_of(&service).await;
    let api = Api::new(service.url());
    for (length, status, code) in [
        (7, 422, "PASSWORD_TOO_SHORT"),
        (129, 422, "PASSWORD_TOO_LONG"),
        (30_000, 422, "PASSWORD_TOO_LONG"),
        (60_000, 400, "BAD_JSON"),
        (1_000_000, 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let password: String = "correct horse battery staple ".chars().cycle().take(length).collect();
        let answer = api.post(REGISTER, &json!({"email": "ada@example.com", "password": password})).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{length}");
        let answer = api.login("ada@example.com", &password).await;
        assert!((400..500).contains(&answer.status), "{length}: {}", answer.body);
    }
    for password in ["password1", "qwertyuiop", "ada@example.com"] {
        let answer = api.post(REGISTER, &json!({"email": "ada@example.com", "password": password})).await;
        assert_eq!(answer.status, 422, "{password}: {}", answer.body);
    }
    let page = admin.get("/metrics").await.expect(200).body;
    let hashes = page.lines().find_map(|line| line.strip_prefix("keystead_hash_total ")).unwrap();
    // Logins with 7 and with 129 characters or more: equal work for all that were short enough to be a password.
    assert!(hashes.parse::<u32>().unwrap() <= 1, "{hashes} hashes");
}
