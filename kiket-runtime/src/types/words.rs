//! A macro for closed sets of words, as logs, stores and commands write them.

/// A closed set of words, as an enum with all of them and the common traits of texts. A word is read in any case. `else` is the
/// error for a text that is none of them.
macro_rules! words {
    (
        $(#[$of:meta])*
        pub enum $type:ident else $error:ident $(($text:literal))? {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$doc])* $variant,)*
        }

        impl $type {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let is_it = |word: &&Self| word.as_str().eq_ignore_ascii_case(text.trim());
                Self::ALL.iter().find(is_it).copied().ok_or($error $(($text))?)
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        $crate::types::text::text_traits!($type, $error);
    };
}

pub(crate) use words;
