//! The payloads of events: models that also say which event it is, and when it happened.

use std::{borrow::Cow, mem};

use serde::{Deserializer, de::MapAccess, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::{
    model::{
        fields::{Typed, read},
        members::{Members, snake_case, whole},
    },
    types::{Id, Timestamp},
};

/// The payload of an event.
pub trait EventPayload: Members + Default {
    /// The event's name, if it has one.
    const NAME: Option<&'static str> = None;

    /// The id of the delivery.
    fn id(&mut self) -> &mut Option<Id>;

    /// The time of the event.
    fn occurred_at(&mut self) -> &mut Option<Timestamp>;
}

/// What the framework reads for itself: it is in the `Context`, and what of it is secret must not be printed.
pub const ENVELOPE: [&str; 4] = ["authentication", "secrets", "secret_status", "api"];

/// The names of the time, the first that is there counts; contract 1.5. `created_at` is not among them: that is when the
/// issue was created, where its members stand at the top.
const TIMES: [&str; 4] = ["timestamp", "occurred_at", CREATED_AT, "received_at"];
const CREATED_AT: &str = "createdAt";

/// What else means something at the top of a payload alone.
const TOP: [&str; 5] = ["id", "data", "event", "type", "event_type"];

/// The whole of a payload, whose members describe the delivery beside the data.
struct Top<E> {
    event: E,
    /// Which of [`TIMES`] was read.
    time: usize,
}

impl<E: EventPayload> Default for Top<E> {
    fn default() -> Self {
        Self { event: E::default(), time: TIMES.len() }
    }
}

impl<E: EventPayload> Top<E> {
    /// Keeps the better time where it belongs, and the other one too.
    fn note(&mut self, time: usize, text: Timestamp) {
        let worse = if time > self.time {
            Some((time, text))
        } else {
            let before = mem::replace(&mut self.time, time);
            let displaced = self.event.occurred_at().replace(text);
            displaced.filter(|_| before != time).map(|text| (before, text))
        };
        if let Some((time, text)) = worse
            && let Some(name) = TIMES.get(time)
        {
            self.event.extra().insert((*name).to_owned(), text.into());
        }
    }
}

impl<E: EventPayload> Members for Top<E> {
    const EXPECTED: &'static str = E::EXPECTED;

    fn name(key: &str) -> Cow<'_, str> {
        if key == CREATED_AT { key.into() } else { snake_case(key) }
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if let Some(time) = TIMES.iter().position(|known| *known == name) {
            let mut text = None;
            read::<Typed, _, _>(&mut text, map)?;
            if let Some(text) = text {
                self.note(time, text);
            }
            return Ok(true);
        }
        match name {
            "id" => read::<Typed, _, _>(self.event.id(), map),
            "data" => read::<Typed, _, _>(&mut Below(&mut self.event), map),
            "event" | "type" | "event_type" => {
                let value: Value = map.next_value()?;
                if value.as_str().is_none() || value.as_str() != E::NAME {
                    self.event.extra().insert(name.to_owned(), value);
                }
                Ok(true)
            }
            _ => self.event.take(name, map),
        }
    }

    fn extra(&mut self) -> &mut Map<String, Value> {
        self.event.extra()
    }
}

/// What stands below `data`, where no member describes the delivery.
struct Below<'e, E>(&'e mut E);

impl<E: Members> Members for Below<'_, E> {
    const EXPECTED: &'static str = "the data of an event, an object";

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if self.0.take(name, map)? {
            return Ok(true);
        }
        if !TIMES.contains(&name) && !TOP.contains(&name) && name != "created_at" {
            return Ok(false);
        }
        // It would mean something at the top, where what is unknown is written.
        let value = map.next_value()?;
        if let Value::Object(data) = self.0.extra().entry("data").or_insert_with(|| Map::new().into()) {
            data.insert(name.to_owned(), value);
        }
        Ok(true)
    }

    fn extra(&mut self) -> &mut Map<String, Value> {
        self.0.extra()
    }
}

/// A part inside of which another may stand, under its name.
#[derive(Debug)]
pub struct Within<'e, Outer, Inner>(pub &'e mut Outer, pub &'static str, pub &'e mut Inner);

impl<Outer: Members, Inner: Members> Members for Within<'_, Outer, Inner> {
    const EXPECTED: &'static str = Outer::EXPECTED;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if name == self.1 { read::<Typed, _, _>(self.2, map) } else { self.0.take(name, map) }
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.0.take_plain(plain)
    }

    fn extra(&mut self) -> &mut Map<String, Value> {
        self.0.extra()
    }
}

/// A whole payload, for `Deserialize`.
///
/// # Errors
///
/// When it is no object, or a member has the wrong type.
pub fn payload<'de, E: EventPayload, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    whole(deserializer).map(|top: Top<E>| top.event)
}

/// Writes which event it is, unless `extra` says so.
///
/// # Errors
///
/// Those of the serializer.
pub fn write_name<E: EventPayload, S: SerializeMap>(
    map: &mut S,
    extra: &Map<String, Value>,
) -> Result<(), S::Error> {
    match E::NAME {
        Some(name) if !extra.contains_key("event") => map.serialize_entry("event", name),
        _ => Ok(()),
    }
}
