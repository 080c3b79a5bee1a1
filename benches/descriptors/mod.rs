//! The limit of open files, which many connections need.

use std::{error::Error, os::unix::process::CommandExt as _, process::Command};

/// Whether so many files may be open, here and in the server; starts this program again where a shell can raise the
/// limit. Says it where this process cannot.
pub(crate) fn may_open(files: usize) -> Result<bool, Box<dyn Error>> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut limits =
        line.unwrap_or_default().split_whitespace().map(|limit| limit.parse().unwrap_or(usize::MAX));
    let (soft, hard) = (limits.next().unwrap_or(0), limits.next().unwrap_or(0));
    if soft >= files {
        return Ok(true);
    }
    if hard < files {
        eprintln!("SKIPPED: {files} files have to be open at once, and the limit (`ulimit -Hn`) is {hard}");
        return Ok(false);
    }
    let raised = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
    let arguments = std::env::args_os().skip(1);
    let this = std::env::current_exe()?;
    Err(Command::new("sh").arg("-c").arg(raised).arg(this).args(arguments).exec().into())
}
