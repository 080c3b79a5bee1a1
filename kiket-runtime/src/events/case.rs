//! The events of cases.

use crate::{
    model::{
        ACTOR, ASSIGNEE, AUTHOR, Actor, CHANGES, COMMENT_BODY, Case, Changes, Comment, FROM,
        PREVIOUS_ASSIGNEE, TO, Transition,
    },
    types::Id,
};

events! {
    /// `case.created`: a case was created.
    pub struct CaseCreated = "case.created" of case: Case("case_id") by actor {}

    /// `case.updated`: fields of a case changed.
    pub struct CaseUpdated = "case.updated" by actor {
        /// The case, as it is now.
        #[event(new, flatten, alias = "case_id")]
        pub case: Case,
        /// The changes.
        #[event(new, alias = CHANGES)]
        pub changes: Changes,
    }

    /// `case.transitioned`: a case moved from one state to another.
    ///
    /// The transition is read from the same places as that of an [`IssueTransitioned`](super::IssueTransitioned).
    ///
    /// ```
    /// use kiket_runtime::events::{Case, CaseTransitioned, Transition};
    ///
    /// let event: CaseTransitioned =
    ///     serde_json::from_str(r#"{"data":{"case":{"id":"case_1"},"from":"intake","to":"legal_review"}}"#)?;
    /// assert_eq!(event, CaseTransitioned::new(Case::new("case_1"), Transition::new("intake", "legal_review")));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct CaseTransitioned = "case.transitioned" of case: Case("case_id") {
        /// The transition.
        #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = case)]
        pub transition: Transition,
    }

    /// `case.assigned`: a case was assigned.
    pub struct CaseAssigned = "case.assigned" of case: Case("case_id") by actor {
        /// The new assignee; see [`assigned_to`](Self::assigned_to).
        #[event(alias = ASSIGNEE)]
        pub assignee: Option<Actor>,
        /// The former assignee.
        #[event(alias = PREVIOUS_ASSIGNEE)]
        pub previous_assignee: Option<Actor>,
    }

    /// `case.commented`: a comment was added to a case.
    pub struct CaseCommented = "case.commented" of case: Case("case_id") {
        /// The comment.
        #[event(new, flatten(id = "comment_id", body = COMMENT_BODY, author = AUTHOR))]
        pub comment: Comment,
        /// The actor; see [`Comment::author`] too.
        #[event(alias = ACTOR)]
        pub actor: Option<Actor>,
    }

    /// `case.status_changed`: the status of a case changed, with or without a transition.
    ///
    /// If the payload names no new status, it is the case's: its `status`, else its `current_state_key`.
    pub struct CaseStatusChanged = "case.status_changed" of case: Case("case_id"), complete {
        /// The transition: the status before and after.
        #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = case)]
        pub transition: Transition,
        /// The other changes.
        #[event(alias = CHANGES)]
        pub changes: Changes,
    }
}

impl CaseStatusChanged {
    fn complete(&mut self) {
        let Case { status, current_state_key, .. } = &self.case;
        self.transition.lead_to(status.as_ref().or(current_state_key.as_ref()));
    }
}

impl CaseAssigned {
    /// The new assignee: the event's, else the case's; `None` when the case was unassigned.
    pub fn assigned_to(&self) -> Option<&Actor> {
        self.assignee.as_ref().or(self.case.assignee.as_ref())
    }
}

project_id! { case: CaseCreated, CaseUpdated, CaseTransitioned, CaseAssigned, CaseCommented, CaseStatusChanged }
