//! A second opinion on JSON: a reader that keeps what `serde_json::Value` drops, and says which texts Keystead must refuse.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON text with every member of every object, in order.
pub(crate) enum Strict {
    /// `null`, `true`, `false`, or a whole number of 64 bits.
    Plain,
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Strict>),
    /// An object.
    Object(Vec<(String, Strict)>),
}

impl Strict {
    /// Reads a text; `None` when it is no JSON.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether two readers could understand it differently, or it is larger than anything a route takes: `depth` levels,
    /// 1,024 elements, 64 members, strings of 32 KiB, numbers beyond 2^53 that are no 64-bit integers.
    pub(crate) fn is_lawful(&self, depth: usize) -> bool {
        let short = |text: &String| text.len() <= 32 * 1024;
        match self {
            Self::Plain => true,
            Self::Float(number) => number.abs() <= 9_007_199_254_740_992.0,
            Self::Text(text) => short(text),
            Self::Array(items) => {
                depth > 0 && items.len() <= 1024 && items.iter().all(|item| item.is_lawful(depth - 1))
            }
            Self::Object(members) => {
                depth > 0
                    && members.len() <= 64
                    && !has_twins(members)
                    && members.iter().all(|(name, value)| short(name) && value.is_lawful(depth - 1))
            }
        }
    }

    /// The members of an object, when no two have one name.
    pub(crate) fn members(&self) -> Option<Vec<&str>> {
        match self {
            Self::Object(members) if !has_twins(members) => {
                Some(members.iter().map(|(name, _)| name.as_str()).collect())
            }
            _ => None,
        }
    }
}

fn has_twins(members: &[(String, Strict)]) -> bool {
    let mut names: Vec<String> = members.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict::Plain)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict::Plain)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Strict, E> {
        Ok(Strict::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Strict, E> {
        Ok(Strict::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = elements.next_element()? {
            items.push(item);
        }
        Ok(Strict::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Strict::Object(members))
    }
}
