//! H02: JSON that two readers read differently.

use serde_json::json;

use super::{JSON, Target, refused};

const CREDENTIALS: &str = r#""identity":"ada@example.com","password":"x""#;

#[tokio::test]
async fn h02_json_has_one_reading() {
    let target = Target::start().await;
    for text in [
        String::new(),
        "{".into(),
        "{\"identity\":}".into(),
        format!("{{{CREDENTIALS},}}"),
        format!("{{{CREDENTIALS}}} x"),
        format!("{{{CREDENTIALS}}}{{}}"),
        format!("{{{CREDENTIALS}}}\0"),
        format!("{{{CREDENTIALS},\"password\":\"y\"}}"),
        format!("{{{CREDENTIALS},\"pass\\u0077ord\":\"y\"}}"),
        format!("{{{CREDENTIALS},\"\\u0070assword\":\"x\"}}"),
        "{\"Identity\":\"a\",\"identity\":\"a\",\"password\":\"b\"}".into(),
        "{\"ro\\u006ce\":\"a\",\"role\":\"b\"}".into(),
        format!("{{/* a comment */{CREDENTIALS}}}"),
        format!("{{{CREDENTIALS}}} // a comment"),
        format!("\u{feff}{{{CREDENTIALS}}}"),
        "{'identity':'ada'}".into(),
        "{identity:\"ada\"}".into(),
        "{\"identity\":NaN}".into(),
        "{\"identity\":Infinity}".into(),
        "{\"identity\":-Infinity}".into(),
        "{\"identity\":1e400}".into(),
        "{\"identity\":18446744073709551616}".into(),
        "{\"identity\":01}".into(),
        "{\"identity\":.5}".into(),
        "{\"identity\":0x10}".into(),
        "{\"identity\":\"\\ud800\"}".into(),
        "{\"identity\":\"\\x41\"}".into(),
        "{\"identity\":\"a\nb\"}".into(),
        "{\"a\":{\"b\":1,\"b\":2}}".into(),
    ] {
        refused(&text, &target.login(Some(JSON), text.clone()).await, 400, "BAD_JSON");
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
        refused(text, &target.login(Some(JSON), text).await, 422, code);
    }
    target.unharmed().await;
}

#[tokio::test]
async fn h02_a_document_has_one_reading() {
    let target = Target::start().await;
    let data =
        json!({ "type": "logins", "attributes": { "identity": "ada@example.com", "password": "x" } }).to_string();
    let other = data.replace("ada@", "eve@");
    for text in [
        format!("{{\"data\":{data},\"data\":{other}}}"),
        format!("{{\"data\":{data},\"d\\u0061ta\":{other}}}"),
        format!("{{\"data\":{}}}", data.replace("\"type\"", "\"type\":\"users\",\"type\"")),
        format!("{{\"data\":{}}}", data.replace("\"password\"", "\"passw\\u006frd\":\"y\",\"password\"")),
        format!("{{\"data\":{data}}}{{\"data\":{other}}}"),
        format!("\u{feff}{{\"data\":{data}}}"),
    ] {
        refused(&text, &target.login(Some("application/vnd.api+json"), text.clone()).await, 400, "BAD_JSON");
    }
    target.unharmed().await;
}
