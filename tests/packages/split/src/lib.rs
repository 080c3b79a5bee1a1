//! The handlers of an extension, in modules of a library.
//!
//! The program beside it, `src/main.rs`, names this crate: a library that is not named is not linked.

mod comments;
pub mod issues;
pub mod work;

use std::{env, time::Duration};

use kiket::prelude::*;

/// What the handlers share, and how long they may take after SIGTERM.
///
/// # Errors
///
/// When `SPLIT_GRACE_MS` is not a number.
#[allow(clippy::unused_async)] // a pool or a file would be awaited here
pub async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let builder = builder.state(comments::Count::default());
    match env::var("SPLIT_GRACE_MS") {
        Ok(grace) => Ok(builder.grace_period(Duration::from_millis(grace.parse()?))),
        Err(_) => Ok(builder),
    }
}
