//! How a noun is described: its fields, of which kind each is, and what else they are called.

/// A struct of public fields that reads itself tolerantly, writes itself in one shape, and is built field by field.
///
/// ```text
/// /// What it is.
/// Issue, "an issue, an object or its id" {
///     /// What the field means.
///     title: opt String;                      a name, a kind, a type
///     issue_type: word String = ["type"];     what else senders call it
/// }
/// fn take_plain(..) { .. }                    what else `Members` should do
/// ```
macro_rules! noun {
    (
        $(#[$about:meta])*
        $name:ident, $expected:literal {
            $($(#[$meaning:meta])* $field:ident: $kind:ident $type:ty $(= $aliases:expr)?;)*
        }
        $($members:tt)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$meaning])* pub $field: $crate::events::noun::place!($kind $type),)*
            /// Whatever else it came with.
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            $($crate::events::noun::setter! { $kind $field $type })*
            $crate::events::noun::setter! { extra }
        }

        impl $crate::events::members::Members for $name {
            const EXPECTED: &'static str = $expected;

            fn take<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                $(
                    if name == stringify!($field) $(|| $aliases.contains(&name))? {
                        return $crate::events::members::read::$kind(&mut self.$field, map).map(|()| true);
                    }
                )*
                Ok(false)
            }

            fn extra(&mut self) -> &mut serde_json::Map<String, serde_json::Value> {
                &mut self.extra
            }

            $($members)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::events::members::whole(deserializer)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;

                let mut map = serializer.serialize_map(None)?;
                $($crate::events::noun::write! { $kind map self.$field, stringify!($field) })*
                for (name, value) in &self.extra {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    };
}

/// The type of a field of a kind.
///
/// | Kind | Is |
/// |---|---|
/// | `opt` | one value |
/// | `word` | a text that some write as a number, or as an object with a `key` or a `name` |
/// | `words` | several words |
/// | `noun` | a noun, perhaps |
/// | `part` | a noun, perhaps an empty one |
/// | `own` | a part that a new event is made with |
/// | `list` | several values |
/// | `map` | values by name |
/// | `any` | whatever JSON |
macro_rules! place {
    (opt $type:ty) => { Option<$type> };
    (word $type:ty) => { Option<$type> };
    (noun $type:ty) => { Option<$type> };
    (part $type:ty) => { $type };
    (own $type:ty) => { $type };
    (list $type:ty) => { Vec<$type> };
    (words $type:ty) => { Vec<$type> };
    (map $type:ty) => { serde_json::Map<String, $type> };
    (any $type:ty) => { $type };
}

/// Writes a field unless there is nothing in it.
macro_rules! write {
    (list $map:ident $field:expr, $name:expr) => {
        if !$field.is_empty() {
            $map.serialize_entry($name, &$field)?;
        }
    };
    (words $map:ident $field:expr, $name:expr) => {
        $crate::events::noun::write! { list $map $field, $name }
    };
    (map $map:ident $field:expr, $name:expr) => {
        $crate::events::noun::write! { list $map $field, $name }
    };
    (part $map:ident $field:expr, $name:expr) => {
        if $field != Default::default() {
            $map.serialize_entry($name, &$field)?;
        }
    };
    (own $map:ident $field:expr, $name:expr) => {
        $crate::events::noun::write! { part $map $field, $name }
    };
    (any $map:ident $field:expr, $name:expr) => {
        if !$field.is_null() {
            $map.serialize_entry($name, &$field)?;
        }
    };
    ($kind:ident $map:ident $field:expr, $name:expr) => {
        if let Some(value) = &$field {
            $map.serialize_entry($name, value)?;
        }
    };
}

/// The builder's method of a field.
macro_rules! setter {
    (extra) => {
        /// The same with one more member in `extra`.
        #[must_use]
        pub fn extra(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
            self.extra.insert(name.into(), value.into());
            self
        }
    };
    (list $field:ident $type:ty) => {
        #[doc = concat!("The same with these as its `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, $field: impl IntoIterator<Item = impl Into<$type>>) -> Self {
            self.$field = $field.into_iter().map(Into::into).collect();
            self
        }
    };
    (map $field:ident $type:ty) => {
        #[doc = concat!("The same with these in its `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(
            mut self,
            $field: impl IntoIterator<Item = (impl Into<String>, impl Into<$type>)>,
        ) -> Self {
            self.$field.extend($field.into_iter().map(|(name, value)| (name.into(), value.into())));
            self
        }
    };
    (words $field:ident $type:ty) => {
        $crate::events::noun::setter! { list $field $type }
    };
    (any $field:ident $type:ty) => {
        $crate::events::noun::setter! { part $field $type }
    };
    (own $field:ident $type:ty) => {
        $crate::events::noun::setter! { part $field $type }
    };
    (part $field:ident $type:ty) => {
        #[doc = concat!("The same with this as its `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        }
    };
    ($kind:ident $field:ident $type:ty) => {
        #[doc = concat!("The same with this as its `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
}

pub(super) use {noun, place, setter, write};
