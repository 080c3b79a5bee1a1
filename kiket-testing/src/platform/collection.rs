//! The one type of all lists of the fake platform: items are added, found, filtered by a query, and removed.

use jiff::Timestamp;
use kiket_runtime::internals::rfc3339;
use serde_json::{Map, Value};

use super::{call::Call, response::Response};

/// A thing as responses show it.
pub(super) type Item = Map<String, Value>;

/// What the items of a collection have in common.
pub(super) struct Kind {
    /// As in "issue not found".
    pub(super) name: &'static str,
    /// The fields whose values name an item in paths.
    pub(super) keys: &'static [&'static str],
    /// How many parts of the scope share their numbers.
    pub(super) numbered: usize,
    /// Whether items have `created_at` and `updated_at`.
    pub(super) stamped: bool,
    /// The fields that an item gets unless it has them, by its number and what it has.
    pub(super) defaults: fn(u64, &Item) -> Value,
}

/// Items in the order they were added. Each has a scope, like its project: who asks within a scope, or the beginning
/// of one, sees no other items.
pub(super) struct Collection {
    kind: &'static Kind,
    entries: Vec<(Vec<String>, Item)>,
}

impl Collection {
    pub(super) fn new(kind: &'static Kind) -> Self {
        Self { kind, entries: Vec::new() }
    }

    /// Adds an item and returns it, with all defaults.
    pub(super) fn add(&mut self, scope: &[&str], mut item: Item, now: u64) -> Value {
        let numbered = self.within(scope.get(..self.kind.numbered).unwrap_or(scope));
        let last = numbered.iter().filter_map(|item| item.get("id")?.as_u64()).max();
        let number = last.unwrap_or_default().saturating_add(1);
        fill(&mut item, [("id", number.into())]);
        if let Value::Object(defaults) = (self.kind.defaults)(number, &item) {
            fill(&mut item, defaults);
        }
        if self.kind.stamped {
            fill(&mut item, ["created_at", "updated_at"].map(|field| (field, rfc3339(now).into())));
        }
        self.entries.push((scope.iter().map(ToString::to_string).collect(), item.clone()));
        item.into()
    }

    pub(super) fn within(&self, scope: &[&str]) -> Vec<&Item> {
        self.entries.iter().filter(|(own, _)| is_within(own, scope)).map(|(_, item)| item).collect()
    }

    pub(super) fn values(&self, scope: &[&str]) -> Vec<Value> {
        self.within(scope).into_iter().cloned().map(Value::Object).collect()
    }

    pub(super) fn items_mut(&mut self) -> impl Iterator<Item = &mut Item> {
        self.entries.iter_mut().map(|(_, item)| item)
    }

    pub(super) fn scoped(&self) -> &[(Vec<String>, Item)] {
        &self.entries
    }

    /// The first item that one of its keys calls `key`.
    ///
    /// # Errors
    ///
    /// 404 when there is none.
    pub(super) fn find(&self, scope: &[&str], key: &str) -> Result<&Item, Response> {
        self.find_by(self.kind.keys, scope, key)
    }

    /// The same by other fields than the keys.
    pub(super) fn find_by(&self, fields: &[&str], scope: &[&str], key: &str) -> Result<&Item, Response> {
        let found = self.entries.iter().find(|entry| is_called(entry, fields, scope, key));
        found.map(|(_, item)| item).ok_or_else(|| self.missing())
    }

    /// Like [`find`](Self::find).
    pub(super) fn find_mut(&mut self, scope: &[&str], key: &str) -> Result<&mut Item, Response> {
        let missing = self.missing();
        let found = self.entries.iter_mut().find(|entry| is_called(entry, self.kind.keys, scope, key));
        found.map(|(_, item)| item).ok_or(missing)
    }

    /// Like [`find`](Self::find).
    pub(super) fn remove(&mut self, scope: &[&str], key: &str) -> Result<Item, Response> {
        let place = self.entries.iter().position(|entry| is_called(entry, self.kind.keys, scope, key));
        place.map(|place| self.entries.remove(place).1).ok_or_else(|| self.missing())
    }

    /// The items that the query of a call picks.
    ///
    /// # Errors
    ///
    /// 422 when a parameter cannot be what it has to be.
    pub(super) fn picked(&self, scope: &[&str], call: &Call, by: &[Filter]) -> Result<Vec<Value>, Response> {
        let mut found = self.within(scope);
        for (name, by) in by {
            if let Some(wanted) = call.query_value(name) {
                by.check(wanted).map_err(|error| Response::invalid(&[(name, error)]))?;
                found.retain(|item| by.picks(item, name, wanted));
            }
        }
        Ok(found.into_iter().cloned().map(Value::Object).collect())
    }

    fn missing(&self) -> Response {
        Response::not_found(self.kind.name)
    }
}

fn is_called((own, item): &(Vec<String>, Item), fields: &[&str], scope: &[&str], key: &str) -> bool {
    is_within(own, scope)
        && fields.iter().any(|field| item.get(*field).is_some_and(|own| written(own) == key))
}

fn is_within(own: &[String], scope: &[&str]) -> bool {
    own.len() >= scope.len() && own.iter().zip(scope).all(|(own, asked)| own == asked)
}

/// A parameter of a query, and how it picks items.
pub(super) type Filter = (&'static str, By);

/// How a parameter of a query picks items.
pub(super) enum By {
    /// The field of its name has its value, or the id in the object: `assignee_id` is also the `id` in `assignee`.
    Text,
    /// The same for `true` and `false`.
    Flag,
    /// The same for one of some words.
    Word(&'static [&'static str]),
    /// The time in this field is the parameter's or later.
    Since(&'static str),
    /// The time in this field is the parameter's or earlier.
    Until(&'static str),
}

/// What is wrong with a text that has to be one of some words.
pub(super) const NOT_LISTED: &str = "is not included in the list";

impl By {
    fn check(&self, wanted: &str) -> Result<(), &'static str> {
        let (holds, error) = match self {
            Self::Text => (true, ""),
            Self::Flag => (matches!(wanted, "true" | "false"), "must be true or false"),
            Self::Word(words) => (words.contains(&wanted), NOT_LISTED),
            Self::Since(_) | Self::Until(_) => (time(wanted).is_some(), "is not an RFC 3339 time"),
        };
        if holds { Ok(()) } else { Err(error) }
    }

    fn picks(&self, item: &Item, name: &str, wanted: &str) -> bool {
        match self {
            Self::Text | Self::Flag | Self::Word(_) => {
                let inner = name.strip_suffix("_id").and_then(|object| item.get(object)?.get("id"));
                inner.or_else(|| item.get(name)).is_some_and(|own| written(own) == wanted)
            }
            Self::Since(field) => time(text(item, field)) >= time(wanted),
            Self::Until(field) => time(text(item, field)).is_some_and(|own| Some(own) <= time(wanted)),
        }
    }
}

/// Gives `item` what it lacks of `defaults`.
pub(super) fn fill<K: Into<String>>(item: &mut Item, defaults: impl IntoIterator<Item = (K, Value)>) {
    for (field, value) in defaults {
        item.entry(field).or_insert(value);
    }
}

/// Writes down that `item` changed.
pub(super) fn touch(item: &mut Item, now: u64) {
    item.insert("updated_at".into(), rfc3339(now).into());
}

/// The text in a field; empty where there is none.
pub(super) fn text<'i>(item: &'i Item, field: &str) -> &'i str {
    item.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// An id as a path or a query writes it: `7` and `"7"` are one.
pub(super) fn written(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
