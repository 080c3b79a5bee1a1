//! Cases, and what happens to them.

use kiket_macros::{Event, Model};
use serde_json::{Map, Value};

use super::{
    actor::{ACTOR, ASSIGNEE, Actor, PREVIOUS_ASSIGNEE},
    changes::{CHANGES, Changes},
    comment::{COMMENT_BODY, Comment},
    project::Project,
    transition::{FROM, TO, Transition},
};
use crate::types::Id;

/// A case, as far as an event has it.
///
/// ```
/// use kiket_runtime::events::Case;
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
    /// The text below the title.
    pub description: Option<String>,
    /// The process that it goes through.
    pub process_id: Option<Id>,
    /// The key of the state that it is in, like `legal_review`.
    #[model(lenient)]
    pub current_state_key: Option<String>,
    /// The key of its status.
    #[model(lenient)]
    pub status: Option<String>,
    /// The key of its priority.
    #[model(lenient)]
    pub priority: Option<String>,
    /// Its project.
    pub project_id: Option<Id>,
    /// Its workspace.
    pub workspace_id: Option<Id>,
    /// Its organisation.
    pub organization_id: Option<Id>,
    /// The assignee.
    #[model(alias = "assignee_id")]
    pub assignee: Option<Actor>,
    /// Its labels.
    #[model(lenient)]
    pub labels: Vec<String>,
    /// Its custom fields, by key.
    pub custom_fields: Map<String, Value>,
    /// Since when it is there, as Kiket writes it.
    #[model(lenient)]
    pub created_at: Option<String>,
    /// When it changed last, as Kiket writes it.
    #[model(lenient)]
    pub updated_at: Option<String>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

impl Case {
    /// What a number or a text alone is.
    fn take_plain(&mut self, plain: Id) -> bool {
        self.id = Some(plain);
        true
    }
}

/// `case.created`: a case was created.
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "case.created", model)]
#[non_exhaustive]
pub struct CaseCreated {
    /// The case.
    #[event(new, flatten, alias = "case_id")]
    pub case: Case,
    /// The actor.
    #[event(alias = ACTOR)]
    pub actor: Option<Actor>,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
    /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
    pub occurred_at: Option<String>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

/// `case.updated`: fields of a case changed.
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "case.updated", model)]
#[non_exhaustive]
pub struct CaseUpdated {
    /// The case, as it is now.
    #[event(new, flatten, alias = "case_id")]
    pub case: Case,
    /// What changed.
    #[event(new, alias = CHANGES)]
    pub changes: Changes,
    /// The actor.
    #[event(alias = ACTOR)]
    pub actor: Option<Actor>,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
    /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
    pub occurred_at: Option<String>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

/// `case.transitioned`: a case went from one state to another.
///
/// The transition may stand wherever that of an [`IssueTransitioned`](super::IssueTransitioned) may.
///
/// ```
/// use kiket_runtime::events::{Case, CaseTransitioned, Transition};
///
/// let event: CaseTransitioned =
///     serde_json::from_str(r#"{"data":{"case":{"id":"case_1"},"from":"intake","to":"legal_review"}}"#)?;
/// assert_eq!(event, CaseTransitioned::new(Case::new("case_1"), Transition::new("intake", "legal_review")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "case.transitioned", model)]
#[non_exhaustive]
pub struct CaseTransitioned {
    /// The case.
    #[event(new, flatten, alias = "case_id")]
    pub case: Case,
    /// The way that it went.
    #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = case)]
    pub transition: Transition,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
    /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
    pub occurred_at: Option<String>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

/// `case.assigned`: a case was assigned.
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "case.assigned", model)]
#[non_exhaustive]
pub struct CaseAssigned {
    /// The case.
    #[event(new, flatten, alias = "case_id")]
    pub case: Case,
    /// The new assignee; see [`assigned_to`](Self::assigned_to).
    #[event(alias = ASSIGNEE)]
    pub assignee: Option<Actor>,
    /// The former assignee.
    #[event(alias = PREVIOUS_ASSIGNEE)]
    pub previous_assignee: Option<Actor>,
    /// The actor.
    #[event(alias = ACTOR)]
    pub actor: Option<Actor>,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
    /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
    pub occurred_at: Option<String>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

impl CaseAssigned {
    /// The new assignee: the event's, else the case's; `None` when the case was unassigned.
    pub fn assigned_to(&self) -> Option<&Actor> {
        self.assignee.as_ref().or(self.case.assignee.as_ref())
    }
}

/// `case.commented`: a comment was added to a case.
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "case.commented", model)]
#[non_exhaustive]
pub struct CaseCommented {
    /// The case.
    #[event(new, flatten, alias = "case_id")]
    pub case: Case,
    /// The comment.
    #[event(new, flatten(id = "comment_id", body = COMMENT_BODY))]
    pub comment: Comment,
    /// The actor; see [`Comment::author`] too.
    #[event(alias = ACTOR)]
    pub actor: Option<Actor>,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
    /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
    pub occurred_at: Option<String>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

/// `case.status_changed`: the status of a case changed, by whatever way.
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "case.status_changed", model)]
#[non_exhaustive]
pub struct CaseStatusChanged {
    /// The case.
    #[event(new, flatten, alias = "case_id")]
    pub case: Case,
    /// From which status to which.
    #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = case)]
    pub transition: Transition,
    /// What else changed.
    #[event(alias = CHANGES)]
    pub changes: Changes,
    /// The id of the delivery, as the body has it.
    pub id: Option<Id>,
    /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
    /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
    pub occurred_at: Option<String>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

project_id! { case: CaseCreated, CaseUpdated, CaseTransitioned, CaseAssigned, CaseCommented, CaseStatusChanged }
