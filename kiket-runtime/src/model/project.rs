//! Projects.

use kiket_macros::Model;

use super::{extra::Extra, members::plain_id};
use crate::types::Id;

/// A project.
///
/// ```
/// use kiket_runtime::events::IssueCreated;
///
/// let event: IssueCreated = serde_json::from_str(r#"{"projectKey":"LEGAL","issue":{"project_id":7}}"#)?;
/// assert_eq!(event.project.key.as_deref(), Some("LEGAL"));
/// assert_eq!(event.project_id(), Some(&7.into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a project, as an object or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Project {
    /// The id.
    #[model(alias = "project_id")]
    pub id: Option<Id>,
    /// The key, like `LEGAL`.
    #[model(alias = "project_key")]
    pub key: Option<String>,
    /// The name in URLs, like `core-platform`.
    pub slug: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

plain_id!(Project);

impl<T: Into<Id>> From<T> for Project {
    /// The project of this id.
    fn from(id: T) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }
}
