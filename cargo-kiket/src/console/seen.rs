//! What the proxy, the fake platform and the child process show to the store.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kiket_runtime::Headers;
use serde::{Deserialize, Serialize};

/// The number of a delivery in the console. It is not the id in the body, which another attempt may have, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub(crate) u64);

/// A request that arrived at the proxy.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When it arrived.
    pub at: SystemTime,
    /// The method, like `POST`.
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    /// The headers, as they were sent.
    pub headers: Headers,
    /// The body, as it was sent.
    pub body: Bytes,
    /// Whether that is all of the body: it may be too large to be kept, or its sender may have left.
    pub is_whole: bool,
    /// Where it comes from.
    pub from: Origin,
}

/// Where a delivery comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A program on this machine, like `cargo kiket send` or `curl`.
    Machine,
    /// Another machine, through a tunnel.
    Outside,
    /// The fake platform or a seed of `dev`.
    Platform,
    /// The console: a form, or the replay of another delivery.
    Console {
        /// The delivery that it replays.
        of: Option<DeliveryId>,
    },
}

/// How a delivery ended.
#[derive(Debug, Clone)]
pub struct ResponseSeen {
    /// From the end of the request to the end of the response.
    pub took: Duration,
    /// What came.
    pub end: End,
}

/// What came of a delivery.
#[derive(Debug, Clone)]
pub enum End {
    /// A response.
    Response {
        /// The status.
        status: u16,
        /// The headers.
        headers: Headers,
        /// The body.
        body: Bytes,
        /// Whether the proxy responded in place of the extension, which did not run.
        by_proxy: bool,
    },
    /// No response, with the reason as a sentence.
    Nothing {
        /// Why: lower case, no full stop.
        why: String,
        /// Whether the sender left, in place of the extension.
        sender_left: bool,
    },
}

/// A build of the extension that ended, with success or without.
#[derive(Debug, Clone)]
pub struct Build {
    /// Whether it succeeded; if not, the process before goes on.
    pub ok: bool,
    /// How long it took.
    pub took: Duration,
    /// What the compiler said of errors; empty if there is none.
    pub output: String,
}

/// Something to show between the deliveries.
#[derive(Debug, Clone)]
pub struct Notice {
    /// How bad it is.
    pub level: Level,
    /// One sentence.
    pub text: String,
}

/// How bad a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For information.
    Info,
    /// To look at.
    Warning,
    /// To mend.
    Error,
}

/// The state of the extension, for the head of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its id and version, like `com.example.marketing 1.0.0`.
    pub extension: Option<String>,
    /// What it does.
    pub state: State,
    /// The address that deliveries are sent to.
    pub url: Option<String>,
    /// The address of the fake platform.
    pub platform: Option<String>,
}

/// What the extension does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The first build, or the start, is under way: requests wait.
    #[default]
    Starting,
    /// It serves.
    Running,
    /// It serves, and a new build is under way.
    Building,
    /// It serves as it was: the last build failed.
    Failed,
    /// It does not serve.
    Stopped,
}
