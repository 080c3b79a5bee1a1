//! The cause of a refused signature or token, for the test kit: no response has it.

use std::{cell::RefCell, fmt::Display};

tokio::task_local! {
    static CAUSE: RefCell<Option<String>>;
}

/// Awaits `responding`; beside its output is the cause for which it refused a delivery, as `code: text`.
#[cfg(feature = "internals")]
pub(crate) async fn observed<F: Future>(responding: F) -> (F::Output, Option<String>) {
    let observed = async {
        let output = responding.await;
        (output, CAUSE.with(RefCell::take))
    };
    CAUSE.scope(RefCell::default(), observed).await
}

/// Notes a cause, where a test observes.
pub(crate) fn note(code: &str, cause: &impl Display) {
    let _ = CAUSE.try_with(|noted| noted.replace(Some(format!("{code}: {cause}"))));
}
