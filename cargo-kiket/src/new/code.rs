//! The Rust code of a new project: a handler and a test for each event.

use std::{collections::HashSet, fmt::Write as _};

use kiket_runtime::{Event, EventName, events, manifest::Manifest};

/// An event that the project handles.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) event: EventName,
    pub(super) version: String,
    /// The name of the function, after `on_`.
    pub(super) function: String,
}

/// The types of `kiket::events` that read an event, by the event's name.
macro_rules! types {
    ($($name:ident)*) => { [$((<events::$name as Event>::NAME, stringify!($name))),*] };
}

/// The type that reads an event.
fn type_of(event: &EventName) -> Option<&'static str> {
    let types = types![
        ApprovalDenied ApprovalGranted ApprovalRequested ApprovalResolved
        CaseAssigned CaseCommented CaseCreated CaseStatusChanged CaseTransitioned CaseUpdated CommentCreated
        IssueAssigned IssueCommented IssueCreated IssueStatusChanged IssueTransitioned IssueUpdated
        AfterTransition BeforeTransition SlaStatus
    ];
    types.iter().find(|(name, _)| name == event).map(|(_, r#type)| *r#type)
}

/// The event whose reply decides whether Kiket goes on.
fn is_guard(event: &EventName) -> bool {
    *event == events::BeforeTransition::NAME
}

/// The events that a manifest declares, each version once.
pub(super) fn declared(manifest: &Manifest) -> Vec<Handled> {
    named(manifest.events().iter().map(|declared| {
        let version = declared.version().map_or_else(|| "v1".to_owned(), ToString::to_string);
        (declared.name().clone(), version)
    }))
}

/// The events of the command line, each once.
pub(super) fn handled(events: &[EventName]) -> Vec<Handled> {
    named(events.iter().map(|event| (event.clone(), "v1".to_owned())))
}

fn named(events: impl Iterator<Item = (EventName, String)>) -> Vec<Handled> {
    let (mut known, mut functions) = (HashSet::new(), HashSet::new());
    let once = events.filter(|(event, version)| known.insert((event.to_string(), version.clone())));
    let named = once.map(|(event, version)| {
        let of = |text: &str| {
            text.to_ascii_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
        };
        let (short, long) = (of(event.as_str()), format!("{}_{}", of(event.as_str()), of(&version)));
        let numbered = (2..).map(|number| format!("{long}_{number}"));
        let mut names = [short, long.clone()].into_iter().chain(numbered);
        let function = names.find(|name| functions.insert(name.clone())).unwrap_or(long);
        Handled { event, version, function }
    });
    named.collect()
}

/// What stands behind `use kiket::`.
pub(super) fn imports(handled: &[Handled]) -> String {
    let mut types: Vec<_> = handled.iter().filter_map(|handled| type_of(&handled.event)).collect();
    types.sort_unstable();
    types.dedup();
    match &types[..] {
        [] => "prelude::*".to_owned(),
        [one] => format!("{{events::{one}, prelude::*}}"),
        several => format!("{{\n    events::{{{}}},\n    prelude::*,\n}}", several.join(", ")),
    }
}

/// The handlers. With `declared` the compiler checks that the manifest has their events.
pub(super) fn handlers(all: &[Handled], is_compared: bool) -> String {
    let mut code = String::new();
    for Handled { event, version, function } in all {
        let (declared, name) = (if is_compared { ", declared" } else { "" }, format!("on_{function}"));
        let payload =
            type_of(event).map_or_else(|| "Payload".to_owned(), |r#type| format!("Payload<{type}>"));
        let _ = if is_guard(event) {
            write!(
                code,
                "
/// Allows every transition.
#[kiket::webhook(\"{event}\", version = \"{version}\"{declared})]
async fn {name}(Payload(_event): {payload}) -> Decision {{
    Decision::allow()
}}
"
            )
        } else {
            let id = if type_of(event).is_some() { "event.id" } else { "event[\"id\"]" };
            write!(
                code,
                "
/// Handles `{event}`.
#[kiket::webhook(\"{event}\", version = \"{version}\"{declared})]
async fn {name}(Payload(event): {payload}) -> kiket::Result<Reply> {{
    Ok(Reply::json(json!({{ \"handled\": {id} }})))
}}
"
            )
        };
    }
    code
}

/// The tests of the handlers.
pub(super) fn tests(all: &[Handled]) -> String {
    let mut code = String::new();
    for Handled { event, version, function } in all {
        let expected = if is_guard(event) {
            r#"response.json()["status"], "allow""#
        } else {
            r#"response.json()["handled"], "evt_1""#
        };
        let _ = write!(
            code,
            "
    #[tokio::test]
    async fn {function}_is_handled() {{
        let body = include_str!(\"../deliveries/{event}.json\");
        let response = deliver(\"{event}\", \"{version}\", body).await;
        assert_eq!({expected});
    }}
"
        );
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_names_of_their_own() {
        let events = ["a.b", "a.b", "A-b", "a_b", "a.b.v1"].map(|event| event.parse::<EventName>().unwrap());
        let names: Vec<_> = handled(&events).into_iter().map(|handled| handled.function).collect();
        assert_eq!(names, ["a_b", "a_b_v1", "a_b_v1_2", "a_b_v1_v1"]);
    }

    #[test]
    fn types_are_imported_once() {
        let events =
            |names: &[&str]| handled(&names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(imports(&events(&["own.event"])), "prelude::*");
        assert_eq!(imports(&events(&["own.event", "issue.created"])), "{events::IssueCreated, prelude::*}");
        let two = "{\n    events::{CaseCreated, IssueCreated},\n    prelude::*,\n}";
        assert_eq!(imports(&events(&["issue.created", "case.created"])), two);
    }
}
