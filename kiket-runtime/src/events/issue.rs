//! The events of issues.

use crate::{
    model::{
        ACTOR, ASSIGNEE, AUTHOR, Actor, CHANGES, COMMENT_BODY, Changes, Comment, FROM, Issue,
        PREVIOUS_ASSIGNEE, TO, Transition,
    },
    types::Id,
};

events! {
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
    pub struct IssueCreated = "issue.created" of issue: Issue("issue_id") by actor {}

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
    pub struct IssueUpdated = "issue.updated" by actor {
        /// The issue, as it is now.
        #[event(new, flatten, alias = "issue_id")]
        pub issue: Issue,
        /// The changes.
        #[event(new, alias = CHANGES)]
        pub changes: Changes,
    }

    /// `issue.transitioned`: an issue moved from one status to another.
    ///
    /// The transition is read from beside the issue, from inside of it, or from `from`, `to` and `actor`, each at the top of
    /// the body or below `data`.
    ///
    /// ```
    /// use kiket_runtime::events::IssueTransitioned;
    ///
    /// let event: IssueTransitioned =
    ///     serde_json::from_str(r#"{"data":{"issue":{"id":42},"from":"review","to":"done"}}"#)?;
    /// assert_eq!(event.transition.to.as_deref(), Some("done"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct IssueTransitioned = "issue.transitioned" of issue: Issue("issue_id") {
        /// The transition.
        #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
        pub transition: Transition,
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
    pub struct IssueAssigned = "issue.assigned" of issue: Issue("issue_id") by actor {
        /// The new assignee; see [`assigned_to`](Self::assigned_to).
        #[event(alias = ASSIGNEE)]
        pub assignee: Option<Actor>,
        /// The former assignee.
        #[event(alias = PREVIOUS_ASSIGNEE)]
        pub previous_assignee: Option<Actor>,
    }

    /// `issue.commented`: a comment was added to an issue.
    ///
    /// ```
    /// use kiket_runtime::events::{Comment, Issue, IssueCommented};
    ///
    /// let event = IssueCommented::new(Issue::new(42), Comment::new("done?").author("pm@acme.com"));
    /// assert_eq!(event.comment.body.as_deref(), Some("done?"));
    /// ```
    pub struct IssueCommented = "issue.commented" of issue: Issue("issue_id") {
        /// The comment.
        #[event(new, flatten(id = "comment_id", body = COMMENT_BODY, author = AUTHOR))]
        pub comment: Comment,
        /// The actor; see [`Comment::author`] too.
        #[event(alias = ACTOR)]
        pub actor: Option<Actor>,
    }

    /// `issue.status_changed`: the status of an issue changed, with or without a transition.
    ///
    /// If the payload names no new status, it is the issue's.
    ///
    /// ```
    /// use kiket_runtime::events::IssueStatusChanged;
    ///
    /// let event: IssueStatusChanged =
    ///     serde_json::from_str(r#"{"issue_id":42,"status":"done","previous_status":"todo"}"#)?;
    /// assert_eq!(event.transition.from.as_deref(), Some("todo"));
    /// assert_eq!(event.transition.to.as_deref(), Some("done"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct IssueStatusChanged = "issue.status_changed" of issue: Issue("issue_id"), complete {
        /// The transition: the status before and after.
        #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
        pub transition: Transition,
        /// The other changes.
        #[event(alias = CHANGES)]
        pub changes: Changes,
    }
}

impl IssueStatusChanged {
    fn complete(&mut self) {
        self.transition.lead_to(self.issue.status.as_ref());
    }
}

impl IssueAssigned {
    /// The new assignee: the event's, else the issue's; `None` when the issue was unassigned.
    pub fn assigned_to(&self) -> Option<&Actor> {
        self.assignee.as_ref().or(self.issue.assignee.as_ref())
    }
}

project_id! { issue: IssueCreated, IssueUpdated, IssueTransitioned, IssueAssigned, IssueCommented, IssueStatusChanged }
