//! Which handler answers which event in which version.

use std::{borrow::Cow, collections::BTreeMap, panic::Location, sync::Arc, time::Duration};

use crate::{
    delivery::Subject,
    error::Problem,
    handler::{Binding, Prepare},
    types::{Scope, VersionKey},
};

/// All handlers of an extension, by event and version.
pub(crate) struct Registry {
    /// They are few: to compare names is faster than to hash one.
    by_event: BTreeMap<Box<str>, Vec<Arc<Entry>>>,
}

/// One handler, ready to be called.
pub(crate) struct Entry {
    pub(crate) subject: Arc<Subject>,
    pub(crate) function: Cow<'static, str>,
    pub(crate) place: &'static Location<'static>,
    pub(crate) prepare: Prepare,
    pub(crate) timeout: Duration,
    /// What a delivery must be allowed to do.
    pub(crate) scopes: Cow<'static, [Scope]>,
    /// Whether a delivery that comes again is remembered.
    pub(crate) dedupe: bool,
}

impl Registry {
    /// Files `bindings`; `timeout` says how long a handler may run that does not say it itself.
    ///
    /// # Errors
    ///
    /// One problem for every two handlers of the same event and version.
    pub(crate) fn new(
        bindings: impl IntoIterator<Item = Binding>,
        timeout: impl Fn(&Subject) -> Duration,
    ) -> Result<Self, Vec<Problem>> {
        let mut by_event = BTreeMap::<Box<str>, Vec<Arc<Entry>>>::new();
        let mut problems = Vec::new();
        for binding in bindings {
            let subject = Subject { event: binding.event, version: binding.version };
            let entries = by_event.entry(subject.event.as_str().into()).or_default();
            if let Some(other) = entries.iter().find(|entry| entry.subject.version == subject.version) {
                problems.push(taken(&subject, &binding.function, binding.place, other));
                continue;
            }
            entries.push(Arc::new(Entry {
                timeout: binding.timeout.unwrap_or_else(|| timeout(&subject)),
                subject: Arc::new(subject),
                function: binding.function,
                place: binding.place,
                prepare: binding.prepare,
                scopes: binding.scopes,
                dedupe: binding.dedupe,
            }));
        }
        if problems.is_empty() { Ok(Self { by_event }) } else { Err(problems) }
    }

    /// The handler of `event` in `version`.
    pub(crate) fn find(&self, event: &str, version: VersionKey) -> Option<&Arc<Entry>> {
        self.by_event.get(event)?.iter().find(|entry| entry.subject.version.key() == version)
    }

    /// All handlers, by event and then by version.
    pub(crate) fn entries(&self) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.by_event.values().flatten().map(Arc::as_ref).collect();
        entries.sort_by(|a, b| {
            let key =
                |entry: &Entry| (entry.subject.event.clone(), entry.subject.version.as_str().to_owned());
            key(a).cmp(&key(b))
        });
        entries
    }
}

fn taken(subject: &Subject, function: &str, place: &Location<'_>, other: &Entry) -> Problem {
    Problem::new(format!(
        "`{function}` and `{}` both handle `{}` in version `{}`",
        other.function, subject.event, subject.version
    ))
    .at(place.into())
    .mend(format!("remove one of them, or give it another version; the other is at {}", other.place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EventName, EventVersion};

    fn binding(event: &'static str, version: &'static str) -> Binding {
        Binding::new(EventName::from_static(event), EventVersion::from_static(version), || async {})
    }

    fn registry(bindings: impl IntoIterator<Item = Binding>) -> Result<Registry, Vec<Problem>> {
        Registry::new(bindings, |_| Duration::from_secs(10))
    }

    #[test]
    fn a_handler_is_found_by_any_spelling_of_its_version() {
        let registry = registry([binding("a.b", "v1"), binding("a.b", "2"), binding("c", "v1")]).unwrap();
        let find = |event, version: &str| {
            let version = version.parse::<EventVersion>().unwrap();
            registry.find(event, version.key()).map(|entry| entry.subject.version.as_str())
        };
        assert_eq!(find("a.b", "1.0"), Some("v1"));
        assert_eq!(find("a.b", "v2"), Some("2"));
        assert_eq!(find("a.b", "v3"), None);
        assert_eq!(find("c", "v2"), None);
        assert_eq!(find("d", "v1"), None);
    }

    #[test]
    fn every_two_handlers_of_one_version_are_a_problem() {
        let Err(problems) =
            registry([binding("a", "v1"), binding("a", "1.0"), binding("a", "1"), binding("b", "v1")])
        else {
            panic!("two handlers for one version")
        };
        assert_eq!(problems.len(), 2);
        assert!(problems[0].what().contains("both handle `a` in version `1.0`"), "{}", problems[0]);
    }

    #[test]
    fn entries_are_sorted() {
        let registry = registry([binding("b", "v1"), binding("a", "v2"), binding("a", "v1")]).unwrap();
        let subjects: Vec<_> = registry.entries().iter().map(|entry| entry.subject.clone()).collect();
        let texts: Vec<_> = subjects.iter().map(|s| (s.event.as_str(), s.version.as_str())).collect();
        assert_eq!(texts, [("a", "v1"), ("a", "v2"), ("b", "v1")]);
    }
}
