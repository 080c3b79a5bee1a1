//! Catches panics of user code.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`. If it panics, the error is the message of the panic.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "a panic without a text".to_owned())
    })
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
}
