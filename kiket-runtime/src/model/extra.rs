//! `Extra`: the unknown members of a model, as JSON text that is decoded when it is asked for.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::{Error as _, SerializeMap},
};
use serde_json::{Value, value::RawValue};

use crate::{
    error::{Error, undecodable},
    types::{CONFIDENTIAL, Key},
};

/// The members of a payload or a response that its type does not know, by name.
///
/// They stay the JSON that Kiket sent and are decoded by [`get`](Self::get), so a member that no handler reads costs a copy
/// of its text and no more. Members named `authentication` or `secrets` are never kept. `Debug` prints the names of at most
/// 32 members, and no value. `serde_json` writes the members as they came, with all digits of their numbers.
///
/// ```
/// use kiket_runtime::model::Issue;
///
/// #[derive(serde::Deserialize)]
/// struct Estimate { days: u32 }
///
/// let issue: Issue = serde_json::from_str(r#"{"id":42,"estimate":{"days":3},"storyPoints":null}"#)?;
/// assert_eq!(issue.extra.get::<Estimate>("estimate")?.map(|estimate| estimate.days), Some(3));
/// assert_eq!(issue.extra.get::<u32>("storyPoints")?, None);
/// assert_eq!(issue.extra.get::<u32>("estimate").unwrap_err().to_string(),
///     "extra.estimate: invalid type: map, expected u32");
/// assert_eq!(issue.extra.iter().collect::<Vec<_>>(), [("estimate", r#"{"days":3}"#), ("storyPoints", "null")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Extra(BTreeMap<String, Box<str>>);

impl Extra {
    /// The most names that `Debug` prints.
    const MOST_PRINTED: usize = 32;

    /// Decodes a member; `None` if it is absent or `null`.
    ///
    /// # Errors
    ///
    /// When the member is not a `T`. The error names the field, and is that of a payload that does not decode.
    pub fn get<'e, T: Deserialize<'e>>(&'e self, name: &str) -> Result<Option<T>, Error> {
        let json = self.0.get(name).map_or("null", |json| json);
        serde_json::from_str(json)
            .map_err(|error| undecodable::<Option<T>>(&format!("extra.{name}"), json, error))
    }

    /// The JSON of a member, as Kiket sent it.
    pub fn json(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|json| &**json)
    }

    /// Whether there is a member of this name, also if it is `null`.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names, and the JSON of each, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), &**json))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a member, for payloads that a test sends. `authentication` and `secrets` are not kept.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        keep(self, name.into().into(), Json::of(&value.into()));
    }
}

/// Keeps a member as it is, unless it is confidential (wire contract, unknown-fields).
pub fn keep(extra: &mut Extra, name: Cow<'_, str>, json: Json<'_>) {
    if !CONFIDENTIAL.contains(&&*name) {
        extra.0.insert(name.into_owned(), json.0.into());
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Extra {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut extra = Self::default();
        members.into_iter().for_each(|(name, value)| extra.insert(name, value));
        extra
    }
}

/// Equal names with equal JSON values, whatever their white space and order.
impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        let value = |json| serde_json::from_str::<Value>(json).ok();
        let equal = |one, other| one == other || value(one).is_some_and(|one| value(other) == Some(one));
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|(one, other)| one.0 == other.0 && equal(one.1, other.1))
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        set.entries(self.0.keys().take(Self::MOST_PRINTED));
        if self.len() > Self::MOST_PRINTED { set.finish_non_exhaustive() } else { set.finish() }
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        finish(serializer.serialize_map(Some(self.len()))?, self, |_| false)
    }
}

/// Writes the unknown members, after the fields, without those whose names are written: no member is there twice.
///
/// # Errors
///
/// Those of the serializer.
pub fn finish<S: SerializeMap>(
    mut map: S,
    extra: &Extra,
    is_written: impl Fn(&str) -> bool,
) -> Result<S::Ok, S::Error> {
    for (name, json) in extra.iter().filter(|(name, _)| !is_written(name)) {
        let raw: &RawValue = serde_json::from_str(json).map_err(S::Error::custom)?;
        map.serialize_entry(name, raw)?;
    }
    map.end()
}

/// The JSON of any value, borrowed from the text if that is what is read.
#[derive(Debug)]
pub struct Json<'j>(Cow<'j, str>);

impl Json<'_> {
    pub(crate) fn of(value: &impl Serialize) -> Self {
        // It only fails for keys that are no texts.
        Self(serde_json::to_string(value).map_or("null".into(), Cow::Owned))
    }

    /// The value, unless it is nested too deeply.
    pub(crate) fn value(&self) -> Option<Value> {
        serde_json::from_str(&self.0).ok()
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        serde_json::from_str::<Key<'_>>(&self.0).ok().map(|text| text.0)
    }
}

