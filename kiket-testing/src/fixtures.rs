//! The bodies of Kiket's events as they are documented, for tests and for `cargo kiket send`.

use serde_json::Value;

/// The body of a documented event in one of its shapes, with values that stay the same from version to version.
///
/// ```
/// let fixtures = kiket_testing::fixtures(); // `kiket::testing::fixtures()`
/// let shapes = fixtures.iter().filter(|fixture| fixture.event() == "issue.created");
/// assert_eq!(shapes.map(|fixture| fixture.shape()).collect::<Vec<_>>(), ["object", "flat", "data"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixture {
    event: &'static str,
    shape: &'static str,
    text: &'static str,
}

impl Fixture {
    /// The event, like `issue.created`.
    pub fn event(&self) -> &'static str {
        self.event
    }

    /// The shape: `object` has the thing as an object, `flat` its members beside the others, `data` is the form with
    /// `type` and `data`. The first of an event is the usual one.
    pub fn shape(&self) -> &'static str {
        self.shape
    }

    /// The body as text.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.text).unwrap_or_default() // a test reads each
    }
}

/// Declares the files of `fixtures`: for each event its shapes, the usual one first.
macro_rules! fixtures {
    ($($event:literal: $($shape:ident),+;)*) => {
        &[$($(Fixture {
            event: $event,
            shape: stringify!($shape),
            text: include_str!(concat!("../fixtures/", $event, "/", stringify!($shape), ".json")),
        },)+)*]
    };
}

const FIXTURES: &[Fixture] = fixtures! {
    "issue.created": object, flat, data;
    "issue.updated": object, flat, names;
    "issue.transitioned": object, data, transition, inside, flat;
    "issue.status_changed": object, flat;
    "issue.assigned": object, flat;
    "issue.commented": flat, object;
    "comment.created": flat, case;
    "case.created": data, flat;
    "case.updated": data, flat;
    "case.transitioned": data, object, transition, inside, flat;
    "case.status_changed": flat, data;
    "case.assigned": data, flat;
    "case.commented": flat, data;
    "approval.requested": flat, object;
    "approval.granted": flat;
    "approval.denied": flat;
    "workflow.approval.resolved": flat, payload;
    "workflow.before_transition": object;
    "workflow.after_transition": object;
    "workflow.sla_status": object;
    "external.webhook": object;
    "command": text, arguments;
};

/// The other names of these events: `docs/events.md` has the rows without a type of their own, and the contract the short
/// names (wire contract, event-aliases).
const OTHER_NAMES: [(&str, &str); 10] = [
    ("issue.closed", "issue.status_changed"),
    ("comment.added", "comment.created"),
    ("workflow.issue.transitioned", "issue.transitioned"),
    ("workflow.issue.assignment.updated", "issue.assigned"),
    ("workflow.approval.requested", "approval.requested"),
    ("sla.warning", "workflow.sla_status"),
    ("sla.breach", "workflow.sla_status"),
    ("before_transition", "workflow.before_transition"),
    ("after_transition", "workflow.after_transition"),
    ("sla_status", "workflow.sla_status"),
];

/// The bodies of all documented events, each in all its shapes.
///
/// Two of them stand for events whose names extensions choose: `external.webhook` and `command`.
pub fn fixtures() -> &'static [Fixture] {
    FIXTURES
}

