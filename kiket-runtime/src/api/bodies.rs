//! A macro for the bodies of calls and responses.

/// Structs that are sent and received, each with an `extra` for the fields that this version does not know.
///
/// ```text
/// bodies! {
///     /// A board of issues in columns.
///     pub struct Board = "board", "boards" {      the names of one and of many in responses, if it is read alone
///         /// The name to show.
///         pub name: String,
///     }
/// }
/// ```
macro_rules! bodies {
    ($(
        $(#[$attribute:meta])*
        pub struct $body:ident $(in $case:literal)? $(= $one:literal, $many:literal)? { $($fields:tt)* }
    )*) => {
        $crate::types::with_extra! {
            "crate::types::unknown_members";
            $(
                #[derive(Debug, Clone, PartialEq)]
                $(#[$attribute])*
                pub struct $body $(in $case)? { $($fields)* }
            )*
        }
        $($($crate::client::resources! { $body: $one, $many; })?)*
    };
}

pub(super) use bodies;
