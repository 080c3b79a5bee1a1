//! A macro for the setters of builders and messages.

/// Setters inside of an `impl`: `name(argument: Type) => |this| …`, each with its documentation.
#[cfg_attr(feature = "internals", doc(hidden), macro_export)] // for the test kit
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),+) => |$this:ident| $set:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $($argument: $type),+) -> Self {
                let $this = &mut self;
                $set;
                self
            }
        )*
    };
}

pub(crate) use setters;
