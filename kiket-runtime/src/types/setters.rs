//! A macro for the setters of builders and messages.

/// Setters inside of an `impl`: `name(argument: Type) => |this| …`, each with its documentation. `(crate) name(…)` is one that
/// only the crate sees.
#[cfg_attr(feature = "internals", doc(hidden), macro_export)] // for the test kit
macro_rules! setters {
    ($($(#[$doc:meta])* $(($scope:tt))? $name:ident($($argument:ident: $type:ty),+) => |$this:ident| $set:expr;)*) => {
        $(
            $(#[$doc])*
            pub $(($scope))? fn $name(mut self, $($argument: $type),+) -> Self {
                let $this = &mut self;
                $set;
                self
            }
        )*
    };
}

pub(crate) use setters;
