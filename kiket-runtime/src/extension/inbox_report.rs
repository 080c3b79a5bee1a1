//! What a report says of `later` handlers and of schedules.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::{
    handler::{Later, Registry, Schedule},
    types::millis,
};

/// How the deliveries of a handler are worked on after they were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaterReport {
    /// The most attempts at a delivery.
    pub attempts: u32,
    /// The bounds of the time between two attempts.
    pub backoff: (Duration, Duration),
    /// The path in the body of the value whose deliveries run one after the other.
    pub lane: Option<String>,
    /// Whether a dead delivery blocks its lane.
    pub blocks_lane: bool,
}

/// One schedule in a [`Report`](super::Report).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleReport {
    /// The name.
    pub name: String,
    /// The pattern of its times, like `0 7 * * *`.
    pub pattern: String,
    /// The time zone.
    pub zone: String,
    /// Whether each slot that was missed runs, not the last one alone.
    pub catches_up: bool,
    /// The path of the function.
    pub function: String,
    /// The file of the registration.
    pub file: String,
    /// The line in the file.
    pub line: u32,
    /// The timeout of an attempt.
    pub timeout: Duration,
    /// The attempts at a slot.
    pub later: LaterReport,
}

impl Default for LaterReport {
    fn default() -> Self {
        Self::from(&Later::new())
    }
}

impl From<&Later> for LaterReport {
    fn from(later: &Later) -> Self {
        let Later { attempts, backoff, lane, blocks_lane } = later.clone();
        Self { attempts, backoff, lane: lane.map(String::from), blocks_lane }
    }
}

/// As it stands behind a handler.
impl fmt::Display for LaterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "later, {} attempts", self.attempts)?;
        self.lane.as_ref().map_or(Ok(()), |lane| write!(f, ", lane {lane}"))
    }
}

impl LaterReport {
    /// Adds the options to the JSON of a handler.
    pub(super) fn add_to(&self, handler: &mut Value) {
        handler["attempts"] = self.attempts.into();
        handler["backoff_ms"] = json!([millis(self.backoff.0), millis(self.backoff.1)]);
        handler["lane"] = self.lane.clone().into();
        handler["blocks_lane"] = self.blocks_lane.into();
    }
}

impl ScheduleReport {
    pub(super) fn all(registry: &Registry) -> Vec<Self> {
        let schedules = registry.schedules().iter();
        let report = |schedule: &Schedule| Self {
            name: schedule.route.key.event.schedule().unwrap_or_default().to_owned(),
            pattern: schedule.times.pattern.text.to_owned(),
            zone: schedule.times.zone.to_owned(),
            catches_up: schedule.times.catches_up,
            function: schedule.route.handler.function.clone().into_owned(),
            file: schedule.route.handler.place.file().to_owned(),
            line: schedule.route.handler.place.line(),
            timeout: schedule.route.timeout,
            later: schedule.route.handler.later.as_ref().map(LaterReport::from).unwrap_or_default(),
        };
        schedules.map(report).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { name, pattern, zone, catches_up, function, file, line, timeout, later } = self;
        let mut value = json!({
            "name": name, "pattern": pattern, "zone": zone, "catches_up": catches_up,
            "function": function, "file": file, "line": line,
            "timeout_ms": millis(*timeout),
        });
        later.add_to(&mut value);
        value
    }
}

/// The schedules as a table; nothing where there are none.
pub(super) struct Schedules<'a>(pub(super) &'a [ScheduleReport]);

impl fmt::Display for Schedules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let widest = |column: &str, text: fn(&ScheduleReport) -> &str| {
            self.0.iter().map(|schedule| text(schedule).len()).max().unwrap_or_default().max(column.len())
        };
        let name = widest("schedule", |schedule| &schedule.name);
        let pattern = widest("times", |schedule| &schedule.pattern);
        let zone = widest("zone", |schedule| &schedule.zone);
        writeln!(f, "\n  {:name$}  {:pattern$}  {:zone$}  place", "schedule", "times", "zone")?;
        for schedule in self.0 {
            let ScheduleReport { name: n, pattern: p, zone: z, catches_up, file, line, .. } = schedule;
            let catches_up = if *catches_up { "  catches up" } else { "" };
            writeln!(f, "  {n:name$}  {p:pattern$}  {z:zone$}  {file}:{line}{catches_up}")?;
        }
        Ok(())
    }
}
