//! The times of schedules: the grammar of their patterns, and when their slots are in a time zone.

use std::{iter, time::SystemTime};

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

/// When a schedule runs: the pattern and the zone of the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleTimes {
    pub(crate) pattern: SchedulePattern,
    /// The name of the zone in the database of IANA.
    pub(crate) zone: &'static str,
    /// Whether each slot that was missed runs, not the last one alone.
    pub(crate) catches_up: bool,
}

impl ScheduleTimes {
    /// The parts, each already judged.
    #[must_use]
    pub const fn new(pattern: SchedulePattern, zone: &'static str, catches_up: bool) -> Self {
        Self { pattern, zone, catches_up }
    }
}

/// A pattern of times with a resolution of minutes: the sets of its five fields, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulePattern {
    pub(crate) text: &'static str,
    minutes: u64,
    hours: u64,
    /// Bit 0 is the last day of the month.
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the hour is `*`: each hour that passes. Otherwise hours are those of the clock on the wall.
    every_hour: bool,
    /// Whether a day fits that either of day and weekday names: both name some.
    either_day: bool,
}

/// The lowest and the highest value of each field; 7 is Sunday, too.
const LIMITS: [(u8, u8); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];

const DAY: usize = 2;
const MONTH: usize = 3;
const WEEKDAY: usize = 4;

const MONTHS: &[u8] = b"janfebmaraprmayjunjulaugsepoctnovdec";
const WEEKDAYS: &[u8] = b"sunmontuewedthufrisat";

/// The grammars of `#[kiket::schedule]`. Each function panics at another text: in a `static`, where the attribute puts it, that
/// is a compile error under the literal.
///
/// ```text
/// pattern = minute hour day month weekday        with spaces between them
/// field   = part *( "," part )
/// part    = "*" [ "/" step ] / value [ "-" value [ "/" step ] ]
/// part    =/ "L"                                 the last day of the month, as a day
/// value   = 1*2DIGIT / name                      jan to dec as a month, sun to sat as a weekday
/// zone    = "Europe/Berlin"                      at most 64 letters, digits, `/`, `_`, `+` and `-`
/// ```
#[allow(clippy::missing_panics_doc)] // see above
pub mod schedule_grammar {
    use super::{SchedulePattern, read};
    use crate::types::EventName;

    /// `"0 7 * * *"`
    #[must_use]
    #[track_caller]
    pub const fn pattern(text: &'static str) -> SchedulePattern {
        match read(text) {
            Some(pattern) if pattern.has_a_day() => pattern,
            Some(_) => panic!("no month of the pattern has one of its days"),
            None => panic!(
                "a schedule is the minute, hour, day, month and weekday of its runs, like \"0 7 * * *\": each `*`, a number, a range, or several with commas, and steps like `*/15`"
            ),
        }
    }

    /// `zone = "Europe/Berlin"`. Whether there is such a zone is found at the start.
    #[must_use]
    #[track_caller]
    pub const fn zone(name: &'static str) -> &'static str {
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len()
            && (bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'/' | b'_' | b'+' | b'-'))
        {
            at += 1;
        }
        assert!(
            0 < at && at == bytes.len() && at <= 64,
            "a time zone is a name of the IANA database, like \"Europe/Berlin\""
        );
        name
    }

    /// The event of a schedule, as `schedule:NAME`.
    #[must_use]
    #[track_caller]
    pub const fn name(event: &'static str) -> EventName {
        EventName::of_schedule(event)
    }
}

const fn read(text: &'static str) -> Option<SchedulePattern> {
    let bytes = text.as_bytes();
    let (mut at, mut field) = (0, 0);
    let (mut sets, mut begins_with_star, mut is_star) = ([0_u64; 5], [false; 5], [false; 5]);
    while field < 5 {
        let start = at;
        begins_with_star[field] = at < bytes.len() && bytes[at] == b'*';
        loop {
            match part(bytes, at, field) {
                Some((set, end)) => (sets[field], at) = (sets[field] | set, end),
                None => return None,
            }
            if at == bytes.len() || bytes[at] != b',' {
                break;
            }
            at += 1;
        }
        is_star[field] = begins_with_star[field] && at == start + 1;
        field += 1;
        let gap = at;
        while at < bytes.len() && bytes[at] == b' ' {
            at += 1;
        }
        if (field == 5) != (gap == at) {
            return None;
        }
    }
    if at < bytes.len() {
        return None;
    }
    let [minutes, hours, days, months, weekdays] = sets;
    Some(SchedulePattern {
        text,
        minutes,
        hours,
        days,
        months,
        weekdays: weekdays | weekdays >> 7,
        every_hour: is_star[1],
        either_day: !begins_with_star[DAY] && !begins_with_star[WEEKDAY],
    })
}

