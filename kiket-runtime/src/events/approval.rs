//! Approvals, and their events.

use kiket_macros::Model;

use crate::{
    model::{Actor, Extra, Issue, members::plain_id},
    types::{Id, Timestamp},
};

/// A request for approval, and its outcome.
///
/// ```
/// use kiket_runtime::events::Approval;
///
/// let approval: Approval = serde_json::from_str(r#"{"id":9,"approvedBy":"cfo@acme.com","notes":"fine"}"#)?;
/// assert_eq!(approval, Approval::new(9).decided_by("cfo@acme.com").comment("fine"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "an approval, as an object or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Approval {
    /// The id.
    #[model(new, alias = "approval_id")]
    pub id: Option<Id>,
    /// The name of what is to be approved, or of the step.
    #[model(alias = ["title", "step"])]
    pub name: Option<String>,
    /// The status, like `pending`.
    #[model(lenient, alias = ["resolution", "decision"])]
    pub status: Option<String>,
    /// The requester.
    #[model(alias = ["requested_by_id", "requester", "requester_id"])]
    pub requested_by: Option<Actor>,
    /// The approvers.
    #[model(alias = "approver_ids")]
    pub approvers: Vec<Actor>,
    /// The approver who decided; see `actor` of the event too.
    #[model(alias = DECIDED_BY)]
    pub decided_by: Option<Actor>,
    /// The comment.
    #[model(alias = ["notes", "reason"])]
    pub comment: Option<String>,
    /// The due date.
    pub due_at: Option<Timestamp>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

plain_id!(Approval);

/// The names of the deciding approver in payloads.
const DECIDED_BY: [&str; 10] = [
    "decided_by_id",
    "approver",
    "approver_id",
    "approved_by",
    "approved_by_id",
    "rejected_by",
    "rejected_by_id",
    "denied_by",
    "resolved_by",
    "reviewer",
];

events! {
    /// `approval.requested`: an approval was requested.
    pub struct ApprovalRequested = "approval.requested" of approval: Approval("approval_id") by actor {
        /// The issue that waits for it.
        #[event(new, alias = "issue_id")]
        pub issue: Issue,
    }

    /// `approval.granted`: an approval was granted.
    ///
    /// ```
    /// use kiket_runtime::events::{Approval, ApprovalGranted, Issue};
    ///
    /// let event: ApprovalGranted =
    ///     serde_json::from_str(r#"{"approval_id":9,"issue_id":42,"approved_by":"cfo@acme.com"}"#)?;
    /// let approval = Approval::new(9).decided_by("cfo@acme.com");
    /// assert_eq!(event, ApprovalGranted::new(approval, Issue::new(42)));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct ApprovalGranted = "approval.granted" of approval: Approval("approval_id") by actor {
        /// The issue that waited for it.
        #[event(new, alias = "issue_id")]
        pub issue: Issue,
    }

    /// `approval.denied`: an approval was denied.
    pub struct ApprovalDenied = "approval.denied" of approval: Approval("approval_id") by actor {
        /// The issue that waited for it.
        #[event(new, alias = "issue_id")]
        pub issue: Issue,
    }

    /// `workflow.approval.resolved`: the final word on an approval, which may need several approvers.
    ///
    /// ```
    /// use kiket_runtime::events::ApprovalResolved;
    ///
    /// let event: ApprovalResolved =
    ///     serde_json::from_str(r#"{"approval_id":9,"issue_id":42,"resolution":"denied","reason":"too dear"}"#)?;
    /// assert_eq!(event.approval.status.as_deref(), Some("denied"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct ApprovalResolved = "workflow.approval.resolved" by actor {
        /// The approval; its [`status`](Approval::status) is the resolution.
        #[event(new, flatten, alias = "approval_id")]
        pub approval: Approval,
        /// The issue that waited for it.
        #[event(new, alias = "issue_id")]
        pub issue: Issue,
    }
}

project_id! { issue: ApprovalRequested, ApprovalGranted, ApprovalDenied, ApprovalResolved }
