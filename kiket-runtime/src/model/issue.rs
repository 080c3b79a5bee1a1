//! Issues.

use std::borrow::Cow;

use kiket_macros::Model;
use serde_json::{Map, Value};

use super::{actor::Actor, extra::Extra, members::plain_id};
use crate::{
    client::resources,
    types::{Id, Timestamp, conversions},
};

/// An issue, as far as an event or a response has it.
///
/// ```
/// use kiket_runtime::model::Issue;
///
/// let issue: Issue = serde_json::from_str(r#"{"id":42,"title":"Acme renewal","projectId":7,"estimate":3}"#)?;
/// assert_eq!(issue.id, Some(42.into()));
/// assert_eq!(issue.title.as_deref(), Some("Acme renewal"));
/// assert_eq!(issue.extra.get("estimate")?, Some(3));
/// assert_eq!(issue, Issue::new(42).title("Acme renewal").project_id(7).extra("estimate", 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "an issue, as an object or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Issue {
    /// The id.
    #[model(new, alias = "issue_id")]
    pub id: Option<Id>,
    /// The key, like `CORE-42`.
    #[model(alias = "issue_key")]
    pub key: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The key of the status, like `in_progress`.
    #[model(lenient)]
    pub status: Option<String>,
    /// The key of the type, like `incident`.
    #[model(lenient, alias = "type")]
    pub issue_type: Option<String>,
    /// The key of the priority, like `high`.
    #[model(lenient)]
    pub priority: Option<String>,
    /// The project.
    pub project_id: Option<Id>,
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

plain_id!(Issue);

resources! { Issue: "issue", "issues", requires id key title; }

/// The issue that a call is about: a key like `CORE-42`, an id, or an [`Issue`].
///
/// An issue is named by its key, or by its id if it has no key. Calls with one that has neither fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueRef<'i>(Cow<'i, str>);

impl IssueRef<'_> {
    /// The key or the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

conversions! {
    impl<'i> From<&'i str> for IssueRef<'i> = |key| Self(key.into());
    impl<'i> From<&'i String> for IssueRef<'i> = |key| Self(key.into());
    impl From<String> for IssueRef<'_> = |key| Self(key.into());
    impl From<&Id> for IssueRef<'_> = |id| Self(id.to_string().into());
}

impl<'i> From<&'i Issue> for IssueRef<'i> {
    fn from(issue: &'i Issue) -> Self {
        match (&issue.key, &issue.id) {
            (Some(key), _) => key.into(),
            (None, Some(id)) => id.into(),
            (None, None) => "".into(),
        }
    }
}