/// One part of a field, as a set, and where it ends.
const fn part(bytes: &[u8], at: usize, field: usize) -> Option<(u64, usize)> {
    let (low, high) = LIMITS[field];
    if at >= bytes.len() {
        return None;
    }
    let ((first, mut last), mut at, is_range) = match bytes[at] {
        b'*' => ((low, high), at + 1, true),
        b'L' if field == DAY => return Some((1, at + 1)),
        _ => match value(bytes, at, field) {
            None => return None,
            Some((first, end)) if end < bytes.len() && bytes[end] == b'-' => {
                match value(bytes, end + 1, field) {
                    Some((last, end)) => ((first, last), end, true),
                    None => return None,
                }
            }
            Some((first, end)) => ((first, first), end, false),
        },
    };
    if field == WEEKDAY && is_range && last == 0 {
        last = 7; // `fri-sun`
    }
    let mut step = 1;
    if at < bytes.len() && bytes[at] == b'/' {
        match number(bytes, at + 1) {
            Some((found, end)) if is_range && 0 < found && found <= high => (step, at) = (found, end),
            _ => return None,
        }
    }
    if first < low || last < first || high < last {
        return None;
    }
    let (mut set, mut next) = (0, first);
    while next <= last {
        set |= 1 << next;
        next += step;
    }
    Some((set, at))
}

const fn value(bytes: &[u8], at: usize, field: usize) -> Option<(u8, usize)> {
    let (names, first) = match field {
        MONTH => (MONTHS, 1),
        WEEKDAY => (WEEKDAYS, 0),
        _ => return number(bytes, at),
    };
    let mut name = 0;
    while at + 3 <= bytes.len() && name * 3 < names.len() {
        let mut letter = 0;
        while letter < 3 && bytes[at + letter].to_ascii_lowercase() == names[name * 3 + letter] {
            letter += 1;
        }
        if letter == 3 {
            return Some((first + name as u8, at + 3));
        }
        name += 1;
    }
    number(bytes, at)
}

const fn number(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let (mut number, mut end) = (0, at);
    while end < bytes.len() && bytes[end].is_ascii_digit() {
        if end == at + 2 {
            return None;
        }
        number = number * 10 + (bytes[end] - b'0');
        end += 1;
    }
    if end == at { None } else { Some((number, end)) }
}

impl SchedulePattern {
    /// Whether a day of some year fits.
    const fn has_a_day(&self) -> bool {
        const LONGEST: [u8; 13] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 1;
        while month < LONGEST.len() {
            let days = self.days & ((2 << LONGEST[month]) - 1);
            if self.months & 1 << month != 0 && (self.either_day || days != 0) {
                return true;
            }
            month += 1;
        }
        false
    }

    fn has(&self, date: Date) -> bool {
        let is_in = |set: u64, value: i8| set >> value & 1 == 1;
        let last = is_in(self.days, 0) && date.day() == date.days_in_month();
        let day = last || is_in(self.days & !1, date.day());
        let weekday = is_in(self.weekdays, date.weekday().to_sunday_zero_offset());
        is_in(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }
}

/// The slots of a pattern in its zone.
///
/// An hour that the pattern names is one of the clock on the wall: where the clock is set back it runs once, at the earlier of
/// the two times, and where it is set forward over it at the end of what was skipped. With `*` as its hour it runs in each hour
/// that passes: in both of a repeated hour, and in none of a skipped one.
#[derive(Debug, Clone)]
pub(crate) struct Timetable {
    pattern: SchedulePattern,
    zone: TimeZone,
}

/// How many days are searched for a slot: a weekday and the first day of a month meet within twelve years.
const SEARCHED: usize = 13 * 366;

impl Timetable {
    /// `None` where there is no such zone.
    pub(crate) fn new(times: &ScheduleTimes) -> Option<Self> {
        Some(Self { pattern: times.pattern, zone: TimeZone::get(times.zone).ok()? })
    }

    /// The first slot after a time.
    pub(crate) fn next(&self, after: SystemTime) -> Option<SystemTime> {
        let after = Timestamp::try_from(after).ok()?;
        let first = |date| self.slots(date).filter(|slot| *slot > after).min();
        let yesterday = self.zone.to_datetime(after).date().yesterday().ok()?;
        let mut dates = iter::successors(Some(yesterday), |date| date.tomorrow().ok()).take(SEARCHED);
        let (date, slot) = dates.find_map(|date| Some((date, first(date)?)))?;
        // Where the clock is set back over midnight, a slot of the next day may come before one of this day.
        let other = date.tomorrow().ok().and_then(first);
        slot.min(other.unwrap_or(slot)).try_into().ok()
    }

