//! The common traits of values that are texts with a grammar.

/// Implements the common traits of what is written and read as a text, given `FromStr` and `Display`.
macro_rules! written_traits {
    ($type:ident, $error:ident) => {
        impl TryFrom<&str> for $type {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Implements the common traits of a text with a grammar, given `FromStr` and `as_str`: conversions, comparison with texts,
/// `Serialize` and `Deserialize`.
macro_rules! text_traits {
    ($type:ident, $error:ident) => {
        $crate::types::text::written_traits!($type, $error);

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        $crate::types::text::equals_texts!($type: &str, String);

        impl PartialEq<$type> for str {
            fn eq(&self, other: &$type) -> bool {
                other == self
            }
        }

        impl PartialEq<$type> for &str {
            fn eq(&self, other: &$type) -> bool {
                other == *self
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// Implements `FromStr` and the traits that compare by the text, for a `Cow` that has an `is_valid`.
macro_rules! plain_text {
    ($type:ident, $error:ident) => {
        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                if Self::is_valid(text) { Ok(Self(text.to_owned().into())) } else { Err($error) }
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        /// Values compare and hash like their texts.
        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        $crate::types::text::text_traits!($type, $error);
    };
}

/// Implements the comparison with texts behind a reference, given that with `str`.
macro_rules! equals_texts {
    ($type:ty: $($text:ty),+) => {
        $(
            impl PartialEq<$text> for $type {
                fn eq(&self, other: &$text) -> bool {
                    *self == **other
                }
            }
        )+
    };
}

pub(super) use plain_text;
pub(crate) use {equals_texts, text_traits, written_traits};
