//! The things that lists have: their ids and times.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::pages::written;
use crate::types::rfc3339;

/// A thing as an answer shows it.
pub(super) type Item = Map<String, Value>;

/// The number after the largest of `items`, or after their count.
pub(super) fn next_id<'i>(items: impl Iterator<Item = &'i Item>) -> u64 {
    let numbers = items.map(|item| item.get("id").and_then(Value::as_u64).unwrap_or_default());
    numbers.max().unwrap_or_default().saturating_add(1)
}

/// Whether `item` is called `name` by one of its `fields`.
pub(super) fn is_called(item: &Item, fields: &[&str], name: &str) -> bool {
    fields.iter().any(|field| item.get(*field).is_some_and(|own| written(own) == name))
}

/// Gives `item` what it lacks of `defaults`.
pub(super) fn fill<const N: usize>(item: &mut Item, defaults: [(&str, Value); N]) {
    for (field, value) in defaults {
        item.entry(field).or_insert(value);
    }
}

/// Gives `item` the times that it lacks.
pub(super) fn stamp(item: &mut Item, now: u64) {
    fill(item, [("created_at", rfc3339(now).into()), ("updated_at", rfc3339(now).into())]);
}

/// Writes down that `item` changed.
pub(super) fn touch(item: &mut Item, now: u64) {
    item.insert("updated_at".into(), rfc3339(now).into());
}

/// Whether the time in `field` is `since` or later; one without a time is not.
pub(super) fn is_since(item: &Item, field: &str, since: Timestamp) -> bool {
    let time = item.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    time.is_some_and(|time| time >= since)
}
