//! Events of workflows: before and after a transition, and how late an issue is.

use kiket_macros::Event;
use serde_json::{Map, Value};

use crate::{
    model::{ACTOR, FROM, Issue, Project, SlaDefinition, SlaMetrics, SlaState, TO, Transition},
    types::{Id, Timestamp},
};

/// `workflow.before_transition`: an issue is about to go from one status to another; the reply decides whether
/// it may, see [`Decision`](crate::Decision).
///
/// The transition may stand wherever that of an [`IssueTransitioned`](super::IssueTransitioned) may.
///
/// ```
/// use kiket_runtime::{Payload, Reply, events::{BeforeTransition, Issue, Transition}};
///
/// async fn guard(Payload(event): Payload<BeforeTransition>) -> Reply {
///     match event.issue.assignee {
///         Some(_) => Reply::allow(),
///         None => Reply::deny("nobody is assigned"),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let event = BeforeTransition::new(Issue::new(42), Transition::new("in_progress", "review"));
/// assert_eq!(guard(Payload(event)).await.to_json()["status"], "deny");
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "workflow.before_transition", model)]
#[non_exhaustive]
pub struct BeforeTransition {
    /// The issue, as it still is.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
    /// The way that it is to go.
    #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
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

/// `workflow.after_transition`: an issue went from one status to another.
///
/// The transition may stand wherever that of an [`IssueTransitioned`](super::IssueTransitioned) may.
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "workflow.after_transition", model)]
#[non_exhaustive]
pub struct AfterTransition {
    /// The issue, as it is now.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
    /// The way that it went.
    #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
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

/// `workflow.sla_status`: an issue is about to be late, is late, or is in time again.
///
/// ```
/// use kiket_runtime::events::SlaStatus;
///
/// let event: SlaStatus = serde_json::from_str(
///     r#"{"issue":{"id":42},"definition":{"status":"in_progress"},"metrics":{"overdue_minutes":8}}"#,
/// )?;
/// assert_eq!(event.metrics.overdue_minutes, Some(8.0));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "workflow.sla_status", model)]
#[non_exhaustive]
pub struct SlaStatus {
    /// The issue.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
    /// How late it is, where Kiket says so.
    #[event(serde, alias = "sla_state")]
    pub state: Option<SlaState>,
    /// The rule.
    pub definition: SlaDefinition,
    /// What was measured.
    pub metrics: SlaMetrics,
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

project_id! { issue: BeforeTransition, AfterTransition, SlaStatus }
