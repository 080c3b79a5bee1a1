//! A macro for the setters of builders.

/// Setters of one field each, inside of an `impl`.
///
/// ```text
/// setters! {
///     /// The port to listen on.
///     port(port: u16) => port = port;
///     /// The workspace token to accept.
///     token(token: impl Into<Secret>) => credentials.token = token.into();
/// }
/// ```
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($value:ident: $type:ty),+) => $($field:ident).+ = $set:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $($value: $type),+) -> Self {
                self.$($field).+ = $set;
                self
            }
        )*
    };
}

pub(crate) use setters;
