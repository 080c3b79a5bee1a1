//! The types of settings that kiket knows, and whether a default fits one.

use super::node::{Content, Node};

/// Whether a setting of this `type` is a secret without `secret: true`.
pub(super) fn is_secret_kind(kind: &str) -> bool {
    matches!(kind, "secret" | "password")
}

/// Whether a default fits its type; any default fits a type that only Kiket knows. Text that spells a value of the type
/// fits, since most authors quote everything.
pub(super) fn fits(default: &Node, kind: &str) -> Result<(), &'static str> {
    let text = default.as_written();
    let reads_as = |parses: fn(&str) -> bool| text.as_deref().is_some_and(parses);
    let (fits, expected) = match kind {
        "integer" | "int" => (
            reads_as(|text| text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok()) || is_whole(default),
            "a whole number",
        ),
        "number" | "float" => {
            (reads_as(|text| text.parse::<f64>().is_ok_and(f64::is_finite)) || is_number(default), "a number")
        }
        "boolean" | "bool" => (reads_as(|text| matches!(text, "true" | "false")), "`true` or `false`"),
        "string" | "text" => (text.is_some(), "text"),
        // Text is JSON, which the reader of the setting decodes.
        "object" | "map" => (default.as_map().is_some() || is_text(default), "a mapping"),
        "array" | "list" => (default.as_list().is_some() || is_text(default), "a list"),
        _ => return Ok(()),
    };
    if fits { Ok(()) } else { Err(expected) }
}

/// Also for numbers that Rust does not parse, like `0x10`.
fn is_whole(node: &Node) -> bool {
    matches!(&node.content, Content::Number(number, _) if number.is_i64() || number.is_u64())
}

fn is_number(node: &Node) -> bool {
    matches!(node.content, Content::Number(..))
}

fn is_text(node: &Node) -> bool {
    matches!(node.content, Content::Text(_))
}
