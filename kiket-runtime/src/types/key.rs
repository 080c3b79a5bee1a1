//! The keys of JSON objects.

use std::borrow::Cow;

use serde::Deserialize;

/// A key of an object, borrowed from the JSON if it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Key<'k>(#[serde(borrow)] pub(crate) Cow<'k, str>);
