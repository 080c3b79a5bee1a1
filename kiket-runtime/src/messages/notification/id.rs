//! Reads ids of channels and people as texts.

use serde::{Deserialize as _, Deserializer};

use crate::types::Id;

/// An id as text; one that is `null` or blank counts as absent. A number that loses digits when it is read
/// is an error: the message would go to another recipient.
pub(super) fn id<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    let id = Option::<Id>::deserialize(field)?;
    Ok(present(id.map(|id| id.to_string())))
}

/// The id, unless it is blank.
pub(super) fn present(id: Option<String>) -> Option<String> {
    id.filter(|id| !id.trim().is_empty())
}
