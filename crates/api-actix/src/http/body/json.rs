//! Strict JSON (RFC 8259, with the restrictions of RFC 7493): what two readers could understand differently is refused.

use std::cell::Cell;
use std::fmt;

use keystead_domain::limits::JSON_DEPTH;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// Most members of one object. No route takes more than a dozen; looking for repeated names is quadratic.
const MAX_MEMBERS: usize = 64;
/// Most elements of one array.
const MAX_ELEMENTS: usize = 1024;
/// Longest string, in bytes. The longest honest one is a WebAuthn attestation.
const MAX_STRING: usize = 32 * 1024;
/// Integers up to 2^53 are the same number to every reader (RFC 7493 section 2.2).
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A parsed text. Members keep their order; no name comes twice.
#[derive(Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number every reader understands alike.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What a person calls this type.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The same value in serde's vocabulary.
    pub fn into_value(self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => value.into(),
            Self::Number(value) => value.into(),
            Self::String(value) => value.into(),
            Self::Array(values) => values.into_iter().map(Self::into_value).collect(),
            Self::Object(members) => members.into_iter().map(|(name, value)| (name, value.into_value())).collect(),
        }
    }
}

// Values may be passwords.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({}, …)", self.type_name())
    }
}

/// Reads exactly one JSON text. The error says in our words what is wrong; it never quotes the input.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the body is not UTF-8".to_owned())?;
    if text.starts_with('\u{feff}') {
        return Err("the body begins with a byte order mark".to_owned());
    }
    let refusal = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Seed { depth: JSON_DEPTH, refusal: &refusal };
    let parsed = seed.deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
    parsed.map_err(|error| match refusal.get() {
        Some(reason) => reason.to_owned(),
        None => format!("the body is not valid JSON at line {}, column {}", error.line(), error.column()),
    })
}

/// Reads a value that may hold `depth` more levels of arrays and objects.
#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    refusal: &'a Cell<Option<&'static str>>,
}

impl Seed<'_> {
    fn refuse<E: Error>(self, reason: &'static str) -> E {
        self.refusal.set(Some(reason));
        E::custom(reason)
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.refuse("the JSON is nested too deep")),
        }
    }

    fn check_length<E: Error>(self, text: &str) -> Result<(), E> {
        if text.len() > MAX_STRING { Err(self.refuse("a JSON string is too long")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    // serde_json turns integers beyond 64 bits into floats, silently losing digits.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        match Number::from_f64(value) {
            Some(number) if value.abs() <= MAX_EXACT => Ok(Json::Number(number)),
            _ => Err(self.refuse("a JSON number is too large")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        self.check_length(text)?;
        Ok(Json::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let seed = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(seed)? {
            if values.len() == MAX_ELEMENTS {
                return Err(self.refuse("a JSON array has too many elements"));
            }
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let seed = self.deeper()?;
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            self.check_length(&name)?;
            if members.len() == MAX_MEMBERS {
                return Err(self.refuse("a JSON object has too many members"));
            }
            // Names that differ in case alone are one name to some readers.
            if members.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                return Err(self.refuse("a name comes twice in a JSON object"));
            }
            members.push((name, entries.next_value_seed(seed)?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn reads_every_kind_of_value() {
        let json = parse(br#" {"a":[null,true,-1,2.5,"x\u00e9\ud83e\udd80\n"],"b":{}} "#).unwrap();
        let expected = serde_json::json!({"a": [null, true, -1, 2.5, "xé🦀\n"], "b": {}});
        assert_eq!(json.into_value(), expected);
        assert!(parse(nested(32).as_bytes()).is_ok());
    }

    #[test]
    fn refuses_what_two_readers_could_understand_differently() {
        let cases: &[(&[u8], &str)] = &[
            (br#"{"role":1,"role":2}"#, "twice"),
            (br#"{"role":1,"ro\u006ce":2}"#, "twice"),
            (br#"{"role":1,"Role":2}"#, "twice"),
            (br#"{"a":{"x":1,"x":1}}"#, "twice"),
            (b"{} {}", "line 1, column 4"),
            (b"{}x", "line 1"),
            (b"{/* c */}", "line 1"),
            (b"{\"a\":1,}", "line 1"),
            (b"{'a':1}", "line 1"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (b"[NaN]", "line 1"),
            (b"[Infinity]", "line 1"),
            (b"[1e400]", "line 1"),
            (b"[18446744073709551616]", "number"),
            (b"[-9223372036854775809]", "number"),
            (b"[1e17]", "number"),
            (b"[01]", "line 1"),
            (b"[+1]", "line 1"),
            (b"[0x10]", "line 1"),
            (b"\"\\ud800\"", "line 1"),
            (b"\"\\udc00x\"", "line 1"),
            (b"\"\xed\xa0\x80\"", "UTF-8"),
            (b"\"\xc0\xaf\"", "UTF-8"),
            (b"\"\xff\"", "UTF-8"),
            (b"\"a\nb\"", "line"),
            (b"", "line 1"),
            (b"{", "line 1"),
        ];
        for (bytes, reason) in cases {
            let error = parse(bytes).unwrap_err();
            assert!(error.contains(reason), "{:?}: {error}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn sizes_are_bounded() {
        for depth in [33, 127, 10_000, 1_000_000] {
            assert_eq!(parse(nested(depth).as_bytes()).unwrap_err(), "the JSON is nested too deep");
        }
        let objects = format!("{}1{}", "{\"a\":".repeat(33), "}".repeat(33));
        assert_eq!(parse(objects.as_bytes()).unwrap_err(), "the JSON is nested too deep");
        let many = format!("[{}0]", "0,".repeat(20_000));
        assert_eq!(parse(many.as_bytes()).unwrap_err(), "a JSON array has too many elements");
        let members: Vec<String> = (0..65).map(|n| format!("\"k{n}\":0")).collect();
        assert_eq!(
            parse(format!("{{{}}}", members.join(",")).as_bytes()).unwrap_err(),
            "a JSON object has too many members"
        );
        let long = format!("\"{}\"", "x".repeat(60 * 1024));
        assert_eq!(parse(long.as_bytes()).unwrap_err(), "a JSON string is too long");
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", Json::String("hunter2".into())), "Json(a string, …)");
    }
}
