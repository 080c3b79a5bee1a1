//! The payload extractor, and which field of a body does not decode.

use std::{fmt::Display, ops::Deref};

use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::{
    delivery::Delivery,
    error::{Error, PayloadRejection},
    handler::extract::{FromDelivery, early},
};

/// The body of the delivery as a `T`; [`Payload`] alone is the JSON value. `Payload(x)` destructures it, and it derefs to
/// `T`.
///
/// It is decoded from the verified bytes and may borrow from them: as `Cow<'_, str>` with `#[serde(borrow)]`, since a text
/// with escapes does not fit into a `&str`. A body that does not decode fails the delivery with 500
/// and the path of the field, like ``issue.title: missing field `title` ``, so that a corrected build can still serve the
/// retry; one that is nested more deeply than 128 levels is 400, for no build reads it. To handle it yourself, take a `Result<Payload<T>, PayloadRejection>` or an `Option<Payload<T>>`.
///
/// ```
/// use kiket_runtime::Payload;
///
/// #[derive(serde::Deserialize)]
/// struct IssueCreated { title: String }
///
/// async fn on_issue_created(Payload(event): Payload<IssueCreated>) {
///     println!("{}", event.title);
/// }
///
/// on_issue_created(Payload(IssueCreated { title: "T".into() })); // in a test
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Payload<T = Value>(pub T);

impl<T> Payload<T> {
    /// The payload itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<'d, T: Deserialize<'d>> Payload<T> {
    #[inline]
    fn decode(delivery: &'d Delivery) -> Result<Self, PayloadRejection> {
        let decoded = delivery.decode().map(Self);
        decoded.map_err(|error| PayloadRejection(undecodable::<T>("", delivery.body(), error)))
    }
}

/// Fails with [`PayloadRejection`].
impl<'d, T: Deserialize<'d>> FromDelivery<'d> for Payload<T> {
    type Rejection = PayloadRejection;

    early!('d, Self::decode);
}

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

impl<T> Deref for Payload<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
