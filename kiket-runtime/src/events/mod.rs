//! The payloads of Kiket's events, for handlers to read and for tests to create.
//!
//! ```
//! use kiket_runtime::{Payload, events::{Issue, IssueTransitioned, Transition}};
//! use kiket_testing::delivery_of;
//!
//! async fn on_transition(event: Payload<IssueTransitioned>) -> Option<String> {
//!     event.transition.to.clone()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let event = IssueTransitioned::new(Issue::new(42).title("Acme renewal"), Transition::new("review", "done"));
//! let sent = delivery_of(&event, "v1"); // a signed delivery, for a test of the whole extension
//! assert_eq!(on_transition(Payload(event)).await.as_deref(), Some("done")); // the function alone
//! # let _ = sent;
//! # }
//! ```
//!
//! The attribute of a handler can name the type instead of the event: `#[kiket::webhook(IssueTransitioned, version = "v1")]`.
//! So can types of your own, see [`Event`].
//!
//! # Deserialization
//!
//! Kiket has several shapes of payloads, and all of them are read:
//!
//! - at the top of the body or below `data` or `payload`; if several exist, they are merged;
//! - an issue as an object (`issue`) or as members beside the others (`issue_id`, `title`, …);
//! - names in snake case or in camel case;
//! - ids as numbers or texts, people as objects, ids or e-mail addresses;
//! - states, types, priorities and labels as texts or numbers, or as objects, which are read as their `key`, else `name`.
//!
//! An absent or `null` member is `None` or empty, and never an error. A known member of the wrong type is an error with
//! its path. Unknown members are kept in `extra`, those of `data` and `payload` too, as
//! JSON that is decoded when it is asked for: [`Extra::get`](crate::model::Extra::get).
//!
//! The members that kiket reads itself are not in these types: `authentication`, `secrets`, `secret_status`, `api`. A
//! payload that is printed or logged therefore shows no secret of the delivery.
//!
//! # Serialization
//!
//! Payloads are written in one shape: all members at the top of the body in snake case, without absent ones. Reading it
//! returns an equal value.

