//! Cases.

use kiket_macros::Model;
use serde_json::{Map, Value};

use super::{actor::Actor, extra::Extra, members::plain_id};
use crate::types::{Id, Timestamp};

/// A case, as far as an event has it.
///
/// ```
/// use kiket_runtime::model::Case;
///
/// let case: Case = serde_json::from_str(r#"{"id":"case_1","processId":"proc_1","currentStateKey":"intake"}"#)?;
/// assert_eq!(case.current_state_key.as_deref(), Some("intake"));
/// assert_eq!(case, Case::new("case_1").process_id("proc_1").current_state_key("intake"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a case, as an object or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Case {
    /// The id.
    #[model(new, alias = "case_id")]
    pub id: Option<Id>,
    /// The key.
    #[model(alias = "case_key")]
    pub key: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The process.
    pub process_id: Option<Id>,
    /// The key of the current state, like `legal_review`.
    #[model(lenient)]
    pub current_state_key: Option<String>,
    /// The key of the status.
    #[model(lenient)]
    pub status: Option<String>,
    /// The key of the priority.
    #[model(lenient)]
    pub priority: Option<String>,
    /// The project.
    pub project_id: Option<Id>,
    /// The workspace.
    pub workspace_id: Option<Id>,
    /// The organisation.
    pub organization_id: Option<Id>,
    /// The assignee.
    #[model(alias = "assignee_id")]
    pub assignee: Option<Actor>,
    /// The labels.
    #[model(lenient)]
    pub labels: Vec<String>,
    /// The custom fields, by key.
    pub custom_fields: Map<String, Value>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

plain_id!(Case);
