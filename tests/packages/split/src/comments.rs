//! Handlers in a private module: what is registered does not have to be reachable by name.

use std::sync::atomic::{AtomicU64, Ordering};

use kiket::prelude::*;
use serde_json::json;

/// How many comments there were since the start.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

#[kiket::webhook("comment.created", version = "v1")]
async fn on_comment_created(count: State<Count>) -> Reply {
    Reply::json(json!({ "comments": count.0.0.fetch_add(1, Ordering::Relaxed) + 1 }))
}
