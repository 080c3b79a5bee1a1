//! The methods of visitors.

/// The methods of a visitor that makes its value from a value of any of these types.
///
/// ```text
/// visits! { number => Id::from(number); visit_u64(u64) visit_i64(i64) }
/// ```
macro_rules! visits {
    ($value:ident => $made:expr; $($visit:ident($type:ty))+) => {
        $(
            fn $visit<E: serde::de::Error>(self, $value: $type) -> Result<Self::Value, E> {
                Ok($made)
            }
        )+
    };
}

pub(crate) use visits;
