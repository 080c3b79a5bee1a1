//! The events that a manifest declares.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
    time::Duration,
};

use super::{
    callback::read_timeout,
    form::{Section, Written},
    node::{Content, Entry, Map, Mark, Node},
    report::{Report, found, quoted},
};
use crate::{
    error::{Place, ProblemId},
    types::{EventName, EventVersion},
};

/// An event that the manifest declares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeclaredEvent {
    /// The name of the event.
    pub name: EventName,
    /// The version; `None` is any version.
    pub version: Option<EventVersion>,
    /// The timeout: how long Kiket waits for the response.
    pub timeout: Option<Duration>,
    /// Whether it is an action of `setup` or a command, which an author declares apart from the events.
    pub action: bool,
    /// Whether the hook is `required: true`: Kiket waits for its response, and acts on it.
    pub required: bool,
    /// The place of the declaration.
    pub place: Place,
}

/// A path at which a hook wants its event (wire contract, hook-endpoints).
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Segments with a slash before each.
    pub(crate) path: String,
    pub(crate) event: EventName,
    pub(crate) place: Place,
}

/// Reads the events with their endpoints, from each of the places where authors write them:
///
/// ```text
/// hooks: [issue.created, { event: issue.created, version: v1, timeout: 5000, endpoint: /hooks/created }]
/// activationEvents: [issue.created]
/// events: [issue.created]
/// triggers: [{ event: issue.created }]           webhooks: [{ event: issue.created }]
/// contributes: { …: [{ handler: { type: extension_event, event: crm.sync } }] }
/// setup: [{ test: { action: crm.connect } }]     commands: [{ id: crm.sync }]
/// ```
pub(super) fn read(written: &Written<'_>, report: &mut Report<'_>) -> (Vec<DeclaredEvent>, Vec<Endpoint>) {
    let mut events = Collected::default();
    let sections = &written.sections;
    for section in sections {
        events.list(section, "hooks", Shape::Events, report);
    }
    for section in sections {
        events.list(section, "activationEvents", Shape::Events, report);
        events.list(section, "events", Shape::Events, report);
        events.list(section, "triggers", Shape::SomeEvents, report);
        events.list(section, "webhooks", Shape::SomeEvents, report);
    }
    for contributes in sections.iter().filter_map(|section| section.map.get("contributes")) {
        events.contributions(contributes, report);
    }
    for section in sections {
        let steps = section.map.get("setup").and_then(Node::as_list).unwrap_or_default();
        let steps = steps.iter().filter_map(Node::as_map).flat_map(Map::iter);
        events.actions(steps.filter_map(|(_, step)| step.as_map()?.get("action")), report);
        let commands = section.map.get("commands").and_then(Node::as_list).unwrap_or_default();
        events.actions(commands.iter().filter_map(|command| command.as_map()?.get("id")), report);
    }
    (events.in_order, events.endpoints)
}

/// What the items of a list are.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Events, each bare or as a mapping with `event`.
    Events,
    /// Mappings, of which some have an `event`: the key of the list has other uses, too.
    SomeEvents,
}

/// The events so far.
#[derive(Default)]
struct Collected {
    in_order: Vec<DeclaredEvent>,
    /// The positions in `in_order` of the versions of each event.
    positions: HashMap<String, Vec<usize>>,
    endpoints: Vec<Endpoint>,
    /// The first timeout of each event.
    timeouts: BTreeMap<String, (Duration, Mark)>,
}

impl Collected {
    fn list(&mut self, section: &Section<'_>, key: &str, shape: Shape, report: &mut Report<'_>) {
        let Some(entry) = section.map.entry(key) else { return };
        let Some(items) = entry.value.as_list() else {
            if shape == Shape::Events && !entry.value.is_nothing() {
                let what = format!("{} is a list, found {}", section.name(key), entry.value.describe());
                report.wrong(entry, what, "write each event as `- issue.created` on a line below");
            }
            return;
        };
        for item in items {
            match (&item.content, shape) {
                (Content::Map(map), _) => self.mapping(map, item.mark, shape, report),
                (_, Shape::SomeEvents) => {}
                (_, Shape::Events) => {
                    if let Some(name) = event_name(item, item.mark, report) {
                        self.add(name, None, None, item.mark, report);
                    }
                }
            }
        }
    }

