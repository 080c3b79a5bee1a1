//! Checks that the handlers and the manifest have the same events.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Fix, Place, Problem, ProblemId},
    handler::Route,
    manifest::{DeclaredEvent, Manifest, closest},
    types::{EventVersion, other_name},
};

/// The events that only one side knows, each once: first those of handlers, then those of the manifest, by name.
///
/// A manifest without events is not compared: its author declares them elsewhere. One that has only actions must have
/// handlers for these.
pub(crate) fn disagreements(manifest: &Manifest, routes: Vec<&Route>) -> Vec<Problem> {
    if manifest.events.is_empty() {
        return Vec::new();
    }
    let mut handled: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
    for route in routes {
        handled.entry(route.key.event.as_str()).or_default().push(route);
    }
    let mut declared: BTreeMap<&str, Vec<&DeclaredEvent>> = BTreeMap::new();
    for event in &manifest.events {
        declared.entry(event.name.as_str()).or_default().push(event);
    }
    let compared = manifest.events.iter().any(|event| !event.action);
    let undeclared = handled
        .iter()
        .filter(|(event, _)| compared && by_name(&declared, event).is_none())
        .filter_map(|(event, routes)| undeclared(event, routes, manifest, declared.keys()));
    let unhandled = declared.iter().filter_map(|(event, declarations)| match by_name(&handled, event) {
        None => unhandled(event, declarations, handled.keys(), &declared),
        Some(routes) => wrong_version(event, declarations, routes),
    });
    undeclared.chain(unhandled).collect()
}

/// The warning that names the events without a handler for the default version (wire contract, default-version).
pub(crate) fn without_version(version: &EventVersion, routes: &[&Route]) -> Option<Problem> {
    let (has, lack): (Vec<&Route>, Vec<&Route>) =
        routes.iter().partition(|route| route.key.version == *version);
    let lack = lack.iter().map(|route| &route.key.event);
    let lack = lack.filter(|event| has.iter().all(|route| route.key.event != **event));
    let lacking: BTreeSet<_> = lack.map(|event| format!("`{event}`")).collect();
    let names = lacking.into_iter().collect::<Vec<_>>().join(", ");
    let what = format!("the default version `{version}` has no handler for {names}");
    let mend = "a delivery of them without a version is refused with 404: add handlers, or change the default version";
    (!names.is_empty()).then(|| Problem::new(ProblemId::DefaultVersionUnhandled, what).mend(mend))
}

/// What is filed under an event, by either of its names.
fn by_name<'m, T>(map: &'m BTreeMap<&str, T>, event: &str) -> Option<&'m T> {
    map.get(event).or_else(|| map.get(other_name(event)?))
}

fn undeclared<'a>(
    event: &str,
    routes: &[&Route],
    manifest: &Manifest,
    declared: impl Iterator<Item = &'a &'a str>,
) -> Option<Problem> {
    let handlers = routes.iter().map(|route| &route.handler);
    let handler = handlers.min_by_key(|handler| (handler.place.file(), handler.place.line()))?;
    let what = format!(
        "`{event}` is handled by `{}`, and `{}` does not declare it",
        handler.function,
        manifest.path.display()
    );
    let place = Place { column: 0, ..handler.place.into() };
    let close = closest(event, declared);
    let fix = close.is_none().then(|| Fix::AddHook { event: event.to_owned() });
    let mend = match close {
        Some(close) => {
            format!("did you mean `{close}`? otherwise add `{event}` to the `hooks` of the manifest")
        }
        None => format!("add `{event}` to the `hooks` of the manifest, or remove the handler"),
    };
    Some(Problem::new(ProblemId::UndeclaredEvent, what).at(place).mend(mend).fixed_by(fix))
}

fn unhandled<'a>(
    event: &str,
    declarations: &[&DeclaredEvent],
    handled: impl Iterator<Item = &'a &'a str>,
    declared: &BTreeMap<&str, Vec<&DeclaredEvent>>,
) -> Option<Problem> {
    let declaration = declarations.first()?;
    let close = closest(event, handled);
    let meant = close.filter(|close| by_name(declared, close).is_none());
    let fix = meant.map(|to| Fix::RenameHook { from: event.to_owned(), to: to.to_owned() });
    let mend = match close {
        Some(close) => {
            format!(
                "did you mean `{close}`? otherwise write a handler: `#[kiket::webhook(\"{event}\", version = \"v1\")]`"
            )
        }
        None => format!(
            "write a handler, `#[kiket::webhook(\"{event}\", version = \"v1\")]`, or remove `{event}` from the manifest"
        ),
    };
    Some(
        Problem::new(ProblemId::UnhandledEvent, format!("`{event}` is declared and has no handler"))
            .at(declaration.place.clone())
            .mend(mend)
            .fixed_by(fix),
    )
}

