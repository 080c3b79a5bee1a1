//! The envelope of a delivery: the fields beside the payload, like event, id and time.
//!
//! It is found while the payload is decoded, in the same pass over the bytes: [`decode`] passes the top-level
//! fields to the handler's type and notes the positions of those it knows.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, CowStrDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::Xxh3Default;

use crate::types::{EventName, Key, Secret};

/// The positions of the envelope's fields in the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Start and end of each field; an end of 0 means that it is absent. `u32` is enough for a body of at most 64 MiB, and
    /// makes the envelope half as large to move.
    places: [(u32, u32); Field::Other as usize],
}

/// The top-level fields that mean something to kiket (wire contract, envelope-fields).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Event,
    Type,
    EventType,
    Id,
    DeliveryId,
    Timestamp,
    #[serde(alias = "occurredAt")]
    OccurredAt,
    #[serde(alias = "createdAt")]
    CreatedAt,
    #[serde(alias = "receivedAt")]
    ReceivedAt,
    Api,
    Authentication,
    Secrets,
    SecretStatus,
    /// A field of the payload: the last one, whose position is the number of the others.
    #[serde(other)]
    Other,
}

/// The fields that may name the event, after `event`.
const TYPES: [Field; 2] = [Field::Type, Field::EventType];

impl Envelope {
    /// Reads only the envelope of `body`.
    pub(crate) fn read(body: &str) -> serde_json::Result<Self> {
        let (read, envelope, _) = tee::<IgnoredAny>(body);
        read.map(|_| envelope)
    }

