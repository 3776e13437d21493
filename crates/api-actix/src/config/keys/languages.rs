//! What the keys of languages are.

use super::Kind;
use super::table::{Row, value};

pub(super) fn languages() -> Vec<Row> {
    vec![(
        "languages.default",
        Kind::Text,
        value("en"),
        "Language of messages and of what errors say, for people whose own is not known or not there: `en`, `id`, `de`, \
         `fr`, `es`, `pt`, or one that `mail.templates_dir` brings (errors are then in English).",
    )]
}
