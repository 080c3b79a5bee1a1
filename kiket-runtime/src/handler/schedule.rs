//! Schedules: handlers that run at times. They are apart from the routes, so that no delivery finds them.

use std::{sync::Arc, time::SystemTime};

use crate::{
    error::{Place, Problem, ProblemId},
    handler::route::Route,
    types::schedule::{ScheduleTimes, Timetable},
};

/// A schedule.
pub(crate) struct Schedule {
    /// Its event is `schedule:NAME`, its version `v1`, and it has the options of a `later` handler.
    pub(crate) route: Arc<Route>,
    pub(crate) times: ScheduleTimes,
    timetable: Timetable,
}

impl Schedule {
    /// Files a schedule.
    ///
    /// # Errors
    ///
    /// There is no such zone.
    pub(crate) fn new(route: Route, times: ScheduleTimes) -> Result<Self, Problem> {
        match Timetable::new(&times) {
            Some(timetable) => Ok(Self { route: Arc::new(route), times, timetable }),
            None => Err(Problem::new(
                ProblemId::ScheduleZone,
                format!(
                    "`{}` runs in the time zone `{}`, and there is none",
                    route.handler.function, times.zone
                ),
            )
            .at(Place::from(route.handler.place))
            .mend("write its name in the database of IANA, like `Europe/Berlin`, or remove `zone` for UTC")),
        }
    }

    /// The first slot after a time; `None` at the end of times.
    pub(crate) fn next(&self, after: SystemTime) -> Option<SystemTime> {
        self.timetable.next(after)
    }

    /// The last slot that is not after a time.
    pub(crate) fn last(&self, at: SystemTime) -> Option<SystemTime> {
        self.timetable.last(at)
    }

    /// Whether each slot that was missed runs, not the last one alone.
    pub(crate) fn catches_up(&self) -> bool {
        self.times.catches_up
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        delivery::HandlerKey,
        handler::{Handler, Later, Registry},
        types::{EventName, EventVersion, schedule::schedule_grammar},
    };

    fn schedule(event: &'static str, zone: &'static str) -> Handler {
        let mut handler = Handler::new("any", "v1", async || ()).later(Later::new());
        let (event, version) = (EventName::of_schedule(event), EventVersion::from_static("v1"));
        handler.key = Some(HandlerKey { event, version });
        handler.schedule = Some(ScheduleTimes::new(schedule_grammar::pattern("0 7 * * *"), zone, false));
        handler
    }

    fn registry(schedules: Vec<Handler>) -> Result<Registry, Vec<Problem>> {
        Registry::new(schedules, &[], |_| Duration::from_secs(10))
    }

    #[test]
    fn schedules_are_by_name_and_have_no_route() {
        let schedules = ["schedule:b", "schedule:a.c"].map(|event| schedule(event, "UTC"));
        let registry = registry(schedules.into()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let names: Vec<_> =
            registry.schedules().iter().map(|schedule| schedule.route.key.event.schedule()).collect();
        assert_eq!(names, [Some("a.c"), Some("b")]);
        assert!(registry.routes().is_empty());
        for event in ["schedule:b", "b", "a.c"] {
            assert!(registry.find(event, EventVersion::from_static("v1").key()).is_none(), "{event}");
        }
        assert!(!registry.schedules()[0].route.handler.dedupe, "the inbox knows what it has");
    }

    #[test]
    fn two_of_one_name_and_a_zone_that_is_none_are_refused() {
        let schedules = vec![
            schedule("schedule:remind", "UTC"),
            schedule("schedule:remind", "Europe/Berlin"),
            schedule("schedule:other", "Europe/Bern"),
        ];
        let problems = registry(schedules).err().unwrap();
        let ids: Vec<_> = problems.iter().map(|problem| problem.id).collect();
        assert_eq!(ids, [ProblemId::DuplicateSchedule, ProblemId::ScheduleZone]);
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("are both the schedule `remind`"), "{}", texts[0]);
        assert!(texts[1].contains("`Europe/Bern`") && texts[1].contains("schedule.rs"), "{}", texts[1]);
    }
}