    fn mapping(&mut self, map: &Map, at: Mark, shape: Shape, report: &mut Report<'_>) {
        let Some(entry) = map.entry("event").or_else(|| map.entry("name").filter(|_| shape == Shape::Events))
        else {
            if shape == Shape::Events {
                report.problem(ProblemId::HookEvent, at, "`event` is missing", "add `event: issue.created`");
            }
            return;
        };
        let name = event_name(&entry.value, entry.spot(), report);
        let timeout = map.entry("timeout").and_then(|timeout| {
            let of =
                entry.value.as_written().map(|name| format!(" of {}", quoted(&name))).unwrap_or_default();
            Some((read_timeout(&format!("`timeout`{of}"), timeout, report)?, timeout.value.mark))
        });
        let version = map.entry("version").and_then(|entry| event_version(entry, report));
        if let Some(name) = name {
            if let Some(endpoint) = map.entry("endpoint").filter(|endpoint| !endpoint.value.is_nothing()) {
                self.endpoint(&name, endpoint, report);
            }
            let required = map.get("required").and_then(Node::as_written);
            let required = required.is_some_and(|text| text.eq_ignore_ascii_case("true"));
            self.add(name.clone(), version.clone(), timeout, entry.spot(), report);
            for event in self.in_order.iter_mut().filter(|event| event.name == name) {
                event.required |= required && (version.is_none() || event.version == version);
            }
        }
    }

