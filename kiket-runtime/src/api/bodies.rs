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
        pub struct $body:ident $(= $one:literal, $many:literal)? { $($fields:tt)* }
    )*) => {
        $(
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
            $(#[$attribute])*
            #[non_exhaustive]
            pub struct $body {
                $($fields)*
                /// The fields that this version does not know.
                #[serde(flatten, deserialize_with = "crate::types::unknown_members")]
                pub extra: serde_json::Map<String, serde_json::Value>,
            }
            $($crate::client::resources! { $body: $one, $many; })?
        )*
    };
}

pub(super) use bodies;
