//! A macro for conversions.

/// Implementations of `From`, each with what it makes of the value.
///
/// ```text
/// conversions! {
///     impl From<&str> for Secret = |text| Self::new(text);
/// }
/// ```
macro_rules! conversions {
    ($(
        $(#[$doc:meta])*
        impl $(<$lifetime:lifetime>)? From<$from:ty> for $to:ty = |$value:ident| $make:expr;
    )*) => {
        $(
            $(#[$doc])*
            impl $(<$lifetime>)? From<$from> for $to {
                fn from($value: $from) -> Self {
                    $make
                }
            }
        )*
    };
}

pub(crate) use conversions;
