//! The rejections of extractors.

use super::delivery::Error;

/// The rejection of [`Payload<T>`](crate::Payload): the body does not decode into `T`.
///
/// `Display` names the field, like ``issue.title: missing field `title` ``; [`source`](std::error::Error::source) is the
/// error of `serde_json`. A handler takes it as `Result<Payload<T>, PayloadRejection>`; without that, the response is 500
/// with the text, so that a corrected build can still serve the retry.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PayloadRejection(pub(crate) Error);
