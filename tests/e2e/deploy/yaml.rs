//! YAML as JSON values, which are easier to ask.

use serde_json::Value;

use super::read;

/// The documents of a file of the workspace, with anchors and merges resolved.
pub(super) fn documents(relative: &str) -> Vec<Value> {
    let documents = serde_saphyr::from_multiple(&read(relative));
    documents.unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The one document of a file.
pub(super) fn document(relative: &str) -> Value {
    let mut documents = documents(relative);
    assert_eq!(documents.len(), 1, "{relative}");
    documents.remove(0)
}

/// The text at a JSON pointer.
#[track_caller]
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_else(|| panic!("{pointer} is no text in {value:#}"))
}

/// The items at a JSON pointer.
#[track_caller]
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    at(value, pointer).as_array().unwrap_or_else(|| panic!("{pointer} is no list in {value:#}"))
}

/// The value at a JSON pointer.
#[track_caller]
pub(super) fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in {value:#}"))
}