/// The body of an event in its usual shape; `None` for an event that is not documented.
///
/// It has the id `evt_1`: deliveries that are not to be each other's redelivery need ids of their own.
///
/// ```
/// let body = kiket_testing::fixture("issue.created").unwrap(); // `kiket::testing::fixture(..)`
/// assert_eq!(body["issue"]["title"], "Renew the contract");
/// assert_eq!(kiket_testing::fixture("sla.breach").unwrap()["event"], "sla.breach");
/// assert_eq!(kiket_testing::fixture("external.webhook.created").unwrap()["action"], "created");
/// assert_eq!(kiket_testing::fixture("com.example.custom"), None);
/// ```
pub fn fixture(event: &str) -> Option<Value> {
    let usual = |name: &str| FIXTURES.iter().find(|fixture| fixture.event == name).map(Fixture::json);
    if let Some(action) = event.strip_prefix("external.webhook.") {
        let mut body = usual("external.webhook")?;
        body["action"] = action.into();
        return Some(body);
    }
    let documented = OTHER_NAMES.iter().find(|(other, _)| *other == event);
    let mut body = usual(documented.map_or(event, |(_, documented)| documented))?;
    if body.get("event").is_some() {
        body["event"] = event.into();
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use kiket_runtime::{
        Event, Extension, ExtensionBuilder, Json, Payload,
        events::{
            AfterTransition, ApprovalDenied, ApprovalGranted, ApprovalRequested, ApprovalResolved,
            BeforeTransition, CaseAssigned, CaseCommented, CaseCreated, CaseStatusChanged, CaseTransitioned,
            CaseUpdated, Command, CommentCreated, IssueAssigned, IssueCommented, IssueCreated,
            IssueStatusChanged, IssueTransitioned, IssueUpdated, SlaStatus,
        },
        external_webhook::ExternalWebhook,
    };
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::{delivery::delivery, extension::TestExtension};

    /// What a handler shows of its payload.
    async fn shown<E: Debug>(Payload(event): Payload<E>) -> Json<String> {
        Json(format!("{event:?}"))
    }

    fn on<E>(builder: ExtensionBuilder, event: &'static str) -> ExtensionBuilder
    where
        E: DeserializeOwned + Debug + Send + Sync + 'static,
    {
        builder.on(event, "v1", shown::<E>)
    }

    /// A handler for each type of `kiket::events`, and the names that they have.
    fn typed() -> (ExtensionBuilder, Vec<&'static str>) {
        let builder = Extension::builder();
        let builder = on::<Command>(builder, "command");
        let builder = on::<ExternalWebhook>(builder, "external.webhook");
        let mut names = vec!["command", "external.webhook"];
        macro_rules! typed {
            ($($event:ident),+ $(,)?) => {{
                names.extend([$(const { &$event::NAME }.as_str()),+]);
                $(let builder = on::<$event>(builder, const { &$event::NAME }.as_str());)+
                builder
            }};
        }
        let builder = typed![
            AfterTransition,
            ApprovalDenied,
            ApprovalGranted,
            ApprovalRequested,
            ApprovalResolved,
            BeforeTransition,
            CaseAssigned,
            CaseCommented,
            CaseCreated,
            CaseStatusChanged,
            CaseTransitioned,
            CaseUpdated,
            CommentCreated,
            IssueAssigned,
            IssueCommented,
            IssueCreated,
            IssueStatusChanged,
            IssueTransitioned,
            IssueUpdated,
            SlaStatus,
        ];
        (builder, names)
    }

    #[tokio::test]
    async fn each_fixture_is_read_whole_by_a_handler_of_its_type() {
        let (builder, _) = typed();
        let extension = TestExtension::new(builder).unwrap();
        for (number, fixture) in fixtures().iter().enumerate() {
            let Fixture { event, shape, .. } = fixture;
            let mut body = fixture.json();
            assert_eq!(body["id"], "evt_1", "{event} {shape}");
            body["id"] = format!("evt_{number}").into();
            let response = extension.deliver(delivery(event, "v1", &body)).await;
            assert_eq!(response.status(), 200, "{event} {shape}: {response:?}");
            let shown = response.json().as_str().unwrap().to_owned();
            let known = shown.matches("extra: {}").count();
            assert_eq!(shown.matches("extra: ").count(), known, "{event} {shape}: {shown}");
            assert!(known > 0 || *event == "external.webhook", "{event} {shape}: {shown}");
        }
    }

    /// The names in the sources of the events, those above and those of the page are the same.
    #[test]
    fn each_typed_event_has_a_fixture() {
        let sources = [
            include_str!("../../kiket-runtime/src/events/approval.rs"),
            include_str!("../../kiket-runtime/src/events/case.rs"),
            include_str!("../../kiket-runtime/src/events/command.rs"),
            include_str!("../../kiket-runtime/src/events/comment.rs"),
            include_str!("../../kiket-runtime/src/events/issue.rs"),
            include_str!("../../kiket-runtime/src/events/workflow.rs"),
        ];
        let named = sources.into_iter().flat_map(str::lines).filter_map(|line| {
            let (_, rest) = line.trim().strip_prefix("pub struct ")?.split_once(" = \"")?;
            rest.split('"').next()
        });
        let mut named: Vec<_> = named.chain(["command", "external.webhook"]).collect();
        let (_, mut typed) = typed();
        let mut fixed: Vec<_> = fixtures().iter().map(Fixture::event).collect();
        for names in [&mut named, &mut typed, &mut fixed] {
            names.sort_unstable();
            names.dedup();
        }
        assert_eq!((&typed, &fixed), (&named, &named));
        let page = include_str!("../../docs/events.md").split("## Envelope").next().unwrap();
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = row.split(" | ");
            let (events, of) = (cells.next().unwrap(), cells.next().unwrap_or_default());
            let is_typed = of.starts_with('`') && of != "`Payload`" && !of.contains("Command");
            for event in events.split('`').skip(1).step_by(2).filter(|_| is_typed) {
                assert!(fixture(event).is_some(), "{event}: {of}");
            }
        }
    }

    #[tokio::test]
    async fn the_other_names_of_an_event_are_delivered_as_it() {
        for (other, documented) in OTHER_NAMES {
            let body = fixture(other).unwrap();
            assert_eq!(body["event"], other);
            let extension = TestExtension::new(Extension::builder().on(other, "v1", async || {})).unwrap();
            assert_eq!(extension.deliver(delivery(other, "v1", &body)).await.status(), 200, "{documented}");
        }
    }
}
