//! Catches panics of user code.

use std::{
    any::Any,
    cell::Cell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll},
};

thread_local! {
    /// How many calls of [`caught`] this thread is in.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
    /// The place of the panic that is being caught.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Calls `f`. If it panics, the error is the message of the panic, with its place where a hook [noted](note) it.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    CATCHING.set(CATCHING.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(|panic| match PLACE.take() {
        Some(place) => format!("{} ({place})", message(&*panic)),
        None => message(&*panic).to_owned(),
    })
}

/// Awaits `future`. If it panics, the error is that of [`caught`].
pub(crate) async fn caught_to_end<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    let poll = |context: &mut Context<'_>| match caught(|| future.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(text) => Poll::Ready(Err(text)),
    };
    poll_fn(poll).await
}

/// The message of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref().map(String::as_str));
    text.unwrap_or("a panic without a text")
}

/// Notes the place of a panic for the [`caught`] around it. `false` if there is none.
pub(crate) fn note(place: impl FnOnce() -> String) -> bool {
    let catching = CATCHING.try_with(|catching| catching.get() > 0).unwrap_or_default();
    catching && PLACE.try_with(|noted| noted.set(Some(place()))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_panic_is_the_error() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("early")), Err::<(), _>("early".to_owned()));
        assert_eq!(caught(|| panic!("late {}", 1)), Err::<(), _>("late 1".to_owned()));
        assert_eq!(caught(|| std::panic::panic_any(1)), Err::<(), _>("a panic without a text".to_owned()));
    }

    #[test]
    fn a_noted_place_is_that_of_the_panic_being_caught() {
        let panics = || {
            assert!(note(|| "main.rs:1:2".to_owned()));
            panic!("early");
        };
        assert_eq!(caught(|| caught(panics)), Ok(Err::<(), _>("early (main.rs:1:2)".to_owned())));
        assert_eq!(caught(|| panic!("later")), Err::<(), _>("later".to_owned()));
        assert!(!note(|| unreachable!("nothing catches it")));
    }
}
