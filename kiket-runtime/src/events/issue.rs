//! Issues, and what happens to them.

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

/// An issue, as far as an event has it.
///
/// ```
/// use kiket_runtime::events::Issue;
///
/// let issue: Issue = serde_json::from_str(r#"{"id":42,"title":"Acme renewal","projectId":7,"estimate":3}"#)?;
/// assert_eq!(issue.id, Some(42.into()));
/// assert_eq!(issue.title.as_deref(), Some("Acme renewal"));
/// assert_eq!(issue.extra["estimate"], 3);
/// assert_eq!(issue, Issue::new(42).title("Acme renewal").project_id(7).extra("estimate", 3));
/// # Ok::<(), serde_json::Error>(())
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
    /// The text below the title.
    pub description: Option<String>,
    /// The key of its status, like `in_progress`.
    #[model(lenient)]
    pub status: Option<String>,
    /// The key of its type, like `incident`.
    #[model(lenient, alias = "type")]
    pub issue_type: Option<String>,
    /// The key of its priority, like `high`.
    #[model(lenient)]
    pub priority: Option<String>,
    /// Its project.
    pub project_id: Option<Id>,
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

impl Issue {
    /// What a number or a text alone is.
    fn take_plain(&mut self, plain: Id) -> bool {
        self.id = Some(plain);
        true
    }
}

/// `issue.created`: an issue was created.
///
/// ```
/// use kiket_runtime::{Payload, events::{Issue, IssueCreated}};
///
/// async fn on_issue_created(event: Payload<IssueCreated>) -> Option<String> {
///     event.0.issue.title
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let event = IssueCreated::new(Issue::new(42).title("Acme renewal")).actor("pm@acme.com");
/// assert_eq!(on_issue_created(Payload(event)).await.as_deref(), Some("Acme renewal"));
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "issue.created", model)]
#[non_exhaustive]
pub struct IssueCreated {
    /// The issue.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
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

/// `issue.updated`: fields of an issue changed.
///
/// ```
/// use kiket_runtime::events::{Changes, Issue, IssueUpdated};
///
/// let event: IssueUpdated =
///     serde_json::from_str(r#"{"issue":{"id":42},"changes":{"title":{"from":"A","to":"B"}}}"#)?;
/// assert_eq!(event.changes.of("title").unwrap().to.unwrap(), "B");
/// assert_eq!(event, IssueUpdated::new(Issue::new(42), Changes::new().field("title", "A", "B")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "issue.updated", model)]
#[non_exhaustive]
pub struct IssueUpdated {
    /// The issue, as it is now.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
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

/// `issue.transitioned`: an issue went from one status to another.
///
/// The transition is the same wherever Kiket writes it: beside the issue, inside of it, or as `from`, `to` and
/// `actor` alone, at the top of the body or below `data`.
///
/// ```
/// use kiket_runtime::events::IssueTransitioned;
///
/// let event: IssueTransitioned =
///     serde_json::from_str(r#"{"data":{"issue":{"id":42},"from":"review","to":"done"}}"#)?;
/// assert_eq!(event.transition.to.as_deref(), Some("done"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "issue.transitioned", model)]
#[non_exhaustive]
pub struct IssueTransitioned {
    /// The issue.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
    /// The way that it went.
    #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
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

/// `issue.assigned`: an issue was assigned.
///
/// ```
/// use kiket_runtime::events::{Actor, IssueAssigned};
///
/// let event: IssueAssigned = serde_json::from_str(r#"{"issue_id":42,"assignee":{"id":7,"name":"Ada"}}"#)?;
/// assert_eq!(event.assigned_to(), Some(&Actor::from(7).name("Ada")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "issue.assigned", model)]
#[non_exhaustive]
pub struct IssueAssigned {
    /// The issue.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
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

impl IssueAssigned {
    /// The new assignee: the event's, else the issue's; `None` when the issue was unassigned.
    pub fn assigned_to(&self) -> Option<&Actor> {
        self.assignee.as_ref().or(self.issue.assignee.as_ref())
    }
}

/// `issue.commented`: a comment was added to an issue.
///
/// ```
/// use kiket_runtime::events::{Comment, Issue, IssueCommented};
///
/// let event = IssueCommented::new(Issue::new(42), Comment::new("done?").author("pm@acme.com"));
/// assert_eq!(event.comment.body.as_deref(), Some("done?"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "issue.commented", model)]
#[non_exhaustive]
pub struct IssueCommented {
    /// The issue.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
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

/// `issue.status_changed`: the status of an issue changed, by whatever way.
///
/// ```
/// use kiket_runtime::events::IssueStatusChanged;
///
/// let event: IssueStatusChanged =
///     serde_json::from_str(r#"{"issue_id":42,"old_status":"todo","new_status":"done"}"#)?;
/// assert_eq!(event.transition.to.as_deref(), Some("done"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Event)]
#[event(name = "issue.status_changed", model)]
#[non_exhaustive]
pub struct IssueStatusChanged {
    /// The issue.
    #[event(new, flatten, alias = "issue_id")]
    pub issue: Issue,
    /// From which status to which.
    #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
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

project_id! { issue: IssueCreated, IssueUpdated, IssueTransitioned, IssueAssigned, IssueCommented, IssueStatusChanged }
