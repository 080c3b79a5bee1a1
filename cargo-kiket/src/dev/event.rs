//! What happens while `dev` runs, for the supervisor, which alone decides.

use std::{net::SocketAddr, path::PathBuf, process::ExitStatus, time::Duration};

use kiket_runtime::Secret;
use tokio::sync::mpsc::Sender;

use super::delivered::Delivered;
use crate::{exit::Error, extension::Program};

/// Where events go. Threads that send one wait while the supervisor has many.
pub(super) type Events = Sender<Event>;

/// How many events may wait.
pub(super) const MOST_EVENTS: usize = 1024;

/// The number of a process, from 1.
pub(super) type Number = u64;

#[derive(Debug)]
pub(super) enum Event {
    /// Files changed.
    Changed(Vec<PathBuf>),
    /// A line of cargo and the compiler.
    Compiler(String),
    /// A build ended.
    Built(Built),
    /// A process printed a line.
    Printed { process: Number, line: String, is_error: bool },
    /// A process is ready to serve, or is not within the deadline.
    Ready { process: Number, in_time: bool },
    /// A process ended.
    Exited { process: Number, status: ExitStatus },
    /// The time to start the program again.
    Again,
    /// Requests to a process that was replaced ended, or took too long.
    Drained(Number),
    /// A process that was stopped took too long.
    Overdue(Number),
    /// A delivery ended.
    Delivered(Delivered),
    /// The extension called the fake platform.
    Called { method: String, path: String, status: Option<u16> },
    /// A delivery was recorded as a file.
    Recorded(PathBuf),
    /// Something to say that is no error of the extension.
    Note(String),
    /// A key was pressed.
    Key(u8),
    /// The terminal wants the process to stop for a while.
    Suspend,
    /// A signal wants it to end.
    Signal(&'static str),
}

/// What came of a build.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) program: Result<Program, Error>,
    pub(super) took: Duration,
    /// What the compiler said, without colours.
    pub(super) output: String,
}

/// Variables of a process, of which some are secrets.
pub(super) type Variables = Vec<(String, Secret)>;

/// Where a process listens.
pub(super) fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
