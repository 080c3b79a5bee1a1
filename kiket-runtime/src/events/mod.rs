//! Kiket's own events as types: what a handler reads, and what a test makes.
//!
//! ```
//! use kiket_runtime::{Payload, events::{Issue, IssueTransitioned, Transition}, testing::delivery_of};
//!
//! async fn on_transition(event: Payload<IssueTransitioned>) -> Option<String> {
//!     event.transition.to.clone()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let event = IssueTransitioned::new(Issue::new(42).title("Acme renewal"), Transition::new("review", "done"));
//! let sent = delivery_of(&event, "v1"); // through the whole stack
//! assert_eq!(on_transition(Payload(event)).await.as_deref(), Some("done")); // or the function alone
//! # let _ = sent;
//! # }
//! ```
//!
//! Above a handler a type stands for its event: `#[kiket::webhook(IssueTransitioned, version = "v1")]`; types of your
//! own can too, see [`Event`](crate::Event).
//!
//! # What is read
//!
//! Kiket has written its payloads in several ways, and all of them are read:
//!
//! - at the top of the body or below `data`, where both are there both count;
//! - an issue as an object (`issue`) or by members of its own beside the others (`issue_id`, `title`, …);
//! - names in snake case or in camel case;
//! - ids as numbers or texts, people as objects, ids or e-mail addresses.
//!
//! What is absent or `null` is `None` or empty, and never an error. A member that has a meaning and the wrong type is
//! one, with its path. Whatever has no meaning here is kept in `extra`, that of `data` too.
//!
//! What the framework reads for itself is not in these types: `authentication`, `secrets`, `secret_status`, `api`.
//! They can therefore be printed and logged as far as their texts may be.
//!
//! # What is written
//!
//! One shape, whatever was read: everything at the top of the body in snake case, without what is absent. Reading it
//! gives an equal value.

mod actor;
mod approval;
mod body;
mod case;
mod changes;
mod command;
mod comment;
mod id;
mod issue;
mod members;
mod noun;
mod project;
mod transition;
mod workflow;

pub use self::{
    actor::Actor,
    approval::{Approval, ApprovalApproved, ApprovalRejected, ApprovalRequested},
    case::{
        Case, CaseAssigned, CaseCommented, CaseCreated, CaseStatusChanged, CaseTransitioned, CaseUpdated,
    },
    changes::{Change, Changes},
    command::{Command, Invocation},
    comment::Comment,
    id::Id,
    issue::{
        Issue, IssueAssigned, IssueCommented, IssueCreated, IssueStatusChanged, IssueTransitioned,
        IssueUpdated,
    },
    project::Project,
    transition::Transition,
    workflow::{AfterTransition, BeforeTransition, SlaDefinition, SlaMetrics, SlaStatus},
};
