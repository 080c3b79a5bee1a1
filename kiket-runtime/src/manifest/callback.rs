//! The callback of a manifest: the URL, the secret and the timeout of deliveries.

use std::time::Duration;

use super::{
    form::{Section, Written},
    node::{Entry, Mark},
    reference::Reference,
    report::{Report, found},
};
use crate::{error::ProblemId, types};

/// The URL, the secret and the timeout of deliveries.
pub(super) struct Callback {
    pub(super) secret: Option<Reference>,
    pub(super) url: Option<Reference>,
    pub(super) timeout: Option<Duration>,
}

/// Reads the callback, from each of the places where authors write it:
///
/// ```text
/// delivery_secret: …            callback: { url: …, secret: …, timeout: … }
///                               delivery: { callback: { … } }
///                               delivery: { url: …, timeout: … }
/// ```
///
/// `delivery: http` names a transport, and is ignored.
pub(super) fn read(written: &Written<'_>, report: &mut Report<'_>) -> Callback {
    let callbacks: Vec<Section<'_>> =
        written.sections.iter().flat_map(|section| callbacks(section, report)).collect();
    let named = |key: &'static str| callbacks.iter().map(move |section| (section, key));
    let secrets = written.sections.iter().map(|section| (section, "delivery_secret")).chain(named("secret"));
    let same = |one: &Reference, other: &Reference| one.spelling().expose() == other.spelling().expose();
    Callback {
        secret: only("secrets", secrets, report, reference, same),
        url: only("callback URLs", named("url"), report, reference, same),
        timeout: only("callback timeouts", named("timeout"), report, timeout, Duration::eq),
    }
}

fn callbacks<'a>(section: &Section<'a>, report: &mut Report<'_>) -> Vec<Section<'a>> {
    let direct = section.inner("callback", report);
    let delivery = section.inner_if_mapping("delivery");
    let nested = delivery.as_ref().and_then(|delivery| delivery.inner("callback", report));
    [direct, nested, delivery].into_iter().flatten().collect()
}

/// The first value of `places`; each that is not the same is a problem.
fn only<'s, 'a: 's, T>(
    things: &str,
    places: impl Iterator<Item = (&'s Section<'a>, &'static str)>,
    report: &mut Report<'_>,
    read: fn(&Section<'_>, &Entry, &mut Report<'_>) -> Option<T>,
    same: fn(&T, &T) -> bool,
) -> Option<T> {
    let mut first: Option<(String, Mark, T)> = None;
    for (section, key) in places {
        let Some(entry) = section.map.entry(key) else { continue };
        let Some(value) = read(section, entry, report) else { continue };
        let (name, at) = (section.name(key), entry.spot());
        match &first {
            None => first = Some((name, at, value)),
            Some((first_name, first_at, first)) if !same(first, &value) => {
                let what = format!("there are two different {things}, {first_name} and {name}");
                report.problem(
                    ProblemId::Contradiction,
                    at,
                    what,
                    format!("keep one; the other is on line {}", first_at.line),
                );
            }
            Some(_) => {}
        }
    }
    first.map(|(_, _, value)| value)
}

fn reference(section: &Section<'_>, entry: &Entry, report: &mut Report<'_>) -> Option<Reference> {
    let (text, name) = (section.text(entry, report)?, section.name(&entry.key));
    if entry.key.ends_with("secret") && ["true", "false"].iter().any(|truth| text.eq_ignore_ascii_case(truth))
    {
        let what = format!("{name} is the secret itself, found `{text}`");
        report.problem(ProblemId::InvalidReference, entry.spot(), what, "write `env:KIKET_WEBHOOK_SECRET`");
        return None;
    }
    read_reference(&name, entry, &text, report)
}

/// The reference `text`; `None`, after a problem, if it is not one.
pub(super) fn read_reference(
    name: &str,
    entry: &Entry,
    text: &str,
    report: &mut Report<'_>,
) -> Option<Reference> {
    let refused = |error| {
        let what = format!("{name} is no reference to the environment: {error}");
        report.problem(
            ProblemId::InvalidReference,
            entry.spot(),
            what,
            "write it like `env:NAME`, `${NAME}` or `${NAME:-default}`",
        );
    };
    let reference = Reference::parse(text).map_err(refused).ok()?;
    Some(reference.at(report.place(entry.spot())))
}

fn timeout(section: &Section<'_>, entry: &Entry, report: &mut Report<'_>) -> Option<Duration> {
    read_timeout(&section.name(&entry.key), entry, report)
}

