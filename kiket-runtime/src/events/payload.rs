//! The payloads of events: models with the name, the delivery's id and the time of the event.

use std::{borrow::Cow, iter, marker::PhantomData, mem};

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, value::MapDeserializer},
    ser::SerializeMap,
};

use crate::{
    model::{
        extra::{Extra, Json, keep},
        fields::{Read, Typed, read},
        members::{Members, snake_case, whole},
    },
    types::{EventName, Id, Timestamp},
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
    /// The members of `data` and `payload` that would have another meaning at the top, where unknown members are written.
    below: Extra,
}

impl<E: EventPayload> Default for Top<E> {
    fn default() -> Self {
        Self { event: E::default(), time: TIMES.len(), below: Extra::default() }
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
            self.event.keep((*name).into(), Json::of(&text));
        }
    }

    /// Gives a member to the event that does not name it: a `type` without a dot is data (wire contract, event-in-body).
    fn take_json<R: serde::de::Error>(&mut self, name: &str, json: &Json<'_>) -> Result<bool, R> {
        let Some(value) = json.value() else { return Ok(false) };
        let mut member = MapDeserializer::<_, serde_json::Error>::new(iter::once((name, value)));
        let taken = member.next_key::<IgnoredAny>().and_then(|_| self.event.take(name, &mut member));
        taken.map_err(R::custom)
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
            "data" | "payload" => {
                let Self { event, below, .. } = self;
                read::<Typed, _, _>(&mut Below { event, below }, map)
            }
            "event" | "type" | "event_type" => {
                let json: Json<'_> = map.next_value()?;
                let text = json.text();
                let is = |known| text.as_deref() == Some(known);
                let is_name = |text: &Cow<'_, str>| text.contains('.') && EventName::is_valid(text);
                if !E::NAME.is_some_and(is)
                    && (name == "event"
                        || text.as_ref().is_some_and(is_name)
                        || !self.take_json(name, &json)?)
                {
                    self.event.keep(name.into(), json);
                }
                Ok(true)
            }
            _ => self.event.take(name, map),
        }
    }

    fn keep(&mut self, name: Cow<'_, str>, json: Json<'_>) {
        self.event.keep(name, json);
    }
}

/// The members below `data` or `payload`, none of which describes the delivery.
struct Below<'e, E> {
    event: &'e mut E,
    below: &'e mut Extra,
}

impl<E: Members> Members for Below<'_, E> {
    const EXPECTED: &'static str = "the data of an event, an object";

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let taken = self.event.take(name, map)?;
        if !taken && (TIMES.contains(&name) || TOP.contains(&name) || name == "created_at") {
            keep(self.below, name.into(), map.next_value()?);
            return Ok(true);
        }
        Ok(taken)
    }

    fn keep(&mut self, name: Cow<'_, str>, json: Json<'_>) {
        self.event.keep(name, json);
    }
}

/// A model inside of which another field may be, under its names.
#[derive(Debug)]
pub struct Within<'e, Outer, Inner, Way>(
    pub &'e mut Outer,
    pub fn(&str) -> bool,
    pub &'e mut Inner,
    pub PhantomData<Way>,
);

impl<Outer: Members, Inner: Read<Way>, Way> Members for Within<'_, Outer, Inner, Way> {
    const EXPECTED: &'static str = Outer::EXPECTED;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if self.1(name) { read(self.2, map) } else { self.0.take(name, map) }
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.0.take_plain(plain)
    }

    fn keep(&mut self, name: Cow<'_, str>, json: Json<'_>) {
        self.0.keep(name, json);
    }
}

/// Reads a whole payload, for `Deserialize`.
///
/// # Errors
///
/// When it is not an object, or a member has the wrong type.
pub fn payload<'de, E: EventPayload, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    let Top::<E> { mut event, below, .. } = whole(deserializer)?;
    if !below.is_empty() {
        event.keep("data".into(), Json::of(&below));
    }
    event.complete();
    Ok(event)
}

/// Writes the name of the event, unless `extra` has one.
///
/// # Errors
///
/// Those of the serializer.
pub fn write_name<E: EventPayload, S: SerializeMap>(map: &mut S, extra: &Extra) -> Result<(), S::Error> {
    match E::NAME {
        Some(name) if !extra.contains("event") => map.serialize_entry("event", name),
        _ => Ok(()),
    }
}
