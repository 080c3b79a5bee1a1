//! Passes the cause of a refused signature or token to the test kit; no response shows it.

use std::{cell::RefCell, fmt::Display};

tokio::task_local! {
    static CAUSE: RefCell<Option<String>>;
}

/// Awaits `responding`. Returns its output, and the cause for which it refused a delivery, as `code: text`.
#[cfg(feature = "internals")]
pub async fn observed<F: Future>(responding: F) -> (F::Output, Option<String>) {
    let observed = async {
        let output = responding.await;
        (output, CAUSE.with(RefCell::take))
    };
    CAUSE.scope(RefCell::default(), observed).await
}

/// Notes a cause, if a test observes.
pub(crate) fn note(code: &str, cause: &impl Display) {
    let _ = CAUSE.try_with(|noted| noted.replace(Some(format!("{code}: {cause}"))));
}
