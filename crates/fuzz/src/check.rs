//! What holds of every refusal.

use keystead_api_actix::http::{ApiError, Language, Source};
use serde_json::Value;

/// Longest error document: a handful of problems, not an echo of the request.
const LONGEST: usize = 64 * 1024;

/// A refusal says that the client is at fault, and says it in a document that can be read.
pub(crate) fn refusal(error: &ApiError) {
    assert!(error.code().status().is_client_error(), "{} is no client's fault: {:?}", error.code(), error.log_cause());
    let problems = error.problems();
    let language = Language::ALL.get(problems.len() % Language::ALL.len()).copied().unwrap_or_default();
    let body = error.body(Some("fuzz"), language);
    assert!(body.len() <= LONGEST, "{} bytes of errors", body.len());
    document(&body);
    for problem in problems {
        assert!(problem.code().status().is_client_error(), "{} beside {}", problem.code(), error.code());
        if let Some(Source::Pointer(pointer)) = problem.source() {
            assert!(pointer.is_empty() || pointer.starts_with('/'), "no JSON pointer: {pointer:?}");
        }
    }
}

/// An error document: at least one error, each with a status of 4xx and a code.
pub(crate) fn document(body: &[u8]) {
    let document: Value = serde_json::from_slice(body).expect("an error document is JSON");
    let errors = document.get("errors").and_then(Value::as_array).expect("an error document has errors");
    assert!(!errors.is_empty(), "an error document says what is wrong");
    for error in errors {
        let status = error.get("status").and_then(Value::as_str).unwrap_or_default();
        assert!(status.len() == 3 && status.starts_with('4'), "{error}");
        let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
        assert!(!code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{error}");
    }
}

/// Text that is one line to everybody who shows it.
pub(crate) fn one_line(text: &str, most: usize) {
    assert!(text.len() <= most, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