    /// Actions, each of which is the name of its deliveries.
    fn actions<'n>(&mut self, actions: impl Iterator<Item = &'n Node>, report: &mut Report<'_>) {
        for node in actions.filter(|node| !node.is_nothing()) {
            match node.as_written().and_then(|text| text.parse::<EventName>().ok()) {
                Some(name) => {
                    let known = self.in_order.len();
                    self.add(name, None, None, node.mark, report);
                    self.in_order.iter_mut().skip(known).for_each(|event| event.action = true);
                }
                None => report.warning(
                    ProblemId::ActionName,
                    node.mark,
                    format!("an action is named like `crm.connect`, found {}", found(node)),
                    EVENT_NAME,
                ),
            }
        }
    }

    fn endpoint(&mut self, event: &EventName, entry: &Entry, report: &mut Report<'_>) {
        let segment =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        let written = entry.value.as_written().filter(|path| path.starts_with('/'));
        let segments = written.iter().flat_map(|path| path.split('/')).filter(|segment| !segment.is_empty());
        let path: String = segments.clone().flat_map(|segment| ["/", segment]).collect();
        if path.is_empty() || !segments.clone().all(segment) {
            let what = format!("`endpoint` of `{event}` is not a path, found {}", found(&entry.value));
            return report.warning(
                ProblemId::HookEndpoint,
                entry.spot(),
                what,
                "write it like `/hooks/issue_created`, or remove it",
            );
        }
        self.endpoints.push(Endpoint { path, event: event.clone(), place: report.place(entry.spot()) });
    }

    /// Handlers of commands and actions, at any depth.
    fn contributions(&mut self, node: &Node, report: &mut Report<'_>) {
        match &node.content {
            Content::List(items) => items.iter().for_each(|item| self.contributions(item, report)),
            Content::Map(map) => {
                for (key, value) in map.iter() {
                    match value.as_map().filter(|handler| key == "handler" && is_extension_event(handler)) {
                        Some(handler) => self.mapping(handler, value.mark, Shape::Events, report),
                        None => self.contributions(value, report),
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds an event, unless it is known. An event without a version adds nothing to a known one but its timeout.
    fn add(
        &mut self,
        name: EventName,
        version: Option<EventVersion>,
        timeout: Option<(Duration, Mark)>,
        at: Mark,
        report: &mut Report<'_>,
    ) {
        if let Some((timeout, at)) = timeout {
            self.check_timeout(&name, timeout, at, report);
        }
        let timeout = timeout.map(|(timeout, _)| timeout);
        let positions = self.positions.entry(name.as_str().to_owned()).or_default();
        for position in positions.iter() {
            if let Some(known) = self.in_order.get_mut(*position)
                && (version.is_none() || known.version == version)
            {
                known.timeout = known.timeout.or(timeout);
                return;
            }
        }
        positions.push(self.in_order.len());
        self.in_order.push(DeclaredEvent {
            name,
            version,
            timeout,
            action: false,
            required: false,
            place: report.place(at),
        });
    }

    fn check_timeout(&mut self, name: &EventName, timeout: Duration, at: Mark, report: &mut Report<'_>) {
        let (first, place) = *self.timeouts.entry(name.as_str().to_owned()).or_insert((timeout, at));
        if first != timeout {
            let what =
                format!("`{name}` has two timeouts, {} ms and {} ms", first.as_millis(), timeout.as_millis());
            report.problem(
                ProblemId::Contradiction,
                at,
                what,
                format!("keep one of them; the other is on line {}", place.line),
            );
        }
    }
}

fn is_extension_event(handler: &Map) -> bool {
    handler.get("type").and_then(Node::as_written).is_some_and(|kind| kind == "extension_event")
}

/// How the name of an event is written.
const EVENT_NAME: &str = "write one to eight words of letters, digits, `_` and `-`, joined by dots";

/// The event, whose name may be short (wire contract, short-hook-names).
fn event_name(node: &Node, at: Mark, report: &mut Report<'_>) -> Option<EventName> {
    let name: EventName =
        parsed(ProblemId::HookEvent, node, at, "an event is named like `issue.created`", EVENT_NAME, report)?;
    Some(name.full())
}

fn event_version(entry: &Entry, report: &mut Report<'_>) -> Option<EventVersion> {
    if entry.value.is_nothing() {
        return None;
    }
    let what = "the version of an event is written like `v1`";
    parsed(
        ProblemId::HookVersion,
        &entry.value,
        entry.spot(),
        what,
        "write a `v` and digits, or digits with dots",
        report,
    )
}

/// The scalar as a `T`; `None`, after a problem, if it is not one.
fn parsed<T: FromStr>(
    id: ProblemId,
    node: &Node,
    at: Mark,
    what: &str,
    mend: &str,
    report: &mut Report<'_>,
) -> Option<T> {
    let value = node.as_written().and_then(|text| text.parse().ok());
    if value.is_none() {
        report.problem(id, at, format!("{what}, found {}", found(node)), mend);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{manifest, problems};

    #[test]
    fn a_hook_may_be_required() {
        let text = "hooks:\n  - { event: a.b, version: v1, required: true }\n  - { event: a.b, version: v2 }\n  - { event: c.d, required: false }\n";
        let required =
            |text: &str| -> Vec<_> { manifest(text).events.iter().map(|event| event.required).collect() };
        assert_eq!(required(text), [true, false, false]);
        assert_eq!(
            required(&format!("{text}  - {{ event: a.b, required: \"True\" }}\n")),
            [true, true, false]
        );
    }

    #[test]
    fn events_are_read_from_each_of_their_places() {
        #[track_caller]
        fn check(text: &str, expected: &[(&str, Option<&str>, Option<u64>)]) {
            let manifest = manifest(text);
            let read: Vec<_> = manifest
                .events
                .iter()
                .map(|event| {
                    let timeout = event.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap());
                    (event.name.as_str(), event.version.as_ref().map(EventVersion::as_str), timeout)
                })
                .collect();
            assert_eq!(read, expected, "{text}");
        }
        check(
            "hooks: [a.b, { event: a.c, version: v1, timeout: 5000 }]",
            &[("a.b", None, None), ("a.c", Some("v1"), Some(5000))],
        );
        check("hooks: [{ event: a, version: 1.0 }]", &[("a", Some("1.0"), None)]);
        check(
            "extension: { hooks: [{ event: a, timeout: 2s }], activationEvents: [a, b] }",
            &[("a", None, Some(2000)), ("b", None, None)],
        );
        for short in ["before_transition", "{ event: before_transition }"] {
            check(
                &format!("extension: {{}}\nhooks: [{short}]"),
                &[("workflow.before_transition", None, None)],
            );
        }
        check(
            "hooks: [after_transition, sla_status, workflow.before_transition, before, beforehand, my_before_x]",
            &[
                ("workflow.after_transition", None, None),
                ("workflow.sla_status", None, None),
                ("workflow.before_transition", None, None),
                ("before", None, None),
                ("beforehand", None, None),
                ("my_before_x", None, None),
            ],
        );
        check("triggers: [{ event: a, handler: /x }, { schedule: daily }, other]", &[("a", None, None)]);
        check("webhooks: [{ event: a, endpoint: /x }]", &[("a", None, None)]);
        check("webhooks: { events: [push] }\ngithub_webhooks: { events: [push] }", &[]);
        check("events: [a, { name: b }]", &[("a", None, None), ("b", None, None)]);
        check("hooks:\nevents: ~", &[]);
        check(
            "extension: { contributes: { x: [{ y: { handler: { type: extension_event, event: a.b } } }, { handler: { type: url, event: c } }], handler: text } }",
            &[("a.b", None, None)],
        );
        check(
            "hooks: [{ event: a, version: v1 }, { event: a, version: '1.0' }, { event: a, version: v2 }, a]",
            &[("a", Some("v1"), None), ("a", Some("v2"), None)],
        );
    }

    #[test]
    fn actions_of_setup_and_commands_are_deliveries() {
        let manifest = manifest(
            "extension: { setup: [{ test: { action: parse.connect }, other: { action: a.b } }, { info: x }, 1], commands: [{ id: c.d }, { name: x }, { id: ~ }] }\nhooks: [a.b]\nsetup: [{ x: { action: open it } }]\n",
        );
        let read: Vec<_> = manifest.events.iter().map(|event| (event.name.as_str(), event.action)).collect();
        assert_eq!(read, [("a.b", false), ("parse.connect", true), ("c.d", true)]);
        let [warning] = &manifest.warnings[..] else { panic!("{:?}", manifest.warnings) };
        assert_eq!(warning.what, "an action is named like `crm.connect`, found `open it`");
    }

    #[test]
    fn an_endpoint_is_a_path() {
        let manifest = manifest(
            "hooks:\n- { event: a, endpoint: /hooks/a_1 }\n- { event: b, endpoint: //x//y-z/ }\n\
             - { event: c, endpoint: ~ }\n- { event: d, endpoint: 'https://example.com/d' }\n\
             - { event: e, endpoint: e }\n- { event: f, endpoint: / }\n- { event: g, endpoint: '/a b' }\n\
             - { event: h, endpoint: [/h] }\n\
             webhooks: [{ event: i, endpoint: /i }]",
        );
        let endpoints = manifest.endpoints.iter();
        let endpoints: Vec<_> = endpoints
            .map(|endpoint| (&*endpoint.path, endpoint.event.as_str(), endpoint.place.line))
            .collect();
        assert_eq!(endpoints, [("/hooks/a_1", "a", 2), ("/x/y-z", "b", 3), ("/i", "i", 10)]);
        let warnings: Vec<_> = manifest.warnings.iter().map(|warning| warning.what.as_str()).collect();
        assert_eq!(
            warnings,
            [
                "`endpoint` of `d` is not a path, found `https://example.com/d`",
                "`endpoint` of `e` is not a path, found `e`",
                "`endpoint` of `f` is not a path, found `/`",
                "`endpoint` of `g` is not a path, found `/a b`",
                "`endpoint` of `h` is not a path, found a list",
            ]
        );
    }

    #[test]
    fn the_timeout_of_an_event_is_that_of_its_hook() {
        let manifest =
            manifest("hooks: [a, { event: b, timeout: 10 }, { event: b, timeout: 10, version: v2 }]");
        assert_eq!(manifest.event_timeout("a"), None);
        assert_eq!(manifest.event_timeout("b"), Some(Duration::from_millis(10)));
        assert_eq!(manifest.event_timeout("c"), None);
    }

    #[test]
    fn mistakes_are_refused() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(problems(text), expected, "{text}");
        }
        check("hooks: [a b]", &["1:9 an event is named like `issue.created`, found `a b`"]);
        check("hooks: [~]", &["1:9 an event is named like `issue.created`, found nothing"]);
        check("triggers: [{ event: [] }]", &["1:14 an event is named like `issue.created`, found a list"]);
        check("hooks: { a: b }", &["1:1 `hooks` is a list, found a mapping"]);
        check("hooks: [{ timeout: 5 }]", &["1:9 `event` is missing"]);
        check("contributes: { handler: { type: extension_event } }", &["1:25 `event` is missing"]);
        check(
            "hooks: [{ event: a, version: one }]",
            &["1:30 the version of an event is written like `v1`, found `one`"],
        );
        check(
            "hooks: [{ event: a, timeout: 0 }]",
            &["1:30 `timeout` of `a` is a time from 1 ms to an hour, found `0`"],
        );
        check(
            "hooks:\n- { event: a, timeout: 1 }\nextension: { hooks: [{ event: a, timeout: 2 }] }",
            &["2:24 `a` has two timeouts, 2 ms and 1 ms"],
        );
    }
}
