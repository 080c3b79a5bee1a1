//! Which field of JSON does not decode.

use std::fmt::Display;

use serde::Deserialize;
use serde_path_to_error::{Path, Segment};

use super::delivery::Error;

/// The error with the path of the field that does not decode: decodes `json` once more, slowly. `place` is the path of
/// `json` in the body, empty for the body itself.
///
/// A body that is not JSON is rejected before this error is looked at.
pub(crate) fn undecodable<'d, T: Deserialize<'d>>(
    place: &str,
    json: &'d str,
    error: serde_json::Error,
) -> Error {
    let at = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(json)).err();
    let (path, error) = match at {
        Some(at) => (Some(at.path().clone()), at.into_inner()),
        None => (None, error),
    };
    let what = without_place(&error);
    if error.is_syntax() && what == TOO_DEEP {
        return Error::too_deep();
    }
    let advice = if what.ends_with(BORROWED) { COW } else { "" };
    Error::undecodable(located(place, path.as_ref(), format_args!("{what}{advice}")), error)
}

/// How `serde_json` refuses JSON that is nested more deeply than 128 levels.
const TOO_DEEP: &str = "recursion limit exceeded";
/// How serde refuses a text with an escape for a `&str`.
const BORROWED: &str = "expected a borrowed string";
const COW: &str = ": a text with escapes, like `\\n`, cannot be borrowed; write `#[serde(borrow)]` and `Cow<'_, str>` in place of `&str`";

/// The error text `what` after the path of the field that does not decode, as far as it is known.
pub(crate) fn located(place: &str, path: Option<&Path>, what: impl Display) -> String {
    let known = path.into_iter().flatten().take_while(|segment| !matches!(segment, Segment::Unknown));
    let path = known.fold(String::new(), |path, segment| match segment {
        Segment::Seq { .. } => format!("{path}{segment}"),
        _ if path.is_empty() => segment.to_string(),
        _ => format!("{path}.{segment}"),
    });
    let path = [place, &path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    if path.is_empty() { what.to_string() } else { format!("{path}: {what}") }
}

/// The text of an error without line and column, which mean nothing in a body of one line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) if error.line() > 0 => what.to_owned(),
        _ => text,
    }
}
