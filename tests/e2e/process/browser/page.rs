//! What a page of the service does: requests with the browser's cookies, and WebAuthn ceremonies.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::driver::Browser;
use crate::process::api::Answer;

const FETCH: &str = "
    const [method, path, headers, body, done] = arguments;
    fetch(path, { method, headers, body }).then(
        async (answer) => done({ status: answer.status, headers: [...answer.headers], body: await answer.text() }),
        (error) => done({ failed: String(error) }),
    );";

/// The options come, and the answer goes, in the forms of WebAuthn Level 3 section 5.1.
const CREATE: &str = "
    const [options, done] = arguments;
    (async () => {
        const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
        return (await navigator.credentials.create({ publicKey })).toJSON();
    })().then((answer) => done({ answer }), (error) => done({ refused: error.name }));";
const GET: &str = "
    const [options, done] = arguments;
    (async () => {
        const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
        return (await navigator.credentials.get({ publicKey })).toJSON();
    })().then((answer) => done({ answer }), (error) => done({ refused: error.name }));";

/// What the browser made of a ceremony: the answer, or the name of its `DOMException`.
pub(super) type Ceremony = Result<Value, String>;

impl Browser {
    /// A request of the page to where it came from.
    pub(crate) async fn fetch(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut sent: Vec<(&str, &str)> = headers.to_vec();
        if body.is_some() {
            sent.push(("content-type", "application/json"));
        }
        let answer = self.run(FETCH, json!([method, path, sent, body.map(Value::to_string)])).await;
        assert_eq!(answer.get("failed"), None, "{method} {path}");
        let headers = answer["headers"].as_array().unwrap().iter().map(|pair| {
            let part = |nth: usize| pair[nth].as_str().unwrap();
            (HeaderName::try_from(part(0)).unwrap(), HeaderValue::try_from(part(1)).unwrap())
        });
        Answer {
            status: answer["status"].as_u64().unwrap().try_into().unwrap(),
            headers: headers.collect::<HeaderMap>(),
            body: answer["body"].as_str().unwrap().to_owned(),
        }
    }

    /// Registers a passkey at an authenticator.
    pub(super) async fn create_credential(&self, options: &Value) -> Ceremony {
        ceremony(self.run(CREATE, json!([options])).await)
    }

    /// Has an authenticator sign.
    pub(super) async fn get_credential(&self, options: &Value) -> Ceremony {
        ceremony(self.run(GET, json!([options])).await)
    }
}

fn ceremony(mut result: Value) -> Ceremony {
    match result.get("refused") {
        Some(name) => Err(name.as_str().unwrap().to_owned()),
        None => Ok(result["answer"].take()),
    }
}
