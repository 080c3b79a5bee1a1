//! The types of settings that kiket knows, and whether a default fits one.

use super::node::{Content, Node};

/// Whether a setting of this `type` is a secret without `secret: true`.
pub(super) fn is_secret_kind(kind: &str) -> bool {
    matches!(kind, "secret" | "password")
}

/// Whether a setting of this `type` is text, whatever YAML reads: `1.10` is.
pub(super) fn is_text_kind(kind: &str) -> bool {
    matches!(kind, "string" | "text")
}

/// Whether a default fits its type; any default fits a type that only Kiket knows. Text that spells a value of the type
/// fits, since most authors quote everything.
pub(super) fn fits(default: &Node, kind: &str) -> Result<(), &'static str> {
    let text = default.as_written();
    let number = if let Content::Number(number, _) = &default.content { Some(number) } else { None };
    let is_text = matches!(default.content, Content::Text(_));
    let reads_as = |parses: fn(&str) -> bool| text.as_deref().is_some_and(parses);
    let (fits, expected) = match kind {
        // A number need not be one that Rust parses: `0x10` is.
        "integer" | "int" => (
            number.is_some_and(|number| number.is_i64() || number.is_u64())
                || reads_as(|text| text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok()),
            "a whole number",
        ),
        "number" | "float" => {
            (number.is_some() || reads_as(|text| text.parse::<f64>().is_ok_and(f64::is_finite)), "a number")
        }
        "boolean" | "bool" => (
            matches!(default.content, Content::Truth(..))
                || reads_as(|text| matches!(text, "true" | "false")),
            "`true` or `false`",
        ),
        kind if is_text_kind(kind) => (text.is_some(), "text"),
        // Text is JSON, which the reader of the setting decodes.
        "object" | "map" => (default.as_map().is_some() || is_text, "a mapping"),
        "array" | "list" => (default.as_list().is_some() || is_text, "a list"),
        _ => return Ok(()),
    };
    if fits { Ok(()) } else { Err(expected) }
}
