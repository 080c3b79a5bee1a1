//! The fields that an update changed, with their old and new values.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::MapAccess};
use serde_json::{Map, Value, json};

use super::{
    extra::Json,
    members::{Members, whole},
};
use crate::types::Id;

/// The fields that an update changed.
///
/// Kiket documents no single form, so all of these are read:
///
/// ```text
/// {"title": {"from": "A", "to": "B"}}         also `old` and `new`, `before` and `after`
/// {"title": ["A", "B"]}
/// {"title": "B"}                              the new value
/// ["title"]                                   only the names of fields
/// [{"field": "title", "from": "A", "to": "B"}]
/// ```
///
/// ```
/// use kiket_runtime::model::Changes;
///
/// let changes: Changes = serde_json::from_str(r#"{"title":["A","B"],"status":{"from":"todo","to":"done"}}"#)?;
/// let status = changes.of("status").unwrap();
/// assert!(status.from.unwrap() == "todo" && status.to.unwrap() == "done");
/// assert!(changes.contains("title") && !changes.contains("priority"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Changes(Map<String, Value>);

/// The names of the changes in payloads.
pub(crate) const CHANGES: [&str; 4] = ["changes", "changed_fields", "changed_attributes", "previous_changes"];

/// The change of a field, as far as the payload has it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Change<'c> {
    /// The old value.
    pub from: Option<&'c Value>,
    /// The new value.
    pub to: Option<&'c Value>,
}

impl Changes {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, from: impl Into<Value>, to: impl Into<Value>) -> Self {
        self.0.insert(name.into(), json!({ "from": from.into(), "to": to.into() }));
        self
    }

    /// Whether a field changed.
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The change of a field; `None` if it did not change.
    pub fn of(&self, field: &str) -> Option<Change<'_>> {
        self.0.get(field).map(Change::read)
    }

    /// The changed fields, with their changes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Change<'_>)> {
        self.0.iter().map(|(field, change)| (field.as_str(), Change::read(change)))
    }

    /// Whether no field is known to have changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes as they are in the payload, by field; `null` for a field whose values are not in the payload.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl<'c> Change<'c> {
    fn read(raw: &'c Value) -> Self {
        match raw {
            Value::Null => Self { from: None, to: None },
            Value::Array(pair) if pair.len() == 2 => Self { from: pair.first(), to: pair.last() },
            Value::Object(change) => {
                let [from, to] = [["from", "old", "before"], ["to", "new", "after"]]
                    .map(|names| names.into_iter().find_map(|name| change.get(name)));
                // An object without either is the new value.
                if from.or(to).is_some() { Self { from, to } } else { Self { from: None, to: Some(raw) } }
            }
            _ => Self { from: None, to: Some(raw) },
        }
    }
}

impl Members for Changes {
    const EXPECTED: &'static str = "the changes, as an object or a list of fields";
    const LISTED: bool = true;

    /// The name of a field, as it is.
    fn name(key: &str) -> Cow<'_, str> {
        key.into()
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, field: &str, map: &mut A) -> Result<bool, A::Error> {
        self.0.insert(field.to_owned(), map.next_value()?);
        Ok(true)
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        let Some(field) = plain.as_text() else { return false };
        self.0.entry(field).or_insert(Value::Null);
        true
    }

    /// Takes the name of a field, or a change with a name. Other elements are dropped, because they name no field.
    fn take_element(&mut self, element: Value) {
        match element {
            Value::String(field) => {
                self.0.entry(field).or_insert(Value::Null);
            }
            Value::Object(change) => {
                let field = ["field", "name", "attribute", "key"]
                    .into_iter()
                    .find_map(|name| change.get(name)?.as_str());
                if let Some(field) = field.map(str::to_owned) {
                    self.0.insert(field, Value::Object(change));
                }
            }
            _ => {}
        }
    }

    /// No member is unknown: each is the name of a field.
    fn keep(&mut self, _: Cow<'_, str>, _: Json<'_>) {}
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_changes_is_read() {
        #[track_caller]
        fn check(changes: &Value, from: Option<Value>, to: Option<Value>) {
            let read: Changes = serde_json::from_value(changes.clone()).unwrap();
            let change = read.of("title").unwrap_or_else(|| panic!("{changes}"));
            assert_eq!((change.from.cloned(), change.to.cloned()), (from, to), "{changes}");
            assert_eq!(read.iter().count(), 1, "{changes}");
        }
        let (a, b) = (Some(json!("A")), Some(json!("B")));
        check(&json!({ "title": { "from": "A", "to": "B" } }), a.clone(), b.clone());
        check(&json!({ "title": { "old": "A", "new": "B" } }), a.clone(), b.clone());
        check(&json!({ "title": { "before": "A", "after": "B" } }), a.clone(), b.clone());
        check(&json!({ "title": { "from": "A" } }), a.clone(), None);
        check(&json!({ "title": ["A", "B"] }), a.clone(), b.clone());
        check(&json!({ "title": [null, "B"] }), Some(Value::Null), b.clone());
        check(&json!({ "title": "B" }), None, b.clone());
        check(&json!({ "title": { "text": "B" } }), None, Some(json!({ "text": "B" })));
        check(&json!({ "title": ["A", "B", "C"] }), None, Some(json!(["A", "B", "C"])));
        check(&json!(["title"]), None, None);
        check(&json!("title"), None, None);
        check(&json!([{ "field": "title", "from": "A", "to": "B" }, 7]), a, b);
    }

    #[test]
    fn changes_are_written_and_read_again() {
        let made = Changes::new().field("title", "A", "B").field("points", Value::Null, 3);
        assert_eq!(serde_json::from_str::<Changes>(&serde_json::to_string(&made).unwrap()).unwrap(), made);
        assert!(made.contains("points") && made.of("status").is_none() && !made.is_empty());
        assert_eq!(made.raw()["title"], json!({ "from": "A", "to": "B" }));
        assert!(
            serde_json::from_str::<Changes>("7").is_err() && serde_json::from_str::<Changes>("null").is_err()
        );
        assert!(Changes::new().is_empty() && serde_json::from_str::<Changes>("[]").unwrap().is_empty());
    }
}
