//! The payloads of events: models with the name, the delivery's id and the time of the event.

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
    /// The name of the event, if it has one.
    const NAME: Option<&'static str> = None;

    /// The id of the delivery.
    fn id(&mut self) -> &mut Option<Id>;

    /// The time of the event: the first of its names that is present.
    fn occurred_at(&mut self) -> &mut Option<Timestamp>;

    /// Completes the payload once it is read: fields that follow from others.
    fn complete(&mut self) {}
}

/// The names of the time, in order (wire contract, delivery-time). `created_at` is not among them (wire contract,
/// created-at): if the members of an issue are at the top, it is the time of creation.
const TIMES: [&str; 4] = ["timestamp", "occurred_at", CREATED_AT, "received_at"];
const CREATED_AT: &str = "createdAt";

/// The other members that are known only at the top of a payload.
const TOP: [&str; 6] = ["id", "data", "payload", "event", "type", "event_type"];

/// A whole payload, whose members describe the delivery too.
struct Top<E> {
    event: E,
    /// The index of the time in [`TIMES`]; their number if there is none.
    time: usize,
}

impl<E: EventPayload> Default for Top<E> {
    fn default() -> Self {
        Self { event: E::default(), time: TIMES.len() }
    }
}

impl<E: EventPayload> Top<E> {
    /// Keeps the time that comes first in [`TIMES`] as `occurred_at`, and the other one in `extra`.
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
            "data" | "payload" => read::<Typed, _, _>(&mut Below(&mut self.event), map),
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

/// The members below `data` or `payload`, none of which describes the delivery.
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
        // At the top, where unknown members are written, it would have another meaning.
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

/// A model inside of which another one may be, under its name.
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

/// Reads a whole payload, for `Deserialize`.
///
/// # Errors
///
/// When it is not an object, or a member has the wrong type.
pub fn payload<'de, E: EventPayload, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    let mut event = whole(deserializer).map(|top: Top<E>| top.event)?;
    event.complete();
    Ok(event)
}

/// Writes the name of the event, unless `extra` has one.
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
