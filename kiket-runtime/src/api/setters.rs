//! A macro for the setters of parameters and bodies.

/// Setters. Each takes a value or an `Option` of it; `None` unsets the field.
///
/// ```text
/// setters! {
///     SlaFilter:
///     /// Only events of this issue.
///     issue(into Id) => issue_id;             anything that converts into an `Id`, or an `Option` of it
///     /// At most this many events.
///     limit(u32) => limit;                    a `u32` or an `Option` of it
///     /// Further data.
///     metadata(plain Value) => metadata;      anything that converts into a `Value`
///     /// The subject.
///     subject(into String) => "subject";      a field that the struct's own `set` writes
/// }
/// ```
macro_rules! setters {
    ($of:ident: $($(#[$doc:meta])* $name:ident($($value:tt)+) => $field:tt;)*) => {
        impl $of {
            $($crate::api::setters::setter! { $(#[$doc])* $name($($value)+) => $field })*
        }
    };
}

/// A filter: the optional parameters of a list, sent in this order, and their setters.
///
/// ```text
/// filter! {
///     /// Query parameters for listing SLA events. Matches everything by default.
///     SlaFilter:
///     /// Only events of this issue.
///     issue(into Id) => issue_id: Id;         a setter as above, and the type of its field
/// }
/// ```
macro_rules! filter {
    (
        $(#[$about:meta])* $filter:ident:
        $($(#[$doc:meta])* $name:ident($($value:tt)+) => $field:ident: $type:ty;)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
        pub struct $filter {
            $($field: Option<$type>,)*
        }

        $crate::api::setters::setters! { $filter: $($(#[$doc])* $name($($value)+) => $field;)* }
    };
}

macro_rules! setter {
    ($(#[$doc:meta])* $name:ident(into $type:ty) => $field:literal) => {
        $(#[$doc])*
        pub fn $name<K>(self, $name: impl $crate::types::IntoOption<$type, K>) -> Self {
            self.set($field, $name.into_option())
        }
    };
    ($(#[$doc:meta])* $name:ident(into $type:ty) => $field:ident) => {
        $(#[$doc])*
        pub fn $name<K>(mut self, $name: impl $crate::types::IntoOption<$type, K>) -> Self {
            self.$field = $name.into_option();
            self
        }
    };
    ($(#[$doc:meta])* $name:ident(plain $type:ty) => $field:ident) => {
        $(#[$doc])*
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.$field = $name.into();
            self
        }
    };
    ($(#[$doc:meta])* $name:ident($type:ty) => $field:ident) => {
        $(#[$doc])*
        pub fn $name(mut self, $name: impl Into<Option<$type>>) -> Self {
            self.$field = $name.into();
            self
        }
    };
}

pub(super) use {filter, setter, setters};
