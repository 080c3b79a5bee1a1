//! Arguments that may be absent.

/// An argument that may be absent: anything that converts into a `T`, or an `Option` of that.
///
/// Setters take it, so that you need not unwrap an `Option`:
///
/// ```
/// use kiket_runtime::api::InboundEmail;
///
/// let subject: Option<String> = None;
/// let email = InboundEmail::new("ada@example.com", "support@example.com").subject(subject).text_body("Hello");
/// # let _ = email;
/// ```
///
/// `impl Into<Option<String>>` would not take a `&str`: std converts a value into an `Option` of its own type alone. `Kind`, which is
/// inferred, keeps the two implementations apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a `{T}` nor an `Option` of one",
    label = "does not convert into `{T}`"
)]
pub trait IntoOption<T, Kind> {
    /// The value, if there is one.
    fn into_option(self) -> Option<T>;
}

/// The `Kind` of a value.
#[derive(Debug)]
pub enum Present {}

/// The `Kind` of an `Option`.
#[derive(Debug)]
pub enum Optional {}

impl<T, U: Into<T>> IntoOption<T, Present> for U {
    fn into_option(self) -> Option<T> {
        Some(self.into())
    }
}

impl<T, U: Into<T>> IntoOption<T, Optional> for Option<U> {
    fn into_option(self) -> Option<T> {
        self.map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Id, Timestamp};

    #[test]
    fn values_and_options_are_taken() {
        fn text<K>(value: impl IntoOption<String, K>) -> Option<String> {
            value.into_option()
        }
        fn id<K>(value: impl IntoOption<Id, K>) -> Option<Id> {
            value.into_option()
        }
        fn time<K>(value: impl IntoOption<Timestamp, K>) -> Option<Timestamp> {
            value.into_option()
        }
        let (owned, absent) = ("a".to_owned(), None::<String>);
        assert_eq!((text("a"), text(Some("a")), text(&owned), text(absent)), {
            let a = || Some("a".to_owned());
            (a(), a(), a(), None)
        });
        assert_eq!((id(7), id(Some("7")), id(None::<u64>)), (Some(7.into()), Some(7.into()), None));
        let seven = Id::from(7);
        assert_eq!((id(&seven), id(Some(&seven))), (Some(7.into()), Some(7.into())));
        assert_eq!(time(std::time::UNIX_EPOCH), time(Some("1970-01-01T00:00:00Z")));
    }
}
