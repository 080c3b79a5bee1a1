//! What the methods of models take where a value may be absent.

/// A `T`, or an `Option` of one: anything that converts into a `T`, and any `Option` of that.
///
/// ```
/// use kiket_runtime::events::Issue;
///
/// let (title, assignee): (Option<&str>, Option<u64>) = (Some("Acme renewal"), None);
/// let issue = Issue::new(42).title(title).assignee(assignee).status("review");
/// assert_eq!(issue, Issue::new(42).title("Acme renewal").status("review"));
/// ```
///
/// `Given` says which of the two it is, and is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a `{T}` nor an `Option` of one",
    label = "does not convert into `{T}`"
)]
pub trait IntoOption<T, Given> {
    /// The value, if there is one.
    fn into_option(self) -> Option<T>;
}

/// A value was given.
#[derive(Debug)]
pub enum Value {}

/// An `Option` was given.
#[derive(Debug)]
pub enum Maybe {}

impl<T, V: Into<T>> IntoOption<T, Value> for V {
    fn into_option(self) -> Option<T> {
        Some(self.into())
    }
}

impl<T, V: Into<T>> IntoOption<T, Maybe> for Option<V> {
    fn into_option(self) -> Option<T> {
        self.map(Into::into)
    }
}
