//! Schedules: handlers that run at times. They are apart from the routes, so that no delivery finds them.

use std::{sync::Arc, time::SystemTime};

use crate::{
    error::{Place, Problem, ProblemId},
    handler::registry::Route,
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
