//! What the operating system does with processes: groups, signals, and waiting for an end.

use std::process::Command;

/// In a process group of its own: Ctrl-C is for `dev`, which ends what it started.
pub(super) fn group(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// Waits for the end of a process, whose id stays its own.
#[cfg(unix)]
pub(super) fn wait_unreaped(id: u32) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let Some(id) = pid(id) else { return };
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
}

#[cfg(not(unix))]
pub(super) fn wait_unreaped(_: u32) {}

#[cfg(unix)]
fn pid(id: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(id).ok()?)
}

/// Asks a process to end, or ends it.
#[cfg(unix)]
pub(super) fn signal(id: u32, kill: bool) {
    use rustix::process::{Signal, kill_process};
    if let Some(id) = pid(id) {
        let _ = kill_process(id, if kill { Signal::KILL } else { Signal::TERM });
    }
}

/// Ends a group of processes.
#[cfg(unix)]
pub(super) fn end_group(id: u32) {
    if let Some(id) = pid(id) {
        let _ = rustix::process::kill_process_group(id, rustix::process::Signal::TERM);
    }
}

/// Windows has no signal that asks a process to end.
#[cfg(not(unix))]
pub(super) fn signal(id: u32, _: bool) {
    end_group(id);
}

#[cfg(not(unix))]
pub(super) fn end_group(id: u32) {
    let _ = Command::new("taskkill").args(["/T", "/F", "/PID", &id.to_string()]).output();
}
