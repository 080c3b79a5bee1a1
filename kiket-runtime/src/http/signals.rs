//! The signals that begin and end a graceful shutdown: SIGTERM and SIGINT, Ctrl-C and Ctrl-Break on Windows.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal as Terminate, Signal as Interrupt, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlBreak as Terminate, CtrlC as Interrupt, ctrl_break, ctrl_c};

/// The signals that stop a process. While a value exists, their default action, which kills the process, is off.
pub(crate) struct Signals {
    terminate: Terminate,
    interrupt: Interrupt,
}

impl Signals {
    /// Begins to listen.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Begins to listen.
    #[cfg(windows)]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: ctrl_break()?, interrupt: ctrl_c()? })
    }

    /// Waits for the next signal, and names it.
    pub(super) async fn next(&mut self) -> &'static str {
        let [terminate, interrupt] =
            if cfg!(unix) { ["SIGTERM", "SIGINT"] } else { ["Ctrl-Break", "Ctrl-C"] };
        tokio::select! {
            _ = self.terminate.recv() => terminate,
            _ = self.interrupt.recv() => interrupt,
        }
    }
}