    /// The last slot that is not after a time.
    pub(crate) fn last(&self, at: SystemTime) -> Option<SystemTime> {
        let at = Timestamp::try_from(at).ok()?;
        let last = |date| self.slots(date).filter(|slot| *slot <= at).max();
        let tomorrow = self.zone.to_datetime(at).date().tomorrow().ok()?;
        let mut dates = iter::successors(Some(tomorrow), |date| date.yesterday().ok()).take(SEARCHED);
        let (date, slot) = dates.find_map(|date| Some((date, last(date)?)))?;
        let other = date.yesterday().ok().and_then(last);
        slot.max(other.unwrap_or(slot)).try_into().ok()
    }

    fn slots(&self, date: Date) -> impl Iterator<Item = Timestamp> {
        let bits = |set: u64| (0..60_i8).filter(move |bit| set >> bit & 1 == 1);
        let SchedulePattern { hours, minutes, .. } = self.pattern;
        let hours = if self.pattern.has(date) { hours } else { 0 };
        let times =
            bits(hours).flat_map(move |hour| bits(minutes).map(move |minute| date.at(hour, minute, 0, 0)));
        times.flat_map(|time| self.resolved(time)).flatten()
    }

    fn resolved(&self, time: DateTime) -> [Option<Timestamp>; 2] {
        let every_hour = self.pattern.every_hour;
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => [offset.to_timestamp(time).ok(), None],
            AmbiguousOffset::Fold { before, after } => {
                [before.to_timestamp(time).ok(), after.to_timestamp(time).ok().filter(|_| every_hour)]
            }
            AmbiguousOffset::Gap { .. } if every_hour => [None, None],
            AmbiguousOffset::Gap { before, .. } => {
                let skipped = before.to_timestamp(time).ok();
                let skipped =
                    skipped.and_then(|time| time.checked_add(jiff::SignedDuration::from_secs(1)).ok());
                let change = skipped.and_then(|time| Some(self.zone.preceding(time).next()?.timestamp()));
                [change, None]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timetable(pattern: &'static str, zone: &'static str) -> Timetable {
        let pattern = read(pattern).unwrap_or_else(|| panic!("{pattern} is no pattern"));
        Timetable::new(&ScheduleTimes::new(pattern, zone, false)).unwrap()
    }

    /// The first slots after a time, as RFC 3339.
    fn slots(pattern: &'static str, zone: &'static str, after: &str, count: usize) -> Vec<String> {
        let timetable = timetable(pattern, zone);
        let after: Timestamp = after.parse().unwrap();
        let slots = iter::successors(timetable.next(after.try_into().unwrap()), |slot| timetable.next(*slot));
        slots.take(count).map(|slot| Timestamp::try_from(slot).unwrap().to_string()).collect()
    }

    #[test]
    fn patterns_are_read() {
        for text in [
            "0 7 * * *",
            "*/15 * * * *",
            "0,30 6-18/2 L 1-12 mon-fri",
            "5 4 1,15 JAN,jul Sun",
            "0 0 29 2 *",
            "59 23 31 12 7",
            "0  7   * * fri-sun",
        ] {
            assert!(read(text).is_some_and(|pattern| pattern.has_a_day()), "{text}");
        }
        for text in [
            "",
            " ",
            "0 7 * *",
            "0 7 * * * *",
            " 0 7 * * *",
            "0 7 * * * ",
            "60 7 * * *",
            "0 24 * * *",
            "0 7 0 * *",
            "0 7 32 * *",
            "0 7 * 13 *",
            "0 7 * * 8",
            "5-1 7 * * *",
            "*/0 7 * * *",
            "5/10 7 * * *",
            "1,,2 7 * * *",
            ",1 7 * * *",
            "1, 7 * * *",
            "007 7 * * *",
            "x 7 * * *",
            "jan 7 * * *",
            "0 7 * * monday",
            "0 L * * *",
            "@daily",
            "0 7 ? * *",
            "-1 7 * * *",
            "0 7 * * sun-",
            "0\t7 * * *",
            "0 7 * * *\n",
            "é 7 * * *",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
        for text in ["0 7 30 2 *", "0 7 31 2,4,6,9,11 *"] {
            assert!(!read(text).unwrap().has_a_day(), "{text}");
        }
        assert!(read("0 7 30 2 mon").unwrap().has_a_day());
    }

    #[test]
    fn days_and_weekdays_are_those_of_cron() {
        for (pattern, expected) in [
            ("0 7 1 * *", ["2026-02-01", "2026-03-01", "2026-04-01"]),
            ("0 7 L * *", ["2026-01-31", "2026-02-28", "2026-03-31"]),
            ("0 7 29 2 *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
            ("0 7 * * mon-fri", ["2026-01-02", "2026-01-05", "2026-01-06"]),
            ("0 7 * * fri-sun", ["2026-01-02", "2026-01-03", "2026-01-04"]),
            ("0 7 * * 7", ["2026-01-04", "2026-01-11", "2026-01-18"]),
            // Both are named: either fits.
            ("0 7 10 * sun", ["2026-01-04", "2026-01-10", "2026-01-11"]),
            ("0 7 */10 * sun", ["2026-01-11", "2026-02-01", "2026-03-01"]),
        ] {
            let expected = expected.map(|date| format!("{date}T07:00:00Z"));
            assert_eq!(slots(pattern, "UTC", "2026-01-01T12:00:00Z", 3), expected, "{pattern}");
        }
        assert_eq!(
            slots("*/20 * * * *", "UTC", "2025-12-31T23:39:59Z", 3),
            ["2025-12-31T23:40:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:20:00Z"]
        );
        // The slot itself does not come after it.
        assert_eq!(slots("0 7 * * *", "UTC", "2026-01-01T07:00:00Z", 1), ["2026-01-02T07:00:00Z"]);
    }

    #[test]
    fn a_repeated_hour_runs_once() {
        // Berlin, 2026-10-25: 03:00 is 02:00 again, at 01:00 UTC.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            slots("0 2,3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 3),
            ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-26T01:00:00Z"]
        );
        // Lord Howe, 2026-04-05: 02:00 is 01:30 again, at 15:00 UTC of the day before.
        assert_eq!(
            slots("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", 2),
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]
        );
        // São Paulo, 2019-02-17: 00:00 is 23:00 of the day before again, at 02:00 UTC.
        assert_eq!(
            slots("30 23 * * *", "America/Sao_Paulo", "2019-02-16T12:00:00Z", 2),
            ["2019-02-17T01:30:00Z", "2019-02-18T02:30:00Z"]
        );
    }

    #[test]
    fn a_skipped_hour_runs_at_its_end() {
        // Berlin, 2026-03-29: 02:00 is 03:00, at 01:00 UTC.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // Two that were skipped, and one that is at the end, are one.
        assert_eq!(
            slots("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
            ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"]
        );
        // São Paulo, 2018-11-04: 00:00 is 01:00, at 03:00 UTC. It has had no change since 2019.
        assert_eq!(
            slots("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", 2),
            ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]
        );
        assert_eq!(
            slots("0 0 * * *", "America/Sao_Paulo", "2026-11-03T12:00:00Z", 1),
            ["2026-11-04T03:00:00Z"]
        );
        // Lord Howe, 2026-10-04: 02:00 is 02:30, at 15:30 UTC of the day before.
        assert_eq!(
            slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 2),
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
        );
        // Apia skipped a whole day, 2011-12-30.
        assert_eq!(
            slots("0 7 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3),
            ["2011-12-29T17:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T17:00:00Z"]
        );
    }

    #[test]
    fn every_hour_is_each_that_passes() {
        assert_eq!(
            slots("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]
        );
        assert_eq!(
            slots("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
            ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"]
        );
    }

    #[test]
    fn a_zone_that_is_none_is_refused() {
        let pattern = read("0 7 * * *").unwrap();
        for zone in ["Europe/Bern", "Mars", "../etc/passwd"] {
            assert!(Timetable::new(&ScheduleTimes::new(pattern, zone, false)).is_none(), "{zone}");
        }
    }

    #[test]
    fn a_time_without_a_date_has_no_slot() {
        let timetable = timetable("0 7 * * *", "UTC");
        let far = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 50);
        assert_eq!((timetable.next(far), timetable.last(far)), (None, None));
    }

    proptest! {
        /// Both searches know the same slots, in any zone and across any change.
        #[test]
        fn no_slot_lies_between_the_last_and_the_next(
            pattern in prop::sample::select(vec![
                "* * * * *", "30 * * * *", "0 2 * * *", "30 2,3 * * *", "45 1 * * sun", "15 0,23 L * *", "0 0 29 2 *",
            ]),
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu",
            ]),
            seconds in -1_000_000_000_i64..4_000_000_000,
        ) {
            let timetable = timetable(pattern, zone);
            let at = SystemTime::try_from(Timestamp::from_second(seconds).unwrap()).unwrap();
            let (next, last) = (timetable.next(at).unwrap(), timetable.last(at).unwrap());
            prop_assert!(last <= at && at < next);
            prop_assert_eq!(timetable.next(last), Some(next));
            prop_assert_eq!(timetable.last(next), Some(next));
            let before = last - std::time::Duration::from_secs(1);
            prop_assert_eq!(timetable.next(before), Some(last));
        }
    }
}
