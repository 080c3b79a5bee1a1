//! The Rust code of a new project: a handler and a test for each event, as `cargo fmt` writes it.

use std::{collections::HashSet, fmt::Write as _};

use kiket_runtime::{Event, EventName, events, internals, manifest::Manifest};

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

/// The names of events, each with the type that reads it.
fn types() -> [(EventName, &'static str); 20] {
    types![
        ApprovalDenied ApprovalGranted ApprovalRequested ApprovalResolved
        CaseAssigned CaseCommented CaseCreated CaseStatusChanged CaseTransitioned CaseUpdated CommentCreated
        IssueAssigned IssueCommented IssueCreated IssueStatusChanged IssueTransitioned IssueUpdated
        AfterTransition BeforeTransition SlaStatus
    ]
}

/// The type that reads an event.
fn type_of(event: &EventName) -> Option<&'static str> {
    types().into_iter().find(|(name, _)| name == event).map(|(_, r#type)| r#type)
}

/// The event whose reply decides whether Kiket goes on.
fn is_guard(event: &EventName) -> bool {
    internals::is_guard(event.as_str())
}

/// The events that a manifest declares, each version once.
pub(super) fn declared(manifest: &Manifest) -> Vec<Handled> {
    named(manifest.events.iter().map(|declared| {
        let version = declared.version.as_ref().map_or_else(|| "v1".to_owned(), ToString::to_string);
        (declared.name.clone(), version)
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
        let short = snake_case(event.as_str());
        let long = format!("{short}_{}", snake_case(&version));
        let numbered = (2..).map(|number| format!("{long}_{number}"));
        let mut names = [short, long.clone()].into_iter().chain(numbered);
        let function = names.find(|name| functions.insert(name.clone())).unwrap_or(long);
        Handled { event, version, function }
    });
    named.collect()
}

/// A part of the name of a function: the words of `text`, and not so long that a line with it has to be broken.
fn snake_case(text: &str) -> String {
    const LONGEST: usize = 48;
    let mut name = String::new();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        let separator = if name.is_empty() { "" } else { "_" };
        name += separator;
        name += &word.to_ascii_lowercase();
    }
    name.truncate(LONGEST);
    let name = name.trim_end_matches('_');
    if name.is_empty() { "event".to_owned() } else { name.to_owned() }
}

/// Whether each line is short enough for rustfmt as it comes.
fn fits(text: &str) -> bool {
    text.lines().all(|line| line.chars().count() <= 100)
}

/// What stands behind `use kiket::`.
pub(super) fn imports(handled: &[Handled]) -> String {
    let mut types: Vec<_> = handled.iter().filter_map(|handled| type_of(&handled.event)).collect();
    types.sort_unstable();
    types.dedup();
    match &types[..] {
        [] => "prelude::*".to_owned(),
        [one] => format!("{{events::{one}, prelude::*}}"),
        several => format!("{{\n{}\n    prelude::*,\n}}", list(several)),
    }
}

/// Several types of events: on one line, or filled into lines as rustfmt does it.
fn list(types: &[&str]) -> String {
    const ONE: usize = 98;
    const FILLED: usize = 91;
    let line = format!("    events::{{{}}},", types.join(", "));
    if line.len() <= ONE {
        return line;
    }
    let mut lines = vec![String::new()];
    for r#type in types {
        let last = lines.last_mut().filter(|line| line.len() + r#type.len() + 2 <= FILLED);
        match last {
            Some(line) if line.is_empty() => *line = format!("{type},"),
            Some(line) => line.extend([" ", *r#type, ","]),
            None => lines.push(format!("{type},")),
        }
    }
    format!("    events::{{\n        {}\n    }},", lines.join("\n        "))
}

/// The attribute of a handler. rustfmt breaks one with more than 70 characters of arguments.
fn attribute(arguments: &[String]) -> String {
    let line = arguments.join(", ");
    if line.len() <= 70 {
        format!("#[kiket::webhook({line})]")
    } else {
        format!("#[kiket::webhook(\n    {}\n)]", arguments.join(",\n    "))
    }
}

/// The first line of a handler.
fn signature(name: &str, argument: &str, output: &str) -> String {
    let line = format!("async fn {name}({argument}) -> {output} {{");
    if fits(&line) { line } else { format!("async fn {name}(\n    {argument},\n) -> {output} {{") }
}

/// The handlers. With `declared` the compiler checks that the manifest has their events.
pub(super) fn handlers(all: &[Handled], is_compared: bool) -> String {
    let mut code = String::new();
    for Handled { event, version, function } in all {
        let mut arguments = vec![format!("\"{event}\""), format!("version = \"{version}\"")];
        arguments.extend(is_compared.then(|| "declared".to_owned()));
        let (attribute, name) = (attribute(&arguments), format!("on_{function}"));
        let payload =
            type_of(event).map_or_else(|| "Payload".to_owned(), |r#type| format!("Payload<{type}>"));
        let _ = if is_guard(event) {
            let signature = signature(&name, &format!("Payload(_event): {payload}"), "Decision");
            write!(
                code,
                "
/// Allows every transition.
{attribute}
{signature}
    Decision::allow()
}}
"
            )
        } else {
            let id = if type_of(event).is_some() { "event.id" } else { "event[\"id\"]" };
            let argument = format!("Payload(event): {payload}");
            let signature = signature(&name, &argument, "kiket::Result<Reply>");
            write!(
                code,
                "
/// Handles `{event}`.
{attribute}
{signature}
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
        let (body, response) = (body(event), response(event, version));
        let _ = write!(
            code,
            "
    #[tokio::test]
    async fn on_{function}_is_handled() {{
{body}
{response}
        assert_eq!({expected});
    }}
"
        );
    }
    code
}

/// Reads the body of a test.
fn body(event: &EventName) -> String {
    let path = format!("\"../deliveries/{event}.json\"");
    let forms = [
        format!("        let body = include_str!({path});"),
        format!("        let body =\n            include_str!({path});"),
    ];
    let broken = format!("        let body = include_str!(\n            {path}\n        );");
    forms.into_iter().find(|form| fits(form)).unwrap_or(broken)
}

/// Delivers the body of a test. rustfmt breaks a call with more than 60 characters of arguments.
fn response(event: &EventName, version: &str) -> String {
    let arguments = [&*format!("\"{event}\""), &*format!("\"{version}\""), "body"];
    let line = arguments.join(", ");
    if line.len() <= 60 {
        return format!("        let response = deliver({line}).await;");
    }
    let lines = arguments.join(",\n            ");
    format!("        let response = deliver(\n            {lines},\n        )\n        .await;")
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        process::{Command, Output},
    };

    use super::*;

    fn parsed<'e>(events: impl IntoIterator<Item = &'e str>) -> Vec<EventName> {
        events.into_iter().map(|name| name.parse().unwrap()).collect()
    }

    /// The program with handlers of these.
    fn program(handled: &[Handled], is_compared: bool) -> String {
        let values = [
            ("title", "Hello".to_owned()),
            ("imports", imports(handled)),
            ("handlers", handlers(handled, is_compared)),
            ("tests", tests(handled)),
        ];
        super::super::files::filled(include_str!("../../templates/main.rs.in"), &values)
    }

    /// Runs rustfmt in a folder without a configuration, so that it formats as it does for a new project.
    fn rustfmt(folder: &std::path::Path, files: &[String]) -> Output {
        let mut command = Command::new("rustfmt");
        command.args(["--check", "--edition", "2024"]).args(files).current_dir(folder).output().unwrap()
    }

    #[test]
    fn a_guard_decides_by_whichever_name() {
        for name in ["workflow.before_transition", "before_transition", "before_delete"] {
            let code = handlers(&handled(&parsed([name])), false);
            assert!(code.contains("Decision::allow()"), "{code}");
        }
    }

    #[test]
    fn the_code_is_as_rustfmt_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        let mut add = |code: String| {
            let file = format!("{}.rs", files.len());
            fs::write(folder.path().join(&file), code).unwrap();
            files.push(file);
        };
        let typed = types().map(|(name, _)| name);
        for at in 0..typed.len() {
            add(program(&handled(&typed[at..]), true));
            add(program(&handled(&typed[..=at]), false));
        }
        // Names of each length, up to the longest.
        let names: Vec<_> =
            (1..=128).map(|length| "own.event-2.".repeat(11)[..length].replace('.', "_")).collect();
        add(program(&handled(&parsed(names.iter().map(String::as_str))), true));
        add(program(&handled(&parsed(names.iter().map(String::as_str))), false));
        let versions =
            (1..=15).map(|digits| (names[30].parse().unwrap(), format!("v{}", "1".repeat(digits))));
        add(program(&named(versions), true));
        let checked = rustfmt(folder.path(), &files);
        assert!(
            checked.status.success(),
            "{}{}",
            String::from_utf8_lossy(&checked.stdout),
            String::from_utf8_lossy(&checked.stderr)
        );
    }

    #[test]
    fn names_of_any_event_are_names_of_functions() {
        let events =
            ["2fa.enabled", "a--b", "_a.b_", "A.-.B", "-", "9", "fn", &"x".repeat(128), &"x-".repeat(64)];
        let handled = handled(&parsed(events));
        let code = syn::parse_file(&program(&handled, true)).unwrap();
        let mut names = Vec::new();
        for item in &code.items {
            match item {
                syn::Item::Fn(function) => names.push(function.sig.ident.to_string()),
                syn::Item::Mod(tests) => {
                    names.extend(tests.content.iter().flat_map(|(_, items)| items).filter_map(|item| {
                        match item {
                            syn::Item::Fn(function) => Some(function.sig.ident.to_string()),
                            _ => None,
                        }
                    }));
                }
                _ => {}
            }
        }
        assert_eq!(names.len(), 2 * events.len() + 1, "{names:?}");
        // As the lint `non_snake_case` has it.
        for name in &names {
            let is_snake_case = !name.contains("__") && !name.ends_with('_') && *name == name.to_lowercase();
            assert!(is_snake_case && name.len() < 80, "{name}");
        }
        assert!(names.iter().any(|name| name == "on_2fa_enabled_is_handled"), "{names:?}");
        assert!(names.iter().any(|name| name == "on_a_b"), "{names:?}");
    }

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
