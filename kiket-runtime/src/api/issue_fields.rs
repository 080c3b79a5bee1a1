//! The fields of an issue that a call sets.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::types::Id;

/// The fields that an issue is made with, or that a change sets; what is not named stays as it is.
///
/// ```
/// use kiket_runtime::api::IssueFields;
/// use serde_json::{Value, json, to_value};
///
/// let fields = IssueFields::default().project(7).priority("high").field("assignee_id", Value::Null);
/// assert_eq!(to_value(fields)?, json!({ "project_id": 7, "priority": "high", "assignee_id": null }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use = "fields change nothing until they are given to `create` or `update`"]
pub struct IssueFields(Map<String, Value>);

impl IssueFields {
    /// What it is about, in a line.
    pub fn title(self, title: impl Into<String>) -> Self {
        self.field("title", title.into())
    }

    /// What it is about, at length.
    pub fn description(self, description: impl Into<String>) -> Self {
        self.field("description", description.into())
    }

    /// Its project. It must not be blank.
    pub fn project(self, project: impl Into<Id>) -> Self {
        self.field("project_id", Value::from(project.into()))
    }

    /// What kind of issue it is, like `Task`.
    pub fn issue_type(self, issue_type: impl Into<String>) -> Self {
        self.field("issue_type", issue_type.into())
    }

    /// How urgent it is, like `high`.
    pub fn priority(self, priority: impl Into<String>) -> Self {
        self.field("priority", priority.into())
    }

    /// Who works on it.
    pub fn assignee(self, id: impl Into<Id>) -> Self {
        self.field("assignee_id", Value::from(id.into()))
    }

    /// Its labels, instead of those that it has.
    pub fn labels<L: Into<String>>(self, labels: impl IntoIterator<Item = L>) -> Self {
        self.field("labels", labels.into_iter().map(Into::into).collect::<Vec<String>>())
    }

    /// A field that has no method of its own. `Value::Null` empties one.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    pub(super) fn has_blank_project(&self) -> bool {
        self.0.get("project_id").and_then(Value::as_str).is_some_and(|project| project.trim().is_empty())
    }
}
