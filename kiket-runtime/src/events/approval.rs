//! Approvals: asked for, given, refused.

use super::{
    actor::{ACTOR, Actor},
    body::event,
    issue::Issue,
    noun::noun,
};
use crate::types::Id;

noun! {
    /// A question to somebody whether something may go on, and the answer.
    ///
    /// ```
    /// use kiket_runtime::events::Approval;
    ///
    /// let approval: Approval = serde_json::from_str(r#"{"id":9,"approvedBy":"cfo@acme.com","notes":"fine"}"#)?;
    /// assert_eq!(approval, Approval::new(9).decided_by("cfo@acme.com").comment("fine"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Approval, "an approval, as an object or its id" {
        /// The id.
        id: opt Id = ["approval_id"];
        /// What is to be approved, or which step of it.
        name: opt String = ["title", "step"];
        /// How it stands, like `pending`.
        status: word String;
        /// Who asked.
        requested_by: noun Actor = ["requested_by_id", "requester", "requester_id"];
        /// Who was asked.
        approvers: list Actor = ["approver_ids"];
        /// Who answered.
        decided_by: noun Actor = DECIDED_BY;
        /// What was said about it.
        comment: opt String = ["notes", "reason"];
        /// Until when it is to be answered, as Kiket writes it.
        due_at: word String;
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.id = Some(plain);
        true
    }
}

/// What senders call whoever answered.
const DECIDED_BY: [&str; 8] = [
    "decided_by_id",
    "approver",
    "approver_id",
    "approved_by",
    "approved_by_id",
    "rejected_by",
    "rejected_by_id",
    "reviewer",
];

impl Approval {
    /// An approval of which nothing but the id is known; the rest is set by the methods that are called like its
    /// fields.
    pub fn new(id: impl Into<Id>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }
}

event! {
    /// `approval.requested`: somebody is asked to approve something.
    ApprovalRequested = "approval.requested" {
        /// The approval.
        approval: own Approval = ["approval_id"];
        /// The issue that waits for it.
        issue: own Issue = ["issue_id"];
        /// Who did this.
        actor: noun Actor = ACTOR;
    }
    of issue;
    flat approval;
}

event! {
    /// `approval.approved`: somebody approved.
    ///
    /// ```
    /// use kiket_runtime::events::{Approval, ApprovalApproved, Issue};
    ///
    /// let event: ApprovalApproved =
    ///     serde_json::from_str(r#"{"approval_id":9,"issue_id":42,"approved_by":"cfo@acme.com"}"#)?;
    /// let approval = Approval::new(9).decided_by("cfo@acme.com");
    /// assert_eq!(event, ApprovalApproved::new(approval, Issue::new(42)));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ApprovalApproved = "approval.approved" {
        /// The approval.
        approval: own Approval = ["approval_id"];
        /// The issue that waited for it.
        issue: own Issue = ["issue_id"];
        /// Who did this; see [`Approval::decided_by`] too.
        actor: noun Actor = ACTOR;
    }
    of issue;
    flat approval;
}

event! {
    /// `approval.rejected`: somebody refused.
    ApprovalRejected = "approval.rejected" {
        /// The approval.
        approval: own Approval = ["approval_id"];
        /// The issue that waited for it.
        issue: own Issue = ["issue_id"];
        /// Who did this; see [`Approval::decided_by`] too.
        actor: noun Actor = ACTOR;
    }
    of issue;
    flat approval;
}
