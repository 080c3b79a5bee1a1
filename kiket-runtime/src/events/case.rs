//! Cases, and what happens to them.

use kiket_macros::Event;
use serde_json::{Map, Value};

use crate::{
    model::{
        ACTOR, ASSIGNEE, Actor, CHANGES, COMMENT_BODY, Case, Changes, Comment, FROM, PREVIOUS_ASSIGNEE,
        Project, TO, Transition,
    },
    types::{Id, Timestamp},
};

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
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
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
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
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
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
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
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
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
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
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
    /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
    pub occurred_at: Option<Timestamp>,
    /// The organisation in which it happened.
    pub organization_id: Option<Id>,
    /// The workspace in which it happened.
    pub workspace_id: Option<Id>,
    /// The project in which it happened.
    #[event(alias = "project_id", flatten(key = "project_key"))]
    pub project: Project,
    /// What Kiket says about the circumstances.
    pub context: Map<String, Value>,
    /// The fields that this version does not know.
    pub extra: Map<String, Value>,
}

project_id! { case: CaseCreated, CaseUpdated, CaseTransitioned, CaseAssigned, CaseCommented, CaseStatusChanged }
