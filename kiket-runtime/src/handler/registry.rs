//! The registry: finds the handler of an event in a version.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[cfg(feature = "inbox")]
use crate::handler::schedule::Schedule;
use crate::{
    delivery::HandlerKey,
    error::{Place, Problem, ProblemId},
    handler::{declaration::Handler, middleware::Middleware, route::Route},
    types::VersionKey,
};

/// All handlers of an extension, by event and version.
pub(crate) struct Registry {
    /// A sorted map, because few names are compared faster than one is hashed.
    by_event: BTreeMap<Box<str>, Vec<Arc<Route>>>,
    /// By name.
    #[cfg(feature = "inbox")]
    schedules: Vec<Schedule>,
}

impl Registry {
    /// Files `handlers` by event and version. `middleware` is around all of them; `timeout` is that of a handler without its
    /// own.
    ///
    /// # Errors
    ///
    /// One problem for every two handlers of the same event and version.
    pub(crate) fn new(
        handlers: impl IntoIterator<Item = Handler>,
        middleware: &[Arc<dyn Middleware>],
        timeout: impl Fn(&HandlerKey) -> Duration,
    ) -> Result<Self, Vec<Problem>> {
        let mut by_event = BTreeMap::<Box<str>, Vec<Arc<Route>>>::new();
        #[cfg(feature = "inbox")]
        let mut schedules = Vec::<Schedule>::new();
        let mut problems = Vec::new();
        for mut handler in handlers {
            let Some(key) = handler.key.take() else { continue };
            #[cfg(feature = "inbox")]
            if let Some(times) = handler.schedule {
                match schedules.iter().find(|schedule| schedule.route.key.event == key.event) {
                    Some(other) => problems.push(taken(&key, &handler, &other.route.handler)),
                    None => match Schedule::new(Route::new(key, handler, middleware, &timeout), times) {
                        Ok(schedule) => schedules.push(schedule),
                        Err(problem) => problems.push(problem),
                    },
                }
                continue;
            }
            let routes = by_event.entry(key.event.as_str().into()).or_default();
            if let Some(other) = routes.iter().find(|route| route.key.version == key.version) {
                problems.push(taken(&key, &handler, &other.handler));
                continue;
            }
            routes.push(Arc::new(Route::new(key, handler, middleware, &timeout)));
        }
        #[cfg(feature = "inbox")]
        schedules.sort_by(|one, other| one.route.key.event.cmp(&other.route.key.event));
        let registry = Self {
            by_event,
            #[cfg(feature = "inbox")]
            schedules,
        };
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// Counts the deliveries of every handler from now on.
    pub(crate) fn measure(&mut self) {
        for route in self.by_event.values_mut().flatten().filter_map(Arc::get_mut) {
            route.metrics = Some(Box::default());
        }
        #[cfg(feature = "inbox")]
        for schedule in &mut self.schedules {
            if let Some(route) = Arc::get_mut(&mut schedule.route) {
                route.metrics = Some(Box::default());
            }
        }
    }

    /// The handler of `event` in `version`.
    pub(crate) fn find(&self, event: &str, version: VersionKey) -> Option<&Arc<Route>> {
        self.by_event.get(event)?.iter().find(|route| route.key.version.key() == version)
    }

    /// The routes whose handlers run later.
    #[cfg(feature = "inbox")]
    pub(crate) fn deferred(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.by_event.values().flatten().filter(|route| route.handler.later.is_some())
    }

    /// The schedules, by name. No delivery finds them.
    #[cfg(feature = "inbox")]
    pub(crate) fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }

    /// All routes, and those of schedules.
    pub(crate) fn with_schedules(&self) -> Vec<&Route> {
        let routes = self.routes();
        #[cfg(feature = "inbox")]
        let routes =
            routes.into_iter().chain(self.schedules.iter().map(|schedule| &*schedule.route)).collect();
        routes
    }

    /// All routes, by event and then by version.
    pub(crate) fn routes(&self) -> Vec<&Route> {
        let mut routes: Vec<_> = self.by_event.values().flatten().map(Arc::as_ref).collect();
        routes.sort_by_cached_key(|route| (route.key.event.clone(), route.key.version.to_string()));
        routes
    }
}

fn taken(key: &HandlerKey, handler: &Handler, other: &Handler) -> Problem {
    #[cfg(feature = "inbox")]
    if let Some(name) = key.event.schedule() {
        let what = format!("`{}` and `{}` are both the schedule `{name}`", handler.function, other.function);
        return Problem::new(ProblemId::DuplicateSchedule, what).at(Place::from(handler.place)).mend(
            format!(
                "give one of them another name, like `name = \"{name}-2\"`; the other is at {}",
                other.place
            ),
        );
    }
    Problem::new(
        ProblemId::DuplicateHandler,
        format!(
            "`{}` and `{}` both handle `{}` in version `{}`",
            handler.function, other.function, key.event, key.version
        ),
    )
    .at(Place::from(handler.place))
    .mend(format!("remove one of them, or give it another version; the other is at {}", other.place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::EventVersion;

    fn handler(event: &str, version: &str) -> Handler {
        Handler::new(event, version, async || ())
    }

    fn registry(handlers: impl IntoIterator<Item = Handler>) -> Result<Registry, Vec<Problem>> {
        Registry::new(handlers, &[], |_| Duration::from_secs(10))
    }

    #[test]
    fn a_handler_is_found_by_any_spelling_of_its_version() {
        let registry = registry([handler("a.b", "v1"), handler("a.b", "2"), handler("c", "v1")]).unwrap();
        let find = |event, version: &str| {
            let version = version.parse::<EventVersion>().unwrap();
            registry.find(event, version.key()).map(|route| route.key.version.as_str())
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
            registry([handler("a", "v1"), handler("a", "1.0"), handler("a", "1"), handler("b", "v1")])
        else {
            panic!("two handlers for one version")
        };
        assert_eq!(problems.len(), 2);
        assert!(problems[0].what.contains("both handle `a` in version `1.0`"), "{}", problems[0]);
    }

    #[test]
    fn a_handler_has_a_timeout_of_at_most_an_hour() {
        for (wish, timeout) in [(Duration::from_secs(5), 5), (Duration::MAX, 3600)] {
            let own = registry([handler("a", "v1").timeout(wish)]).unwrap();
            let general =
                Registry::new([handler("a", "v1")], &[], |_| wish).unwrap_or_else(|_| panic!("registry"));
            for registry in [own, general] {
                assert_eq!(registry.routes()[0].timeout.as_secs(), timeout);
            }
        }
    }

    #[test]
    fn routes_are_sorted() {
        let registry = registry([handler("b", "v1"), handler("a", "v2"), handler("a", "v1")]).unwrap();
        let keys: Vec<_> = registry.routes().iter().map(|route| Arc::clone(&route.key)).collect();
        let texts: Vec<_> = keys.iter().map(|key| (key.event.as_str(), key.version.as_str())).collect();
        assert_eq!(texts, [("a", "v1"), ("a", "v2"), ("b", "v1")]);
    }
}
