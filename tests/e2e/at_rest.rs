//! G06: nothing usable at rest. Whoever gets the database files gets no password, code, token or client id.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::{PASSWORD, Service, SignedIn};

const EMAIL: &str = "ada@example.com";
const NEW: &str = "copper-violin-meadow-17";

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// As SQLite quotes bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

/// A secret as it is told, and the bytes it stands for.
pub(crate) fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.as_bytes().to_vec()];
    forms.extend(URL_SAFE_NO_PAD.decode(secret).ok());
    forms
}

fn secrets_of(who: &SignedIn) -> Vec<(&'static str, String)> {
    let mac = who.refresh.rsplit_once('.').unwrap().1;
    vec![
        ("access token", who.access.clone()),
        ("client id", who.client_id.clone()),
        ("refresh token", who.refresh.clone()),
        ("refresh token's mac", mac.to_owned()),
        ("device token", who.device.clone().unwrap()),
    ]
}

#[tokio::test]
async fn g06_the_database_holds_nothing_usable() {
    let service = Service::start().await;
    let mut secrets = vec![("password", PASSWORD.to_owned()), ("new password", NEW.to_owned())];
    let mut codes = Vec::new();

    // Every flow, some of them left half-way.
    let half_way = service.native().register(EMAIL, PASSWORD).await.unwrap();
    secrets.push(("register token", half_way.token.clone()));
    secrets.push(("half-way client id", half_way.client_id.clone()));
    codes.push(service.code(EMAIL).await);
    let ada = half_way.verify(&codes[0]).await.unwrap();
    secrets.extend(secrets_of(&ada));
    secrets.extend(secrets_of(&ada.refresh().await.unwrap()));
    secrets.extend(secrets_of(&service.browser().login(EMAIL, PASSWORD).await.unwrap()));
    let changed = ada.change_password(PASSWORD, NEW).await.unwrap();
    secrets.extend(secrets_of(&changed));
    ada.client.forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);
    let grant = ada.client.begin_reset(&link).await.unwrap();
    secrets.extend([("reset link", link), ("reset grant", grant.token), ("reset client id", grant.client_id)]);
    ada.client.forgot(EMAIL).await.unwrap();
    secrets.push(("pending reset link", service.link_tokens(EMAIL, 2).await.remove(1)));
    service.native().register("bob@example.com", PASSWORD).await.unwrap();
    codes.push(service.code("bob@example.com").await);

    let mut database = service.database();
    let (bytes, rows) = (database.bytes(), database.dump(&[]));
    assert!(contains(&bytes, EMAIL.as_bytes()), "the files are searched");
    assert!(contains(&bytes, ada.session_id().as_bytes()), "the write-ahead log, too");
    for (name, secret) in &secrets {
        for form in forms(secret) {
            assert!(!contains(&bytes, &form), "{name} in clear");
            let digits = hex(&form);
            assert!(!rows.values().flatten().any(|row| row.contains(&digits)), "{name} in clear, in a row");
        }
    }
    // Six digits may be part of a time stamp: look for a value that is the code.
    for code in &codes {
        let digits = hex(code.as_bytes());
        for row in rows.values().flatten() {
            let values = [format!("='{code}'"), format!("={code} "), format!("X'{digits}'"), format!(":\"{code}\"")];
            assert!(!values.iter().any(|value| row.contains(value.as_str())), "a code in clear: {row}");
        }
    }
    assert!(!rows.values().flatten().any(|row| row.contains("\"notice\"")), "mails wait sealed");
}
