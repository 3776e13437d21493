//! Request bodies as plain structs: how they are declared and how they are read.

use keystead_domain::SecretString;
use validator::{Validate, ValidationError, ValidationErrors, ValidationErrorsKind};

use super::json::Json;
use super::pointers::{Pointers, escape, wire_name};
use crate::http::{Code, Problem};

/// A request body. Declared with [`dto!`](crate::dto), never by hand.
pub trait Dto: Validate + Sized {
    /// The JSON:API type of the document.
    const TYPE: &'static str;

    /// Takes every field; a field that cannot be read leaves a problem behind.
    fn read(attributes: &mut Attributes) -> Option<Self>;
}

/// A type an attribute can have.
pub trait Attribute: Sized {
    /// What a person calls it, with its article: `a string`.
    const EXPECTED: &'static str;

    /// Reads a value that is there; `None` when it has another type.
    fn from_json(json: Json) -> Option<Self>;

    /// Stands in for a value that is not there; `None` when it must be.
    fn absent() -> Option<Self> {
        None
    }
}

macro_rules! attribute {
    ($type:ty, $expected:literal, $pattern:pat => $value:expr) => {
        impl Attribute for $type {
            const EXPECTED: &'static str = $expected;

            fn from_json(json: Json) -> Option<Self> {
                match json {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    };
}

attribute!(String, "a string", Json::String(text) => Some(text));
attribute!(SecretString, "a string", Json::String(text) => Some(SecretString::new(text)));
attribute!(bool, "a boolean", Json::Bool(value) => Some(value));
attribute!(u32, "a whole number", Json::Number(number) => number.as_u64().and_then(|n| n.try_into().ok()));
attribute!(u64, "a whole number", Json::Number(number) => number.as_u64());
attribute!(i64, "a whole number", Json::Number(number) => number.as_i64());
attribute!(serde_json::Value, "an object", object @ Json::Object(_) => Some(object.into_value()));

impl<T: Attribute> Attribute for Vec<T> {
    const EXPECTED: &'static str = "an array";

    fn from_json(json: Json) -> Option<Self> {
        match json {
            Json::Array(values) => values.into_iter().map(T::from_json).collect(),
            _ => None,
        }
    }
}

/// An attribute that may be left out; `null` says the same.
impl<T: Attribute> Attribute for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_json(json: Json) -> Option<Self> {
        match json {
            Json::Null => Some(None),
            value => T::from_json(value).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// An attribute of a PATCH: left out means keep, `null` means clear. In a schema it is `value_type = Option<…>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Left out.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Change<T> {
    /// The same change of a borrowed value.
    pub const fn as_ref(&self) -> Change<&T> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(value),
        }
    }

    /// The change when it applies to a value that may be cleared: `None` keeps, `Some(None)` clears.
    pub fn into_option(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

impl<T: Attribute> Attribute for Change<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_json(json: Json) -> Option<Self> {
        match json {
            Json::Null => Some(Self::Clear),
            value => T::from_json(value).map(Self::Set),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::Keep)
    }
}

/// The attributes object while it is being read.
#[derive(Debug)]
pub struct Attributes {
    members: Vec<(String, Json)>,
    at: Pointers,
    problems: Vec<Problem>,
}

impl Attributes {
    pub(super) fn new(members: Vec<(String, Json)>, at: Pointers) -> Self {
        Self { members, at, problems: Vec::new() }
    }

    /// Takes one attribute by the name of its Rust field. `None` means a problem was noted.
    pub fn take<T: Attribute>(&mut self, field: &'static str) -> Option<T> {
        let name = wire_name(field);
        let Some(index) = self.members.iter().position(|(known, _)| *known == name) else {
            let absent = T::absent();
            if absent.is_none() {
                self.problems.push(Problem::new(Code::MISSING_ATTRIBUTE).pointer(self.at.to(&name)));
            }
            return absent;
        };
        let (_, json) = self.members.swap_remove(index);
        let value = T::from_json(json);
        if value.is_none() {
            let detail = format!("must be {}", T::EXPECTED);
            self.problems.push(Problem::new(Code::WRONG_TYPE).detail(detail).pointer(self.at.to(&name)));
        }
        value
    }

    /// Reads a whole body: every problem of every attribute at once.
    pub(super) fn read<T: Dto>(mut self) -> Result<T, Vec<Problem>> {
        let value = T::read(&mut self);
        for (name, _) in &self.members {
            self.problems.push(Problem::new(Code::UNKNOWN_ATTRIBUTE).pointer(self.at.to(&escape(name))));
        }
        match value {
            Some(value) => {
                if let Err(errors) = value.validate() {
                    collect(&errors, self.at, "", &mut self.problems);
                }
                if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
            }
            None => Err(self.problems),
        }
    }
}

/// Turns validator's findings into problems. The rejected value, which validator keeps in `params`, is never looked at.
fn collect(errors: &ValidationErrors, at: Pointers, prefix: &str, problems: &mut Vec<Problem>) {
    let mut fields: Vec<_> = errors.errors().iter().collect();
    fields.sort_by(|a, b| a.0.cmp(b.0));
    for (field, kind) in fields {
        let name = format!("{prefix}{}", wire_name(field));
        match kind {
            ValidationErrorsKind::Field(found) => {
                let described = found
                    .iter()
                    .map(|error| Problem::new(Code::VALIDATION_FAILED).detail(describe(error)).pointer(at.to(&name)));
                problems.extend(described);
            }
            ValidationErrorsKind::Struct(inner) => collect(inner, at, &format!("{name}/"), problems),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, at, &format!("{name}/{index}/"), problems);
                }
            }
        }
    }
}

