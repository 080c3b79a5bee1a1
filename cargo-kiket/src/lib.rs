//! `cargo kiket`: the developer tool of extensions. Each command is a module of its own. Nothing here is stable: use the program.

mod background;
mod check;
mod command;
mod completions;
#[doc(hidden)]
pub mod console;
mod dev;
mod diagnosis;
mod doctor;
mod environment;
mod exit;
mod explain;
mod extension;
mod handlers;
mod http;
mod inbox;
mod input;
mod known;
mod man;
mod new;
mod probe;
mod replay;
mod secret;
mod send;
mod shell;
mod sign;
mod time;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{command::Tool, shell::Shell};

/// The program.
#[doc(hidden)]
pub fn main() -> ExitCode {
    let tool = match Tool::try_parse_from(command::arguments(std::env::args_os())) {
        Ok(tool) => tool,
        Err(refused) => return exit::refused(&refused),
    };
    let shell = Shell::new(tool.json);
    match tool.command.run(&shell) {
        Ok(exit) => exit.into(),
        Err(error) => shell.fail(&error).into(),
    }
}
