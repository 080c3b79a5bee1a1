//! Kiket's models: issues, cases, projects and others, shared by API calls, events and tests.
//!
//! The issue of an event can be passed to a call:
//!
//! ```
//! # use kiket_testing::{FakePlatform, context};
//! use kiket_runtime::{Context, Payload, Result, api::IssueFields, events::IssueCreated};
//!
//! async fn on_issue_created(Payload(event): Payload<IssueCreated>, context: Context) -> Result<()> {
//!     let issue = context.endpoints().issues().update(&event.issue, IssueFields::default().priority("high")).await?;
//!     assert_eq!(issue.priority.as_deref(), Some("high"));
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let platform = FakePlatform::start();
//! # platform.add_issue(serde_json::json!({ "key": "CORE-42", "title": "Acme renewal" }));
//! # let context = context("issue.created", "v1").client(platform.client()).build();
//! let event = IssueCreated::new(kiket_runtime::model::Issue::new(42).key("CORE-42"));
//! assert!(on_issue_created(Payload(event), context).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # Deserialization and serialization
//!
//! Kiket has several shapes of these models, and all of them are read: names in snake case or in camel case; ids as numbers
//! or texts; people as objects, ids or e-mail addresses; statuses, types, priorities and labels as texts or numbers, or as
//! objects, which are read as their `key`, else their `name`. An absent or `null` member is `None` or empty. A known member
//! of the wrong type is an error with its path. Unknown members are kept in `extra`, an
//! [`Extra`], as JSON that is decoded when it is asked for.
//!
//! Models are written in one shape, in snake case, without absent members. Reading it returns an equal value.

mod actor;
mod case;
mod changes;
mod comment;
pub(crate) mod extra;
pub(crate) mod fields;
mod issue;
pub(crate) mod members;
mod project;
mod sla;
mod transition;

pub(crate) use self::{
    actor::{ACTOR, ASSIGNEE, PREVIOUS_ASSIGNEE},
    changes::CHANGES,
    comment::{AUTHOR, COMMENT_BODY},
    transition::{FROM, TO},
};
pub use self::{
    actor::{Actor, Member},
    case::Case,
    changes::{Change, Changes},
    comment::Comment,
    extra::Extra,
    issue::{Issue, IssueRef},
    project::Project,
    sla::{SlaDefinition, SlaEvent, SlaMetrics, SlaState},
    transition::Transition,
};
pub use crate::types::{Id, IntoOption, Timestamp};
