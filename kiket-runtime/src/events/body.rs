//! How an event is described, and where the parts of its payload may stand.

use std::{borrow::Cow, mem};

use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::members::{Members, read, snake_case};
use crate::types::Id;

/// A struct for the payload of an event, like those that [`noun!`](super::noun::noun) makes, with what all events tell.
///
/// ```text
/// /// What happened.
/// IssueAssigned = "issue.assigned" {          without a name, extensions name it
///     /// What the field means.
///     issue: own Issue = ["issue_id"];        an `own` field is an argument of `new`
/// }
/// of issue;                                   whose `project_id` counts where the event has none
/// inside issue: transition;                   `transition` may stand inside `issue`
/// names FROM => word transition.from;         members that belong to a part, whether they stand in it or beside it
/// flat issue;                                 whose other members may do the same
/// ```
macro_rules! event {
    (
        $(#[$about:meta])*
        $name:ident $(= $event:literal)? {
            $($(#[$meaning:meta])* $field:ident: $kind:ident $type:ty $(= $aliases:expr)?;)*
        }
        $(of $owner:ident;)?
        $(inside $outer:ident: $inner:ident;)?
        $(names $names:expr => $as:ident $part:ident.$member:ident;)*
        flat $subject:ident;
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$meaning])* pub $field: $crate::events::noun::place!($kind $type),)*
            /// The id of the delivery, as the body has it.
            pub id: Option<$crate::types::Id>,
            /// When it happened, as Kiket writes it (`timestamp`, else `occurred_at`, `createdAt`, `received_at`);
            /// [`Context::occurred_at`](crate::Context::occurred_at) is the time.
            pub occurred_at: Option<String>,
            /// The organisation in which it happened.
            pub organization_id: Option<$crate::types::Id>,
            /// The workspace in which it happened.
            pub workspace_id: Option<$crate::types::Id>,
            /// The project in which it happened.
            pub project: $crate::events::Project,
            /// What Kiket says about the circumstances.
            pub context: serde_json::Map<String, serde_json::Value>,
            /// Whatever else came with it.
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        $crate::events::body::constructor! { $name ($($kind $field $type;)*) -> () }

        impl $name {
            $(
                /// The project in which it happened: the event's, else that of what it happened to.
                pub fn project_id(&self) -> Option<&$crate::types::Id> {
                    self.project.id.as_ref().or(self.$owner.project_id.as_ref())
                }
            )?

            $($crate::events::noun::setter! { $kind $field $type })*
            $crate::events::noun::setter! { opt id $crate::types::Id }
            $crate::events::noun::setter! { opt occurred_at String }
            $crate::events::noun::setter! { opt organization_id $crate::types::Id }
            $crate::events::noun::setter! { opt workspace_id $crate::types::Id }
            $crate::events::noun::setter! { part project $crate::events::Project }
            $crate::events::noun::setter! { map context serde_json::Value }
            $crate::events::noun::setter! { extra }
        }

        $(
            impl $crate::types::Event for $name {
                const NAME: $crate::types::EventName = $crate::types::EventName::from_static($event);
            }
        )?

        impl $crate::events::body::Body for $name {
            $(const NAME: Option<&'static str> = Some($event);)?

            fn id(&mut self) -> &mut Option<$crate::types::Id> {
                &mut self.id
            }

            fn occurred_at(&mut self) -> &mut Option<String> {
                &mut self.occurred_at
            }
        }

        impl $crate::events::members::Members for $name {
            const EXPECTED: &'static str = "the payload of an event, an object";

            fn take<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                use $crate::events::{body::PLUMBING, members::read};

                $(
                    if name == stringify!($outer) {
                        let within = &mut $crate::events::body::Within(&mut self.$outer, stringify!($inner), &mut self.$inner);
                        return read::part(within, map).map(|()| true);
                    }
                )?
                $(
                    if name == stringify!($field) $(|| $aliases.contains(&name))? {
                        return read::$kind(&mut self.$field, map).map(|()| true);
                    }
                )*
                $(
                    if $names.contains(&name) {
                        return read::$as(&mut self.$part.$member, map).map(|()| true);
                    }
                )*
                match name {
                    "organization_id" => read::opt(&mut self.organization_id, map)?,
                    "workspace_id" => read::opt(&mut self.workspace_id, map)?,
                    "project" | "project_id" => read::part(&mut self.project, map)?,
                    "project_key" => read::opt(&mut self.project.key, map)?,
                    "context" => read::map(&mut self.context, map)?,
                    _ if PLUMBING.contains(&name) => read::nothing(map)?,
                    _ => return self.$subject.take(name, map),
                }
                Ok(true)
            }

            fn extra(&mut self) -> &mut serde_json::Map<String, serde_json::Value> {
                &mut self.extra
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::events::members::whole(deserializer).map(|top: $crate::events::body::Top<Self>| top.event)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                use $crate::events::{body::Body, noun::write};

                let mut map = serializer.serialize_map(None)?;
                if let Some(name) = <Self as Body>::NAME && !self.extra.contains_key("event") {
                    map.serialize_entry("event", name)?;
                }
                write! { opt map self.id, "id" }
                write! { opt map self.occurred_at, "timestamp" }
                write! { opt map self.organization_id, "organization_id" }
                write! { opt map self.workspace_id, "workspace_id" }
                write! { part map self.project, "project" }
                $(write! { $kind map self.$field, stringify!($field) })*
                write! { map map self.context, "context" }
                for (name, value) in &self.extra {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    };
}

/// The constructor of an event: its `own` fields, in their order.
macro_rules! constructor {
    ($name:ident (own $field:ident $type:ty; $($rest:tt)*) -> ($($found:tt)*)) => {
        $crate::events::body::constructor! { $name ($($rest)*) -> ($($found)* $field: $type,) }
    };
    ($name:ident ($kind:ident $field:ident $type:ty; $($rest:tt)*) -> ($($found:tt)*)) => {
        $crate::events::body::constructor! { $name ($($rest)*) -> ($($found)*) }
    };
    ($name:ident () -> ($($field:ident: $type:ty,)*)) => {
        impl $name {
            /// The payload as Kiket would send it, for tests; the rest is set by the methods that are called like
            /// its fields.
            #[must_use]
            pub fn new($($field: impl Into<$type>),*) -> Self {
                Self { $($field: $field.into(),)* ..Self::default() }
            }
        }
    };
}

pub(super) use {constructor, event};

/// The payload of an event.
pub(super) trait Body: Members + Default {
    /// The event's name, if it has one.
    const NAME: Option<&'static str> = None;

    fn id(&mut self) -> &mut Option<Id>;

    fn occurred_at(&mut self) -> &mut Option<String>;
}

/// What the framework reads for itself: it is in the `Context`, and what of it is secret must not be printed.
pub(super) const PLUMBING: [&str; 4] = ["authentication", "secrets", "secret_status", "api"];

/// The names of the time, the first that is there counts; contract 1.5. `created_at` is not among them: that is when the
/// issue was created, where its members stand at the top.
const TIMES: [&str; 4] = ["timestamp", "occurred_at", CREATED_AT, "received_at"];
const CREATED_AT: &str = "createdAt";

/// What else means something at the top of a payload alone.
const TOP: [&str; 5] = ["id", "data", "event", "type", "event_type"];

/// The whole of a payload, where the delivery is told of beside the data.
pub(super) struct Top<E> {
    pub(super) event: E,
    /// Which of [`TIMES`] was read.
    time: usize,
}

impl<E: Body> Default for Top<E> {
    fn default() -> Self {
        Self { event: E::default(), time: TIMES.len() }
    }
}

impl<E: Body> Top<E> {
    /// Keeps the better time where it belongs, and the other one too.
    fn note(&mut self, time: usize, text: String) {
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

impl<E: Body> Members for Top<E> {
    const EXPECTED: &'static str = E::EXPECTED;

    fn name(key: &str) -> Cow<'_, str> {
        if key == CREATED_AT { key.into() } else { snake_case(key) }
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if let Some(time) = TIMES.iter().position(|known| *known == name) {
            let mut text = None;
            read::word(&mut text, map)?;
            if let Some(text) = text {
                self.note(time, text);
            }
            return Ok(true);
        }
        match name {
            "id" => read::opt(self.event.id(), map)?,
            "data" => read::part(&mut Below(&mut self.event), map)?,
            "event" | "type" | "event_type" => {
                let value: Value = map.next_value()?;
                if value.as_str().is_none() || value.as_str() != E::NAME {
                    self.event.extra().insert(name.to_owned(), value);
                }
            }
            _ => return self.event.take(name, map),
        }
        Ok(true)
    }

    fn extra(&mut self) -> &mut Map<String, Value> {
        self.event.extra()
    }
}

/// What stands below `data`, where nothing is told of the delivery.
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
pub(super) struct Within<'e, Outer, Inner>(
    pub(super) &'e mut Outer,
    pub(super) &'static str,
    pub(super) &'e mut Inner,
);

impl<Outer: Members, Inner: Members> Members for Within<'_, Outer, Inner> {
    const EXPECTED: &'static str = Outer::EXPECTED;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if name == self.1 { read::part(self.2, map).map(|()| true) } else { self.0.take(name, map) }
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.0.take_plain(plain)
    }

    fn extra(&mut self) -> &mut Map<String, Value> {
        self.0.extra()
    }
}