/// An event that has handlers, but none for a version that the manifest names.
fn wrong_version(event: &str, declarations: &[&DeclaredEvent], routes: &[&Route]) -> Option<Problem> {
    let is_missing = |version: &EventVersion| routes.iter().all(|route| route.key.version != *version);
    let (declaration, version) = declarations.iter().find_map(|declaration| {
        Some((declaration, declaration.version.as_ref().filter(|version| is_missing(version))?))
    })?;
    let versions: BTreeSet<String> = routes.iter().map(|route| format!("`{}`", route.key.version)).collect();
    let what = format!(
        "`{event}` is declared with version `{version}`, which has no handler; there is {}",
        versions.into_iter().collect::<Vec<_>>().join(", ")
    );
    let mend = format!(
        "write a handler, `#[kiket::webhook(\"{event}\", version = \"{version}\")]`, or change the manifest"
    );
    Some(Problem::new(ProblemId::UnhandledVersion, what).at(declaration.place.clone()).mend(mend))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        handler::{Handler, Registry},
        manifest::tests::manifest,
    };

    /// What disagrees, each as `file:line what (mend)`, for handlers `crm::f1`, `crm::f2`, …; `here` is this file.
    fn compared(text: &str, handlers: &[(&str, &str)]) -> Vec<String> {
        let handlers = handlers.iter().zip(1..).map(|((event, version), number)| {
            let mut handler = Handler::new(event, version, async || ());
            handler.function = format!("crm::f{number}").into();
            handler
        });
        let registry =
            Registry::new(handlers, &[], |_| Duration::ZERO).unwrap_or_else(|_| panic!("registry"));
        let shown = |problem: &Problem| {
            let place = problem.place.as_ref().unwrap();
            let mend = problem.help.as_deref().unwrap().split([',', ';', '?']).next().unwrap();
            let at = if place.file.ends_with("consistency.rs") {
                "here".to_owned()
            } else {
                format!("{}:{}", place.file.display(), place.line)
            };
            format!("{at} {} ({mend})", problem.what)
        };
        disagreements(&manifest(text), registry.routes()).iter().map(shown).collect()
    }

    #[test]
    fn what_only_one_side_knows_is_listed_once_and_in_order() {
        #[track_caller]
        fn check(text: &str, handlers: &[(&str, &str)], expected: &[&str]) {
            assert_eq!(compared(text, handlers), expected, "{text}");
            let mut reversed = handlers.to_vec();
            reversed.reverse();
            assert_eq!(compared(text, &reversed).len(), expected.len());
        }
        check("id: a", &[("issue.created", "v1")], &[]);
        let setup = "setup: [{ test: { action: parse.connect } }]\ncommands: [{ id: parse.now }]";
        check(setup, &[("parse.connect", "v1"), ("parse.now", "v1"), ("issue.created", "v1")], &[]);
        check(
            &format!("{setup}\nhooks: [a.b, before_transition]"),
            &[("a.b", "v1"), ("parse.now", "v2"), ("workflow.before_transition", "v1")],
            &["extension.yaml:1 `parse.connect` is declared and has no handler (write a handler)"],
        );
        check("hooks: [issue.created]", &[("issue.created", "v1"), ("issue.created", "v2")], &[]);
        check(
            "hooks: [{ event: issue.created, version: v1 }]",
            &[("issue.created", "1.0"), ("issue.created", "v2")],
            &[],
        );
        check(
            "id: a\nhooks: [issue.created]",
            &[("issue.creatd", "v1"), ("issue.creatd", "v2")],
            &[
                "here `issue.creatd` is handled by `crm::f1`, and `extension.yaml` does not declare it (did you mean `issue.created`)",
                "extension.yaml:2 `issue.created` is declared and has no handler (did you mean `issue.creatd`)",
            ],
        );
        check(
            "hooks: [b.x, a.y]",
            &[("long.other", "v1"), ("alien", "v1")],
            &[
                "here `alien` is handled by `crm::f2`, and `extension.yaml` does not declare it (add `alien` to the `hooks` of the manifest)",
                "here `long.other` is handled by `crm::f1`, and `extension.yaml` does not declare it (add `long.other` to the `hooks` of the manifest)",
                "extension.yaml:1 `a.y` is declared and has no handler (write a handler)",
                "extension.yaml:1 `b.x` is declared and has no handler (write a handler)",
            ],
        );
        check(
            "hooks:\n- { event: a, version: v1 }\n- { event: a, version: v3 }\n- { event: a, version: v4 }",
            &[("a", "v2"), ("a", "v1")],
            &[
                "extension.yaml:3 `a` is declared with version `v3`, which has no handler; there is `v1`, `v2` (write a handler)",
            ],
        );
        check(
            "hooks: [a.b.c.d]",
            &[],
            &["extension.yaml:1 `a.b.c.d` is declared and has no handler (write a handler)"],
        );
    }

    #[test]
    fn only_a_close_name_is_suggested() {
        #[track_caller]
        fn check(event: &str, expected: Option<&str>) {
            assert_eq!(
                closest(event, ["case.created", "issue.assigned", "issue.created"].iter()),
                expected,
                "{event}"
            );
        }
        check("issue.create", Some("issue.created"));
        check("issue_created", Some("issue.created"));
        check("Issue.Created", Some("issue.created"));
        check("issue.commented", None);
        check("x", None);
    }
}
