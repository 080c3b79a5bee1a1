//! Enums of reasons, each with its stable code and its text.

/// An enum of reasons: `/// doc`, `Reason: "stable_code", "text of the error";`.
macro_rules! reasons {
    ($(#[$attribute:meta])* $visibility:vis enum $name:ident {
        $($(#[$doc:meta])* $reason:ident: $code:literal, $text:literal;)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        $visibility enum $name {
            $($(#[$doc])* #[error($text)] $reason,)*
        }

        impl $name {
            /// All reasons, in their order.
            pub(crate) const ALL: [Self; [$($code),*].len()] = [$(Self::$reason),*];

            /// The stable name of the reason, for logs and metrics.
            $visibility fn code(self) -> &'static str {
                match self {
                    $(Self::$reason => $code,)*
                }
            }
        }
    };
}
pub(super) use reasons;