/// How `serde_json` is asked for the text of a value, and the only member of the map that has it. A deserializer that does
/// not know this, like serde's for `flatten` and `untagged`, has a value, which is written as text.
const RAW: &str = "$serde_json::private::RawValue";

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW, AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        match map.next_key()? {
            Some(Key(name)) if name == RAW => map.next_value().map(|Key(json)| Json(json)),
            _ => Err(serde::de::Error::custom("expected any JSON value, of serde_json")),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        Value::deserialize(deserializer).map(|value| Json(value.to_string().into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Issue;

    fn extra(json: &str) -> Extra {
        serde_json::from_str::<Issue>(json).unwrap().extra
    }

    #[test]
    fn members_stay_the_text_that_was_sent() {
        let sent = r#"{"id":1,"exact":0.1000000000000000000001,"many":123456789012345678901234,"far":1e400,"odd":"\ud800", "a" : [ 1 ] }"#;
        let issue: Issue = serde_json::from_str(sent).unwrap();
        let members = [
            ("a", "[ 1 ]"),
            ("exact", "0.1000000000000000000001"),
            ("far", "1e400"),
            ("many", "123456789012345678901234"),
            ("odd", r#""\ud800""#),
        ];
        assert_eq!(issue.extra.iter().collect::<Vec<_>>(), members);
        let written = serde_json::to_string(&issue).unwrap();
        assert_eq!(extra(&written), issue.extra, "{written}");
        assert_eq!(issue.extra.get::<[u8; 1]>("a").unwrap(), Some([1]));
        assert!(issue.extra.get::<String>("odd").is_err() && issue.extra.get::<f64>("far").is_err());
    }

    #[test]
    fn deserializers_without_text_are_read_too() {
        #[derive(Deserialize)]
        struct Flat {
            #[serde(flatten)]
            issue: Issue,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            Issue(Issue),
        }
        let sent = r#"{"id":1,"gate":{"open":[true,null,1.5,"é"]},"none":null}"#;
        let read = extra(sent);
        assert_eq!(read.get::<Value>("gate").unwrap(), Some(json!({ "open": [true, null, 1.5, "é"] })));
        assert_eq!(serde_json::from_str::<Flat>(sent).unwrap().issue.extra, read);
        let Untagged::Issue(issue) = serde_json::from_str(sent).unwrap();
        assert_eq!(issue.extra, read);
        let value = serde_json::from_str::<Value>(sent).unwrap();
        assert_eq!(serde_json::from_value::<Issue>(value).unwrap().extra, read);
        assert_eq!(serde_json::from_reader::<_, Issue>(sent.as_bytes()).unwrap().extra, read);
    }

    #[test]
    fn equality_ignores_space_and_order() {
        let one = extra(r#"{"a":{"b":1,"c":[2]}}"#);
        assert_eq!(one, extra(r#"{ "a" : {"c": [ 2 ], "b": 1 } }"#));
        assert_eq!(one, [("a", json!({ "b": 1, "c": [2] }))].into_iter().collect());
        for other in [r#"{"a":{"b":1,"c":[3]}}"#, r#"{"b":{"b":1,"c":[2]}}"#, "{}", r#"{"a":1e400}"#] {
            assert_ne!(one, extra(other), "{other}");
        }
        assert_ne!(extra(r#"{"a":1e400}"#), extra(r#"{"a":1e401}"#), "numbers beyond those of Rust");
        assert_eq!(extra(r#"{"a":1,"a":2}"#), extra(r#"{"a":2}"#), "the last one counts");
    }

    #[test]
    fn debug_prints_some_names_and_no_value() {
        let mut extra = Extra::default();
        assert_eq!(format!("{extra:?}"), "{}");
        extra.insert("token", "canary");
        assert_eq!(format!("{extra:?}"), r#"{"token"}"#);
        (0..100).for_each(|number| extra.insert(format!("member {number}"), number));
        assert_eq!(format!("{extra:?}").matches("member").count(), Extra::MOST_PRINTED);
    }

    #[test]
    fn confidential_members_are_never_kept() {
        let mut made = Extra::from_iter([("secrets", json!({ "KEY": 1 })), ("kept", json!(1))]);
        made.insert("authentication", "canary");
        assert_eq!(made.iter().collect::<Vec<_>>(), [("kept", "1")]);
        assert_eq!(extra(r#"{"secrets":{"KEY":1},"kept":1,"authentication":null}"#), made);
    }

    #[test]
    fn deep_json_is_kept_and_refused_where_it_is_read() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let read = extra(&format!(r#"{{"deep":{deep}}}"#));
        assert_eq!(read.json("deep"), Some(&*deep));
        assert_eq!(read.get::<Value>("deep").unwrap_err().code(), Some("too_deep"));
        assert!(serde_json::to_string(&read).unwrap().contains(&deep));
    }
}
