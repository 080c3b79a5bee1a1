//! Cases, and what happens to them.

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
    /// A case, as far as an event tells of it.
    ///
    /// ```
    /// use kiket_runtime::events::Case;
    ///
    /// let case: Case = serde_json::from_str(r#"{"id":"case_1","processId":"proc_1","currentStateKey":"intake"}"#)?;
    /// assert_eq!(case.current_state_key.as_deref(), Some("intake"));
    /// assert_eq!(case, Case::new("case_1").process_id("proc_1").current_state_key("intake"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Case, "a case, as an object or its id" {
        /// The id.
        id: opt Id = ["case_id"];
        /// The key.
        key: opt String = ["case_key"];
        /// The title.
        title: opt String;
        /// The text below the title.
        description: opt String;
        /// The process that it goes through.
        process_id: opt Id;
        /// The key of the state that it is in, like `legal_review`.
        current_state_key: word String;
        /// The key of its status.
        status: word String;
        /// The key of its priority.
        priority: word String;
        /// Its project.
        project_id: opt Id;
        /// Its workspace.
        workspace_id: opt Id;
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

impl Case {
    /// A case of which nothing but the id is known; the rest is set by the methods that are called like its fields.
    pub fn new(id: impl Into<Id>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }
}

event! {
    /// `case.created`: a case was created.
    CaseCreated = "case.created" {
        /// The case.
        case: own Case = ["case_id"];
        /// Who created it.
        actor: noun Actor = ACTOR;
    }
    of case;
    flat case;
}

event! {
    /// `case.updated`: fields of a case changed.
    CaseUpdated = "case.updated" {
        /// The case, as it is now.
        case: own Case = ["case_id"];
        /// What changed.
        changes: own Changes = CHANGES;
        /// Who changed it.
        actor: noun Actor = ACTOR;
    }
    of case;
    flat case;
}

event! {
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
    CaseTransitioned = "case.transitioned" {
        /// The case.
        case: own Case = ["case_id"];
        /// The way that it went.
        transition: own Transition;
    }
    of case;
    inside case: transition;
    names FROM => word transition.from;
    names TO => word transition.to;
    names ACTOR => noun transition.actor;
    flat case;
}

event! {
    /// `case.assigned`: a case was given to somebody.
    CaseAssigned = "case.assigned" {
        /// The case.
        case: own Case = ["case_id"];
        /// Who is to do it from now on; see [`assigned_to`](Self::assigned_to).
        assignee: noun Actor = ASSIGNEE;
        /// Who was to do it.
        previous_assignee: noun Actor = PREVIOUS_ASSIGNEE;
        /// Who gave it.
        actor: noun Actor = ACTOR;
    }
    of case;
    flat case;
}

impl CaseAssigned {
    /// Who is to do it from now on: the event's assignee, else the case's; `None` when it was taken from somebody.
    pub fn assigned_to(&self) -> Option<&Actor> {
        self.assignee.as_ref().or(self.case.assignee.as_ref())
    }
}

event! {
    /// `case.commented`: somebody commented on a case.
    CaseCommented = "case.commented" {
        /// The case.
        case: own Case = ["case_id"];
        /// The comment.
        comment: own Comment;
        /// Who commented; see [`Comment::author`] too.
        actor: noun Actor = ACTOR;
    }
    of case;
    names ["comment_id"] => opt comment.id;
    names COMMENT_BODY => opt comment.body;
    flat case;
}

event! {
    /// `case.status_changed`: the status of a case changed, by whatever way.
    CaseStatusChanged = "case.status_changed" {
        /// The case.
        case: own Case = ["case_id"];
        /// From which status to which.
        transition: own Transition;
        /// What else changed.
        changes: part Changes = CHANGES;
    }
    of case;
    inside case: transition;
    names FROM => word transition.from;
    names TO => word transition.to;
    names ACTOR => noun transition.actor;
    flat case;
}
