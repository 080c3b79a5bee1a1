//! Rows and counts as text and as JSON.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use kiket_runtime::{
    Timestamp,
    inbox::{InboxCount, InboxRow, RowState},
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// The rows of an event by their state.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Overview(Vec<Event>);

#[derive(Debug, Serialize)]
struct Event {
    #[serde(rename = "event")]
    name: String,
    version: String,
    paused: bool,
    rows: BTreeMap<&'static str, u64>,
    /// Seconds since the oldest row that is not done was accepted.
    oldest_seconds: Option<u64>,
}

impl Overview {
    pub(super) fn new(counts: Vec<InboxCount>, paused: &[String]) -> Self {
        let mut events = BTreeMap::new();
        for InboxCount { handler, state, rows, oldest, .. } in counts {
            let event = events.entry(handler.clone()).or_insert_with(|| Event {
                paused: paused.contains(&handler.event),
                name: handler.event,
                version: handler.version,
                rows: BTreeMap::new(),
                oldest_seconds: None,
            });
            event.rows.insert(state.as_str(), rows);
            if !matches!(state, RowState::Done | RowState::Dead) && rows > 0 {
                event.oldest_seconds = event.oldest_seconds.max(Some(oldest.as_secs()));
            }
        }
        Self(events.into_values().collect())
    }

    pub(super) fn has_dead(&self) -> bool {
        self.0.iter().any(|event| event.rows.get(RowState::Dead.as_str()).is_some_and(|rows| *rows > 0))
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the inbox is empty");
        }
        let states = ["waiting", "behind", "running", "done", "dead"];
        write!(f, "{:<40}", "event")?;
        for state in states {
            write!(f, "{state:>9}")?;
        }
        writeln!(f, "  oldest")?;
        for event in &self.0 {
            write!(f, "{:<40}", format!("{}@{}", event.name, event.version))?;
            for state in states {
                write!(f, "{:>9}", event.rows.get(state).copied().unwrap_or_default())?;
            }
            let oldest = event.oldest_seconds.map(|age| length(Duration::from_secs(age)));
            writeln!(
                f,
                "  {}{}",
                oldest.as_deref().unwrap_or("–"),
                if event.paused { "  paused" } else { "" }
            )?;
        }
        Ok(())
    }
}

/// Rows as a table.
pub(super) struct Rows<'r>(pub(super) &'r [InboxRow]);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\n{:>10}  {:<8} {:>8}  {:<28} {:<12} last error",
            "row", "state", "attempts", "event", "organisation"
        )?;
        for row in self.0 {
            let error = row.error.as_deref().unwrap_or_default();
            let error = error.lines().next().unwrap_or_default();
            write!(
                f,
                "\n{:>10}  {:<8} {:>8}  {:<28} {:<12} {}",
                row.id,
                row.state,
                row.attempts,
                row.handler.to_string(),
                row.organisation,
                error.chars().take(80).collect::<String>()
            )?;
        }
        Ok(())
    }
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Row))
    }
}

/// A row with all that is known of it.
pub(super) struct Row<'r>(pub(super) &'r InboxRow);

impl Row<'_> {
    fn members(&self) -> Map<String, Value> {
        let Self(row) = self;
        let members = json!({
            "row": row.id.0,
            "state": row.state.as_str(),
            "event": row.handler.event,
            "version": row.handler.version,
            "key": row.key.as_str(),
            "organisation": row.organisation,
            "lane": row.lane,
            "attempts": row.attempts,
            "crashes": row.crashes,
            "accepted_at": rfc3339(row.accepted_at),
            "at": rfc3339(row.at),
            "reason": row.reason.map(kiket_runtime::inbox::DeadReason::as_str),
            "error": row.error,
            "bytes": row.bytes,
        });
        if let Value::Object(members) = members { members } else { Map::new() }
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members().serialize(serializer)
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(row) = self;
        let at = match row.state {
            RowState::Waiting => "next attempt",
            RowState::Running => "lease until",
            _ => "since",
        };
        writeln!(f, "row {} is {} ({at} {})", row.id, row.state, rfc3339(row.at))?;
        writeln!(f, "  event         {}", row.handler)?;
        writeln!(f, "  key           {}", row.key.as_str())?;
        writeln!(f, "  organisation  {}", row.organisation)?;
        if let Some(lane) = &row.lane {
            writeln!(f, "  lane          {lane}")?;
        }
        writeln!(f, "  accepted      {}", rfc3339(row.accepted_at))?;
        write!(f, "  attempts      {} ({} crashes)", row.attempts, row.crashes)?;
        if let Some(reason) = row.reason {
            write!(f, "\n  dead because  {reason}")?;
        }
        row.error.as_ref().map_or(Ok(()), |error| write!(f, "\n  last error    {error}"))
    }
}

fn rfc3339(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}

/// A length of time for people: its largest unit.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= *unit);
    unit.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use kiket_runtime::inbox::HandlerName;

    use super::*;

    fn count(event: &str, state: RowState, rows: u64, seconds: u64) -> InboxCount {
        InboxCount::new(HandlerName::new(event, "v1"), state, rows, Duration::from_secs(seconds))
    }

    #[test]
    fn the_oldest_row_that_waits_counts() {
        let counts = vec![
            count("b", RowState::Done, 7, 80_000),
            count("b", RowState::Waiting, 2, 130),
            count("b", RowState::Running, 1, 40),
            count("a", RowState::Dead, 1, 90_000),
        ];
        let overview = Overview::new(counts, &["b".to_owned()]);
        let text = overview.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("a@v1") && lines[1].ends_with('–'), "{text}");
        assert!(lines[2].ends_with("2m  paused"), "{text}");
        assert!(overview.has_dead());
        assert!(!Overview::new(vec![count("b", RowState::Done, 7, 1)], &[]).has_dead());
    }

    #[test]
    fn lengths_have_their_largest_unit() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (200_000, "2d")]
        {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }
}