/// The timeout; `None`, after a problem, if it is not one:
///
/// ```text
/// timeout: 5000        milliseconds
/// timeout: "5000"      the same
/// timeout: 5s          with a unit: ms, s or m
/// ```
pub(super) fn read_timeout(name: &str, entry: &Entry, report: &mut Report<'_>) -> Option<Duration> {
    if entry.value.is_nothing() {
        return None;
    }
    let timeout = entry.value.as_written().and_then(|text| types::read_timeout(text.as_bytes()));
    if timeout.is_none() {
        let what = format!("{name} is a time from 1 ms to an hour, found {}", found(&entry.value));
        report.problem(
            ProblemId::InvalidTimeout,
            entry.spot(),
            what,
            "write milliseconds, like `5000`, or a unit, like `5s`",
        );
    }
    timeout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{manifest, problems};

    #[test]
    fn the_callback_is_read_from_each_of_its_places() {
        #[track_caller]
        fn check(text: &str, secret: &str, url: &str, timeout: Option<u64>) {
            let manifest = manifest(text);
            let shown = |reference: Option<&Reference>| {
                let secret =
                    reference.and_then(|reference| reference.resolve(&|name| Some(format!("<{name}>"))));
                secret.map(|secret| secret.expose().to_owned()).unwrap_or_default()
            };
            assert_eq!(shown(manifest.delivery_secret.as_ref()), secret, "{text}");
            assert_eq!(shown(manifest.callback_url.as_ref()), url, "{text}");
            assert_eq!(manifest.callback_timeout, timeout.map(Duration::from_millis), "{text}");
        }
        check("id: a", "", "", None);
        check("delivery_secret: sh_1", "sh_1", "", None);
        check("delivery_secret: 0123", "0123", "", None);
        check("extension: { delivery_secret: sh_1 }", "sh_1", "", None);
        check("delivery: http", "", "", None);
        check(
            "extension: { delivery: http, callback: { secret: env.S, timeout: 30000 } }",
            "<S>",
            "",
            Some(30_000),
        );
        check(
            "extension: { delivery: { type: http, callback: { url: \"${U}/x\", secret: \"env:S\" } } }",
            "<S>",
            "<U>/x",
            None,
        );
        check(
            "extension: {}\ndelivery: { url: \"https://a.b\", timeout: 5s }",
            "",
            "https://a.b",
            Some(5_000),
        );
        check(
            "callback: { secret_keys: [A], secret_env: B, secret: \"env:C\", timeout: ~ }",
            "<C>",
            "",
            None,
        );
        check("delivery_secret: env:S\nextension: { callback: { secret: '${S}' } }", "<S>", "", None);
    }

    #[test]
    fn a_secret_has_a_place_without_an_excerpt() {
        let manifest = manifest("id: a\ndelivery_secret: sh_1\ncallback: { url: \"env:U\" }");
        let place = manifest.delivery_secret.as_ref().and_then(Reference::place).unwrap();
        assert_eq!((place.line, place.column, place.excerpt.as_deref()), (2, 18, None));
        assert_eq!(manifest.callback_url.as_ref().and_then(Reference::place).unwrap().line, 3);
    }

    #[test]
    fn mistakes_are_refused() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(problems(text), expected, "{text}");
        }
        check("delivery_secret:", &["1:1 `delivery_secret` is blank"]);
        check("delivery_secret: ' '", &["1:18 `delivery_secret` is blank"]);
        check("delivery_secret: 'a '", &["1:18 `delivery_secret` has white space at an end"]);
        check("delivery_secret: |\n  a\n", &["2:3 `delivery_secret` has white space at an end"]);
        check("delivery_secret: [a]", &["1:1 `delivery_secret` is text, found a list"]);
        check("delivery_secret: true", &["1:18 `delivery_secret` is the secret itself, found `true`"]);
        check(
            "callback: { secret: 'env:' }",
            &[
                "1:21 `callback.secret` is no reference to the environment: a variable's name is letters, digits and `_`, and does not start with a digit",
            ],
        );
        check(
            "callback: { url: '${A' }",
            &["1:18 `callback.url` is no reference to the environment: `${` without a `}`"],
        );
        check("callback: http", &["1:11 `callback` is a mapping, found text"]);
        check(
            "delivery_secret: a\nextension: { callback: { secret: b } }",
            &["2:34 there are two different secrets, `delivery_secret` and `extension.callback.secret`"],
        );
        for (timeout, found) in [
            ("0", "`0`"),
            ("-1", "`-1`"),
            ("1.5", "`1.5`"),
            ("soon", "`soon`"),
            ("[]", "a list"),
            ("true", "`true`"),
            ("3600001", "`3600001`"),
        ] {
            let expected = format!("callback.timeout` is a time from 1 ms to an hour, found {found}");
            let problems = problems(&format!("callback: {{ timeout: {timeout} }}"));
            assert!(matches!(&problems[..], [only] if only.ends_with(&expected)), "{problems:?}");
        }
    }
}
