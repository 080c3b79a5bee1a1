//! The inbox in SQLite: in memory, in a file, and in a file that several processes share.

use std::sync::Arc;

use kiket::inbox::{Inbox, InboxLimits, inbox_from_url};
use stores::TestedInbox;

use crate::{check_inbox_model, namespace};

fn open(url: &str) -> Arc<dyn Inbox> {
    let mut options = InboxLimits::default();
    options.is_ephemeral = true;
    inbox_from_url(url, options).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn it_follows_the_model() {
    let runtime = runtime();
    let inbox = open("sqlite::memory:");
    check_inbox_model(&runtime, 400, &|| {
        let inbox = Arc::clone(&inbox);
        // What is in memory cannot be opened anew.
        TestedInbox { open: Box::new(move || Arc::clone(&inbox)), space: namespace() }
    });
}

#[test]
fn a_file_follows_the_model_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("inbox.db").display());
    let runtime = runtime();
    check_inbox_model(&runtime, 20, &|| {
        let url = url.clone();
        TestedInbox { open: Box::new(move || open(&url)), space: namespace() }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms() {
    kiket::testing::inbox_conformance(open("sqlite::memory:")).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("inbox.db").display());
    kiket::testing::inbox_conformance(open(&url)).await;
}