/// Declares the payloads of events, with their names and perhaps a method that completes them once they are read: the
/// fields of each, then those that all events have.
///
/// ```text
/// /// `issue.assigned`: an issue was assigned.
/// pub struct IssueAssigned = "issue.assigned" of issue: Issue("issue_id") by actor {
///     …                     what it happened to, as the first field, and who did it, as the last of its own
/// }
/// ```
macro_rules! events {
    ($(
        $(#[$($attribute:tt)*])*
        pub struct $event:ident $(= $name:tt)?
        $(of $subject:ident: $type:ident($id:tt))? $(by $actor:ident)? $(, $complete:ident)? { $($own:tt)* }
    )*) => {
        $(
            #[derive(Debug, Clone, Default, PartialEq, kiket_macros::Event)]
            #[event($(name = $name,)? $(complete = Self::$complete,)? model)]
            $(#[$($attribute)*])*
            #[non_exhaustive]
            pub struct $event {
                $(
                    #[doc = concat!(" The ", stringify!($subject), ".")]
                    #[event(new, flatten, alias = $id)]
                    pub $subject: $type,
                )?
                $($own)*
                $(
                    /// The actor.
                    #[event(alias = $crate::model::ACTOR)]
                    pub $actor: Option<$crate::model::Actor>,
                )?
                /// The id of the delivery, as it is in the body.
                pub id: Option<$crate::types::Id>,
                /// The time of the event: `timestamp`, else `occurred_at`, `createdAt`, `received_at`.
                pub occurred_at: Option<$crate::types::Timestamp>,
                /// The organisation.
                pub organization_id: Option<$crate::types::Id>,
                /// The workspace.
                pub workspace_id: Option<$crate::types::Id>,
                /// The project.
                #[event(alias = "project_id", flatten(key = "project_key"))]
                pub project: $crate::model::Project,
                /// Kiket's further data about the event.
                pub context: serde_json::Map<String, serde_json::Value>,
                /// The fields that this version does not know.
                pub extra: $crate::model::Extra,
            }
        )*
    };
}

/// The project of events about things that have a project themselves.
macro_rules! project_id {
    ($owner:ident: $($event:ident),+) => {
        $(
            impl $event {
                #[doc = concat!("The id of the project: the event's, else that of the ", stringify!($owner), ".")]
                pub fn project_id(&self) -> Option<&Id> {
                    self.project.id.as_ref().or(self.$owner.project_id.as_ref())
                }
            }
        )+
    };
}

mod approval;
mod case;
mod command;
mod comment;
#[cfg(test)]
#[path = "tests.rs"]
mod documented;
mod issue;
pub(crate) mod payload;
mod workflow;

pub use self::{
    approval::{Approval, ApprovalDenied, ApprovalGranted, ApprovalRequested, ApprovalResolved},
    case::{CaseAssigned, CaseCommented, CaseCreated, CaseStatusChanged, CaseTransitioned, CaseUpdated},
    command::{Command, Invocation},
    comment::CommentCreated,
    issue::{
        IssueAssigned, IssueCommented, IssueCreated, IssueStatusChanged, IssueTransitioned, IssueUpdated,
    },
    workflow::{AfterTransition, BeforeTransition, SlaStatus},
};
pub use crate::model::{
    Actor, Case, Change, Changes, Comment, Issue, Project, SlaDefinition, SlaMetrics, Transition,
};
#[doc(no_inline)]
pub use crate::types::{Event, EventName, EventVersion};
pub use crate::types::{EventNameError, EventVersionError};

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::delivery::decode;

    /// Names of members that some payload knows.
    #[rustfmt::skip]
    const NAMES: [&str; 43] = [
        "id", "event", "type", "timestamp", "createdAt", "created_at", "received_at", "occurred_at", "key", "name",
        "data", "issue", "case", "transition", "from", "to", "actor", "performed_by", "project", "projectKey",
        "organization_id", "context", "comment", "body", "changes", "changed_fields", "title", "status", "labels",
        "custom_fields", "assignee", "assigneeId", "approval", "approvers", "state", "definition", "metrics",
        "command", "text", "args", "secrets", "payload", "receivedAt",
    ];

    fn json_object() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Halves, which have an exact decimal form.
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 2.0)),
            ".{0,12}".prop_map(Value::from),
        ];
        let key =
            || prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => ".{0,6}"];
        let any = leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                3 => prop::collection::btree_map(key(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map(
            prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => ".{0,6}"],
            any,
            0..8,
        )
        .prop_map(|map| map.into_iter().collect())
    }

    /// Text and value are read alike, and a payload that is written is read as an equal one.
    fn check<E: Serialize + DeserializeOwned + PartialEq + Debug>(payload: &Map<String, Value>) {
        let payload = Value::from(payload.clone());
        let body = payload.to_string();
        let (read, envelope) = decode::<E>(&body);
        assert!(envelope.is_ok(), "{body}");
        let Ok(read) = read else { return assert!(serde_json::from_value::<E>(payload).is_err(), "{body}") };
        assert_eq!(serde_json::from_value::<E>(payload).unwrap(), read, "{body}");
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<E>(&written).unwrap(), read, "{body} is written as {written}");
    }

    proptest! {
        #[test]
        fn any_object_is_read_or_refused(payload in json_object()) {
            check::<IssueCreated>(&payload);
            check::<IssueUpdated>(&payload);
            check::<IssueTransitioned>(&payload);
            check::<IssueAssigned>(&payload);
            check::<IssueCommented>(&payload);
            check::<CaseStatusChanged>(&payload);
            check::<SlaStatus>(&payload);
            check::<IssueStatusChanged>(&payload);
            check::<ApprovalRequested>(&payload);
            check::<CommentCreated>(&payload);
            check::<Command>(&payload);
        }

        #[test]
        fn unknown_members_are_kept(name in "x_[a-zA-Z_]{0,8}", value in json_object().prop_map(Value::from)) {
            for place in ["", "/data", "/issue", "/data/issue", "/transition", "/issue/transition", "/project", "/data/actor"] {
                let mut payload = json!({
                    "issue": { "id": 1, "transition": { "from": "a" } }, "transition": {}, "project": {},
                    "data": { "issue": {}, "actor": {} },
                });
                payload.pointer_mut(place).unwrap()[&name] = value.clone();
                let read: IssueTransitioned = serde_json::from_value(payload).unwrap();
                let extra = match place {
                    "" | "/data" => &read.extra,
                    "/issue" | "/data/issue" => &read.issue.extra,
                    "/project" => &read.project.extra,
                    "/data/actor" => &read.transition.actor.as_ref().unwrap().extra,
                    _ => &read.transition.extra,
                };
                prop_assert_eq!(extra.get::<Value>(&name).unwrap().unwrap_or_default(), value.clone(), "{}", place);
                let again: IssueTransitioned = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
                prop_assert_eq!(again, read);
            }
        }
    }
}
