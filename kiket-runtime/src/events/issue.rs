//! Issues, and what happens to them.

use serde_json::Value;

use super::{
    actor::{ACTOR, ASSIGNEE, Actor, PREVIOUS_ASSIGNEE},
    body::event,
    changes::{CHANGES, Changes},
    comment::{COMMENT_BODY, Comment},
    noun::noun,
    transition::{FROM, TO, Transition},
};
use crate::types::Id;

noun! {
    /// An issue, as far as an event tells of it.
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
    Issue, "an issue, as an object or its id" {
        /// The id.
        id: opt Id = ["issue_id"];
        /// The key, like `CORE-42`.
        key: opt String = ["issue_key"];
        /// The title.
        title: opt String;
        /// The text below the title.
        description: opt String;
        /// The key of its status, like `in_progress`.
        status: word String;
        /// The key of its type, like `incident`.
        issue_type: word String = ["type"];
        /// The key of its priority, like `high`.
        priority: word String;
        /// Its project.
        project_id: opt Id;
        /// Its organisation.
        organization_id: opt Id;
        /// Who is to do it.
        assignee: noun Actor = ["assignee_id"];
        /// Its labels.
        labels: words String;
        /// Its custom fields, by key.
        custom_fields: map Value;
        /// Since when it is there, as Kiket writes it.
        created_at: word String;
        /// When it changed last, as Kiket writes it.
        updated_at: word String;
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.id = Some(plain);
        true
    }
}

impl Issue {
    /// An issue of which nothing but the id is known; the rest is set by the methods that are called like its fields.
    pub fn new(id: impl Into<Id>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }
}

event! {
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
    IssueCreated = "issue.created" {
        /// The issue.
        issue: own Issue = ["issue_id"];
        /// Who created it.
        actor: noun Actor = ACTOR;
    }
    of issue;
    flat issue;
}

event! {
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
    IssueUpdated = "issue.updated" {
        /// The issue, as it is now.
        issue: own Issue = ["issue_id"];
        /// What changed.
        changes: own Changes = CHANGES;
        /// Who changed it.
        actor: noun Actor = ACTOR;
    }
    of issue;
    flat issue;
}

event! {
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
    IssueTransitioned = "issue.transitioned" {
        /// The issue.
        issue: own Issue = ["issue_id"];
        /// The way that it went.
        transition: own Transition;
    }
    of issue;
    inside issue: transition;
    names FROM => word transition.from;
    names TO => word transition.to;
    names ACTOR => noun transition.actor;
    flat issue;
}

event! {
    /// `issue.assigned`: an issue was given to somebody.
    ///
    /// ```
    /// use kiket_runtime::events::{Actor, IssueAssigned};
    ///
    /// let event: IssueAssigned = serde_json::from_str(r#"{"issue_id":42,"assignee":{"id":7,"name":"Ada"}}"#)?;
    /// assert_eq!(event.assigned_to(), Some(&Actor::from(7).name("Ada")));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    IssueAssigned = "issue.assigned" {
        /// The issue.
        issue: own Issue = ["issue_id"];
        /// Who is to do it from now on; see [`assigned_to`](Self::assigned_to).
        assignee: noun Actor = ASSIGNEE;
        /// Who was to do it.
        previous_assignee: noun Actor = PREVIOUS_ASSIGNEE;
        /// Who gave it.
        actor: noun Actor = ACTOR;
    }
    of issue;
    flat issue;
}

impl IssueAssigned {
    /// Who is to do it from now on: the event's assignee, else the issue's; `None` when it was taken from somebody.
    pub fn assigned_to(&self) -> Option<&Actor> {
        self.assignee.as_ref().or(self.issue.assignee.as_ref())
    }
}

event! {
    /// `issue.commented`: somebody commented on an issue.
    ///
    /// ```
    /// use kiket_runtime::events::{Comment, Issue, IssueCommented};
    ///
    /// let event = IssueCommented::new(Issue::new(42), Comment::new("done?").author("pm@acme.com"));
    /// assert_eq!(event.comment.body.as_deref(), Some("done?"));
    /// ```
    IssueCommented = "issue.commented" {
        /// The issue.
        issue: own Issue = ["issue_id"];
        /// The comment.
        comment: own Comment;
        /// Who commented; see [`Comment::author`] too.
        actor: noun Actor = ACTOR;
    }
    of issue;
    names ["comment_id"] => opt comment.id;
    names COMMENT_BODY => opt comment.body;
    flat issue;
}

event! {
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
    IssueStatusChanged = "issue.status_changed" {
        /// The issue.
        issue: own Issue = ["issue_id"];
        /// From which status to which.
        transition: own Transition;
        /// What else changed.
        changes: part Changes = CHANGES;
    }
    of issue;
    inside issue: transition;
    names FROM => word transition.from;
    names TO => word transition.to;
    names ACTOR => noun transition.actor;
    flat issue;
}
