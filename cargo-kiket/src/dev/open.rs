//! Opens a page in the browser.

use std::{
    io,
    process::{Command, Stdio},
    thread,
};

/// Opens an address, with the program that the system has for it. `BROWSER` names another one.
pub(super) fn open(address: &str) -> io::Result<()> {
    let program = std::env::var_os("BROWSER").filter(|browser| !browser.is_empty());
    let program = program.unwrap_or_else(|| {
        let usual = if cfg!(target_os = "macos") {
            "open"
        } else if cfg!(windows) {
            "explorer"
        } else {
            "xdg-open"
        };
        usual.into()
    });
    let mut command = Command::new(program);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn()?;
    // So that it does not stay as a dead process.
    thread::spawn(move || running.wait());
    Ok(())
}
