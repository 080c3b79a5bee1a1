//! What the console asks of `dev`: to send, to save, and what is known of the extension.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use kiket_runtime::Secret;
use kiket_testing::Capture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seen::{DeliveryId, Origin};

/// What the console asks of `dev`. Every method may be called from several threads at once, and may block for a while.
pub trait Control: Send + Sync + 'static {
    /// Sends a signed delivery through the proxy, which shows it to the store with its `origin`. Returns as soon as it
    /// arrived there.
    ///
    /// # Errors
    ///
    /// Why it was not sent, as a sentence.
    fn send(&self, outgoing: Outgoing) -> Result<DeliveryId, String>;

    /// The live webhook secret, which signs what is sent.
    fn webhook_secret(&self) -> Option<Secret>;

    /// The secret of this name, as `<redacted:NAME>` stands for it.
    fn secret(&self, name: &str) -> Option<Secret>;

    /// A runtime token of the fake platform with these scopes.
    fn runtime_token(&self, scopes: &[String]) -> Option<Secret>;

    /// The handlers of the running build.
    fn handlers(&self) -> Vec<Handler>;

    /// Bodies of the project, like its folder `deliveries`, with the events that they are for.
    fn bodies(&self) -> Vec<(String, Value)> {
        Vec::new()
    }

    /// Saves a capture below this name, which has letters, digits, `-`, `_` and `.` only, and returns the path of the file.
    /// A file that is there is not replaced.
    ///
    /// # Errors
    ///
    /// Why it was not saved, as a sentence.
    fn save(&self, name: &str, capture: &Capture) -> Result<PathBuf, String>;

    /// What is in the extension's inbox; `None` where it has none.
    fn inbox(&self) -> Option<Inbox> {
        None
    }

    /// Moves rows of the inbox on: a dead one waits again with its attempts at zero, one that waits is due now. Without a
    /// number all dead ones are meant. Returns how many were moved.
    ///
    /// # Errors
    ///
    /// Why none was moved, as a sentence.
    fn move_on(&self, row: Option<i64>) -> Result<u64, String> {
        let _ = row;
        Err("this extension has no inbox".to_owned())
    }
}

/// A delivery to send, signed.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // it has secrets
pub struct Outgoing {
    /// Path and query.
    pub target: String,
    /// The headers, those of the signature among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How the store is to show it.
    pub origin: Origin,
}

/// A handler, as `kiket handlers --json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// The event.
    pub event: String,
    /// The version.
    pub version: String,
    /// The path of the function.
    pub function: String,
    /// The file, from the folder of the package.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The timeout in milliseconds.
    pub timeout_ms: u64,
    /// The scopes that it requires.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether a delivery runs once.
    #[serde(default = "yes")]
    pub deduplicated: bool,
    /// Whether it runs after the response.
    #[serde(default)]
    pub deferred: bool,
}

fn yes() -> bool {
    true
}

/// What is in the inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbox {
    /// How many rows there are in each state.
    pub states: Vec<InboxState>,
    /// The last of them.
    pub rows: Vec<InboxRow>,
}

/// The rows of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxState {
    /// The state, like `waiting`, `running` or `dead`.
    pub state: String,
    /// How many rows there are.
    pub rows: u64,
    /// How long ago the oldest was accepted.
    pub oldest: Duration,
}

/// A delivery in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Its number, as `cargo kiket inbox` takes it.
    pub id: i64,
    /// The event of its handler.
    pub event: String,
    /// The id of the delivery, as its body has it.
    pub delivery_id: String,
    /// The state, like `waiting`, `running` or `dead`.
    pub state: String,
    /// When it was accepted.
    pub accepted: SystemTime,
    /// How often its handler ran.
    pub attempts: u32,
    /// When its next attempt is due, of one that waits.
    pub due: Option<SystemTime>,
    /// Why it failed the last time.
    pub error: Option<String>,
}