    /// The event that the body names: `event`, else `type` or `event_type` if they are the name of an event with a dot. Without
    /// one they are data, like `"type": "bug"` (wire contract, event-in-body).
    pub(crate) fn event<'b>(&self, body: &'b str) -> Option<Cow<'b, str>> {
        let event =
            |field| self.text(field, body).filter(|name| name.contains('.') && EventName::is_valid(name));
        self.text(Field::Event, body).or_else(|| TYPES.into_iter().find_map(event))
    }

    /// The event of a delivery whose route names none: as above, else `type` or `event_type`, whatever they are.
    pub(crate) fn routed_event<'b>(&self, body: &'b str) -> Option<Cow<'b, str>> {
        self.event(body).or_else(|| TYPES.into_iter().find_map(|field| self.text(field, body)))
    }

    /// The id of the delivery: `id`, else `delivery_id`; a text that is not blank, or a number.
    pub(crate) fn delivery_id<'b>(&self, body: &'b str) -> Option<Cow<'b, str>> {
        [Field::Id, Field::DeliveryId].into_iter().find_map(|field| match self.raw(field, body)? {
            number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                Some(Cow::Borrowed(number))
            }
            _ => self.text(field, body).filter(|id| !id.trim().is_empty()),
        })
    }

    /// The time of the event, as JSON: the first time field that is present (wire contract, delivery-time).
    pub(crate) fn time<'b>(&self, body: &'b str) -> Option<&'b str> {
        [Field::Timestamp, Field::OccurredAt, Field::CreatedAt, Field::ReceivedAt]
            .into_iter()
            .find_map(|field| self.raw(field, body).filter(|raw| *raw != "null"))
    }

    /// Whether the body has the time at which the event happened, which is the same in every attempt. `created_at` is the age of a
    /// thing (wire contract, delivery-key-without-id).
    pub(crate) fn has_event_time(&self, body: &str) -> bool {
        let times = [Field::Timestamp, Field::OccurredAt, Field::ReceivedAt];
        times.into_iter().any(|field| self.raw(field, body).is_some_and(|raw| raw != "null"))
    }

    /// The SHA-256 of the content, which distinguishes deliveries.
    pub(crate) fn content_hash(&self, body: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.content(body, |piece| hash.update(piece));
        hash.finalize().into()
    }

    /// A hash of the content that costs little of a large body, and distinguishes nothing that must be distinguished.
    pub(crate) fn fingerprint(&self, body: &str) -> u64 {
        let mut hash = Xxh3Default::new();
        self.content(body, |piece| hash.update(piece.as_bytes()));
        hash.digest()
    }

    /// Gives the pieces of the body without the fields that differ from attempt to attempt: `authentication`, `secrets`,
    /// `secret_status` and `api`.
    fn content<'b>(&self, body: &'b str, mut piece: impl FnMut(&'b str)) {
        let attempt = [Field::Authentication, Field::Secrets, Field::SecretStatus, Field::Api];
        let mut cuts = attempt.map(|field| self.member(field, body).unwrap_or_default());
        cuts.sort_unstable();
        let (mut from, mut joined) = (0, true);
        for (start, end) in cuts.into_iter().filter(|(_, end)| *end > 0).chain([(body.len(), body.len())]) {
            let kept = body.get(from..start).unwrap_or_default();
            let kept = kept.trim_matches(|char: char| char == ',' || char.is_ascii_whitespace());
            from = end;
            if kept.is_empty() {
                continue;
            }
            if !joined && !kept.starts_with('}') {
                piece(",");
            }
            piece(kept);
            joined = kept == "{";
        }
    }

    /// The start and the end of a member: its key, and its value.
    fn member(&self, field: Field, body: &str) -> Option<(usize, usize)> {
        let raw = self.raw(field, body)?;
        let value = (raw.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        // No quote is in the key: it would not be this one then.
        let key_end = body.get(..value)?.rfind('"')?;
        Some((body.get(..key_end)?.rfind('"')?, value + raw.len()))
    }

    /// The base URL that the delivery names: `api.base_url`.
    pub(crate) fn base_url(&self, body: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Api {
            base_url: Option<String>,
        }

        serde_json::from_str::<Api>(self.raw(Field::Api, body)?).ok()?.base_url.filter(|url| !url.is_empty())
    }

    /// The unverified authentication: `authentication`, if it is an object.
    pub(crate) fn authentication(&self, body: &str) -> Option<Map<String, Value>> {
        self.object(Field::Authentication, body)
    }

    /// The secrets of the delivery: the members of `secrets` that are non-empty texts.
    pub(crate) fn secrets(&self, body: &str) -> Vec<(String, Secret)> {
        let secrets = self.object(Field::Secrets, body).unwrap_or_default().into_iter();
        let texts = secrets.filter_map(|(key, value)| match value {
            Value::String(text) if !text.is_empty() => Some((key, Secret::new(text))),
            _ => None,
        });
        texts.collect()
    }

    /// The texts to redact: the secrets and the token.
    pub(super) fn confidential(&self, body: &str) -> Vec<Secret> {
        let claims = self.authentication(body);
        let token = claims.and_then(|claims| claims.get("runtime_token")?.as_str().map(Secret::from));
        self.secrets(body).into_iter().map(|(_, secret)| secret).chain(token).collect()
    }

    /// A body with nothing but the members that have those; `None` where there are none.
    pub(super) fn confidential_members(&self, body: &str) -> Option<String> {
        let [secrets, token] = [Field::Secrets, Field::Authentication].map(|field| self.raw(field, body));
        secrets.or(token)?;
        let [secrets, token] = [secrets, token].map(|raw| raw.unwrap_or("null"));
        Some(format!(r#"{{"secrets":{secrets},"authentication":{token}}}"#))
    }

    /// The keys of the secrets that Kiket does not have: `secret_status.missing`.
    pub(crate) fn missing_secrets(&self, body: &str) -> Vec<String> {
        let status = self.object(Field::SecretStatus, body);
        match status.and_then(|mut status| status.remove("missing")) {
            Some(Value::Array(keys)) => {
                keys.into_iter().filter_map(|key| key.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn object(&self, field: Field, body: &str) -> Option<Map<String, Value>> {
        serde_json::from_str(self.raw(field, body)?).ok()
    }

    fn text<'b>(&self, field: Field, body: &'b str) -> Option<Cow<'b, str>> {
        let quoted = self.raw(field, body)?;
        match quoted.strip_prefix('"')?.strip_suffix('"')? {
            plain if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            _ => serde_json::from_str::<Key<'b>>(quoted).ok().map(|text| text.0),
        }
    }

    fn raw<'b>(&self, field: Field, body: &'b str) -> Option<&'b str> {
        let (start, end) = *self.places.get(field as usize)?;
        body.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?).filter(|raw| !raw.is_empty())
    }

    fn note(&mut self, field: Field, raw: &RawValue, body: &str) {
        // The raw value is a slice of the body: its position is the distance of the two.
        let start = (raw.get().as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
        let end = start.saturating_add(raw.get().len());
        if let (Some(place), Ok(start), Ok(end)) =
            (self.places.get_mut(field as usize), start.try_into(), end.try_into())
        {
            *place = (start, end);
        }
    }
}

/// The texts to redact of a body, whose envelope is read for it.
pub(crate) fn confidential(body: &str) -> Vec<Secret> {
    Envelope::read(body).map(|envelope| envelope.confidential(body)).unwrap_or_default()
}

/// Decodes `body` into `T`, and finds its envelope in the same pass.
///
/// The envelope is found if the body is a JSON object, also if that does not decode into `T`.
pub(crate) fn decode<'b, T: Deserialize<'b>>(
    body: &'b str,
) -> (serde_json::Result<T>, serde_json::Result<Envelope>) {
    let (decoded, envelope, complete) = tee(body);
    let envelope = if complete && decoded.is_ok() { Ok(envelope) } else { Envelope::read(body) };
    (decoded, envelope)
}

/// Decodes `body`, and returns the envelope and whether all of the body was seen.
fn tee<'b, T: Deserialize<'b>>(body: &'b str) -> (serde_json::Result<T>, Envelope, bool) {
    let mut envelope = Envelope::default();
    let mut complete = false;
    let mut json = serde_json::Deserializer::from_str(body);
    let noted = Noted { envelope: &mut envelope, complete: &mut complete, body };
    let decoded =
        T::deserialize(Tee { inner: &mut json, noted }).and_then(|value| json.end().map(|()| value));
    (decoded, envelope, complete)
}

/// The notes on the top level, taken while it is decoded.
struct Noted<'n, 'b> {
    envelope: &'n mut Envelope,
    complete: &'n mut bool,
    body: &'b str,
}

/// A deserializer or a visitor that notes the fields of the top-level map.
struct Tee<'n, 'b, I> {
    inner: I,
    noted: Noted<'n, 'b>,
}

/// The private protocols of `serde_json` (raw values, exact numbers), which must reach it unchanged.
const PRIVATE: &str = "$serde_json::private";

/// Deserializes with a visitor that notes.
macro_rules! noted {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Tee { inner: visitor, noted: self.noted })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tee<'_, 'de, D> {
    type Error = D::Error;

    noted! {
        deserialize_any()
        deserialize_map()
        deserialize_option()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name.starts_with(PRIVATE) {
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        self.inner.deserialize_newtype_struct(name, Tee { inner: visitor, noted: self.noted })
    }

    // `deserialize_any` instead of the real method: `IgnoredAny` must see the map to its end.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier
    }
}

macro_rules! forward_visits {
    ($($visit:ident($($value:ident: $type:ty)?))*) => {$(
        fn $visit<E: serde::de::Error>(self $(, $value: $type)?) -> Result<V::Value, E> {
            self.inner.$visit($($value)?)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Tee<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(TeeMap { map, noted: self.noted, field: Field::Other })
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Tee { inner, noted: self.noted })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Tee { inner, noted: self.noted })
    }

    // A body is an object: the other visits only make errors read as if the tee were not there.

    forward_visits! {
        visit_bool(value: bool) visit_i64(value: i64) visit_u64(value: u64) visit_f64(value: f64)
        visit_str(value: &str) visit_borrowed_str(value: &'de str) visit_unit() visit_none()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(sequence)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(data)
    }
}

struct TeeMap<'n, 'b, A> {
    map: A,
    noted: Noted<'n, 'b>,
    /// The field of the key that was read last.
    field: Field,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for TeeMap<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(Key(key)) = self.map.next_key()? else {
            *self.noted.complete = true;
            return Ok(None);
        };
        self.field = Field::deserialize(StrDeserializer::new(&key))?;
        match key {
            Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
            Cow::Owned(_) => seed.deserialize(CowStrDeserializer::new(key)),
        }
        .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if self.field == Field::Other {
            return self.map.next_value_seed(seed);
        }
        let raw: &'de RawValue = self.map.next_value()?;
        self.noted.envelope.note(self.field, raw, self.noted.body);
        seed.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(A::Error::custom)
    }

    fn size_hint(&self) -> Option<usize> {
        self.map.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Issue {
        id: u64,
        title: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Created {
        issue: Issue,
    }

    const BODY: &str = r#"{"id":"d-1","issue":{"id":7,"title":"T"},"type":"issue.created","createdAt":"2026-04-14T10:00:00Z"}"#;

    #[test]
    fn one_pass_gives_payload_and_envelope() {
        let (decoded, envelope) = decode::<Created>(BODY);
        assert_eq!(decoded.unwrap().issue, Issue { id: 7, title: "T".into() });
        let envelope = envelope.unwrap();
        assert_eq!(envelope.delivery_id(BODY).as_deref(), Some("d-1"));
        assert_eq!(envelope.event(BODY).as_deref(), Some("issue.created"));
        assert_eq!(envelope.time(BODY), Some(r#""2026-04-14T10:00:00Z""#));
    }

    #[test]
    fn every_shape_of_type_gives_the_same_envelope() {
        #[derive(Debug, Deserialize)]
        struct Newtype(#[allow(dead_code)] Created);
        #[derive(Debug, Deserialize)]
        struct Flat {
            #[allow(dead_code)]
            issue: Issue,
            #[serde(flatten)]
            rest: HashMap<String, Value>,
        }
        #[derive(Debug, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            Created(#[allow(dead_code)] Created),
        }
        #[derive(Debug, Deserialize)]
        #[serde(tag = "type")]
        enum Tagged {
            #[serde(rename = "issue.created")]
            Created(#[allow(dead_code)] Created),
        }
        #[derive(Debug, Deserialize)]
        struct Everything {
            id: String,
            r#type: String,
        }
        #[derive(Debug, Deserialize)]
        struct Nothing {}

        #[track_caller]
        fn check<'b, T: Deserialize<'b>>(body: &'b str) -> T {
            let (decoded, envelope) = decode::<T>(body);
            assert_eq!(envelope.unwrap(), Envelope::read(body).unwrap());
            decoded.unwrap()
        }
        check::<Created>(BODY);
        check::<Option<Created>>(BODY);
        check::<Box<Created>>(BODY);
        check::<Newtype>(BODY);
        check::<Untagged>(BODY);
        check::<Tagged>(BODY);
        check::<IgnoredAny>(BODY);
        check::<Nothing>(BODY);
        check::<BTreeMap<String, Value>>(BODY);
        assert_eq!(check::<Flat>(BODY).rest["id"], "d-1");
        assert_eq!(check::<Value>(BODY), serde_json::from_str::<Value>(BODY).unwrap());
        assert_eq!(check::<&RawValue>(BODY).get(), BODY);
        assert_eq!(check::<Box<RawValue>>(BODY).get(), BODY);
        let everything = check::<Everything>(BODY);
        assert_eq!((everything.id.as_str(), everything.r#type.as_str()), ("d-1", "issue.created"));
    }

    #[test]
    fn the_envelope_is_found_where_the_payload_does_not_decode() {
        let body = r#"{"issue":1,"id":42,"event":"issue.created"}"#;
        let (decoded, envelope) = decode::<Created>(body);
        assert!(decoded.is_err());
        let envelope = envelope.unwrap();
        assert_eq!(envelope.delivery_id(body).as_deref(), Some("42"));
        assert_eq!(envelope.event(body).as_deref(), Some("issue.created"));
    }

    #[test]
    fn ids_are_texts_or_numbers() {
        for (body, id) in [
            (r#"{"id":7}"#, Some("7")),
            (r#"{"id":"a\u0062"}"#, Some("ab")),
            (r#"{"id":null,"delivery_id":"x"}"#, Some("x")),
            (r#"{"id":"","delivery_id":-3}"#, Some("-3")),
            (r#"{"id":{"a":1}}"#, None),
            (r#"{"id":[1],"delivery_id":true}"#, None),
            ("{}", None),
        ] {
            assert_eq!(Envelope::read(body).unwrap().delivery_id(body).as_deref(), id, "{body}");
        }
    }

    #[test]
    fn events_are_texts_and_the_last_repeated_field_counts() {
        for (body, event, routed) in [
            (r#"{"event":"a","type":"b"}"#, Some("a"), Some("a")),
            (r#"{"event":null,"type":"b.c"}"#, Some("b.c"), Some("b.c")),
            (r#"{"type":"b.c","event_type":"d.e"}"#, Some("b.c"), Some("b.c")),
            // Without a dot, or with other characters than names have, a type is data.
            (r#"{"type":"bug"}"#, None, Some("bug")),
            (r#"{"type":"bug","event_type":"d.e"}"#, Some("d.e"), Some("d.e")),
            (r#"{"type":"a bug.","event_type":"issue_created"}"#, None, Some("a bug.")),
            (r#"{"event":{"type":"message"},"event_type":"c"}"#, None, Some("c")),
            (r#"{"event_type":"c"}"#, None, Some("c")),
            (r#"{"event":"a","event":"b"}"#, Some("b"), Some("b")),
            (r#"{"ev\u0065nt":"a"}"#, Some("a"), Some("a")),
        ] {
            let envelope = Envelope::read(body).unwrap();
            assert_eq!(envelope.event(body).as_deref(), event, "{body}");
            assert_eq!(envelope.routed_event(body).as_deref(), routed, "{body}");
        }
    }

    #[test]
    fn the_hash_of_the_content_is_of_what_attempts_share() {
        let hash = |body: &str| {
            let envelope = Envelope::read(body).unwrap();
            (envelope.content_hash(body), envelope.fingerprint(body))
        };
        let same = |bodies: &[&str]| {
            for body in bodies {
                assert_eq!(hash(body), hash(bodies[0]), "{body}");
            }
        };
        same(&[
            r#"{"a":1,"b":"secrets"}"#,
            r#"{"a":1,"b":"secrets","secrets":{"K":"v"}}"#,
            r#"{"secrets":{},"a":1,"b":"secrets"}"#,
            r#"{"a":1,"authentication":{"runtime_token":"t"},"secret_status":{},"b":"secrets","api":null}"#,
            "{ \"api\" : {\"base_url\":\"u\"} , \"a\":1,\"b\":\"secrets\"}",
            r#"{"a":1,"secr\u0065ts":[","],"b":"secrets"}"#,
        ]);
        same(&["{}", r#"{"api":1}"#, r#"{ "api": 1 , "secrets":{} }"#]);
        let different = [
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"a":1,"data":{"secrets":{"K":"v"}}}"#,
            r#"{"a":1,"data":{}}"#,
            "{}",
            r#"{"a":[1,2]}"#,
            r#"{"a":[12]}"#,
        ];
        let hashes: BTreeMap<_, _> = different.iter().map(|body| (hash(body), *body)).collect();
        assert_eq!(hashes.len(), different.len(), "{hashes:?}");
    }

    #[test]
    fn the_time_of_the_event_is_no_age() {
        let has = |body: &str| Envelope::read(body).unwrap().has_event_time(body);
        for name in ["timestamp", "occurred_at", "occurredAt", "received_at", "receivedAt"] {
            assert!(has(&json!({ name: 1 }).to_string()), "{name}");
            assert!(!has(&json!({ name: null }).to_string()), "{name}");
        }
        for name in ["created_at", "createdAt", "time"] {
            assert!(!has(&json!({ name: 1 }).to_string()), "{name}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_has_no_envelope() {
        for body in ["", "[1]", "{", "{}{}", "{\"a\":1", "null", "tru", "{\"a\":}", "{\"a\":1}x"] {
            assert!(Envelope::read(body).is_err(), "{body}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let key = prop_oneof!["id", "type", "event", "timestamp", ".{0,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_tee_changes_no_value(value in json()) {
            let body = json!({ "id": 1, "data": value.clone(), "event": value }).to_string();
            let (decoded, envelope) = decode::<Value>(&body);
            prop_assert_eq!(decoded.unwrap(), serde_json::from_str::<Value>(&body).unwrap());
            prop_assert_eq!(envelope.unwrap(), Envelope::read(&body).unwrap());
        }

        #[test]
        fn no_text_panics(body in ".{0,200}") {
            let (decoded, envelope) = decode::<Value>(&body);
            prop_assert_eq!(decoded.is_ok(), serde_json::from_str::<Value>(&body).is_ok());
            let object = body.trim_start().starts_with('{');
            prop_assert!(envelope.is_err() || object);
        }
    }
}