fn describe(error: &ValidationError) -> String {
    if let Some(message) = &error.message {
        return message.to_string();
    }
    let bound = |name: &str| error.params.get(name).and_then(serde_json::Value::as_f64);
    let what = if error.code == "length" { "length" } else { "value" };
    match (bound("min"), bound("max"), bound("equal")) {
        (_, _, Some(equal)) => format!("the {what} must be {equal}"),
        (Some(min), Some(max), _) => format!("the {what} must be {min} to {max}"),
        (Some(min), None, _) => format!("the {what} must be at least {min}"),
        (None, Some(max), _) => format!("the {what} must be at most {max}"),
        (None, None, None) => "the value breaks a rule".to_owned(),
    }
}

/// Declares request bodies. Each becomes a struct with public fields that derives `Debug`, `validator::Validate` and
/// `utoipa::ToSchema` and is read with [`ApiBody`](crate::http::ApiBody). Wire names are the camelCase of the fields.
///
/// ```
/// keystead_api_actix::dto! {
///     /// Body of `POST /auth/register`.
///     pub struct RegisterBody: "registrations" {
///         /// Where the code is sent.
///         #[validate(length(max = 254))]
///         #[schema(example = "ada@example.com")]
///         email: String,
///         /// Absent when passwordless.
///         #[schema(value_type = Option<String>)]
///         password: Option<keystead_domain::SecretString>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! dto {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident: $type:literal {
            $($(#[$field_meta:meta])* $field:ident: $field_type:ty),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, ::validator::Validate, ::utoipa::ToSchema)]
        #[schema(rename_all = "camelCase")]
        $vis struct $name {
            $($(#[$field_meta])* pub $field: $field_type,)*
        }

        impl $crate::http::Dto for $name {
            const TYPE: &'static str = $type;

            fn read(attributes: &mut $crate::http::Attributes) -> ::std::option::Option<Self> {
                // Every field is taken before the first `?`, so that all problems are found at once.
                $(let $field = attributes.take::<$field_type>(stringify!($field));)*
                ::std::option::Option::Some(Self { $($field: $field?,)* })
            }
        }
    )*};
}
