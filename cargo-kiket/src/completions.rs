//! `completions`: completions of commands and options, for a shell.

use clap_complete::Shell as For;

use crate::{
    exit::{Exit, Result},
    shell::Shell,
};

/// Prints completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket completions bash > ~/.local/share/bash-completion/completions/cargo-kiket
  cargo kiket completions zsh > ~/.zfunc/_cargo-kiket

They complete `cargo-kiket …`; the completions of cargo itself do not know the commands of other tools.")]
pub(crate) struct Args {
    /// The shell
    shell: For,
}

#[expect(clippy::unnecessary_wraps, reason = "all commands have this form")]
pub(crate) fn run(args: &Args, mut tool: clap::Command, shell: &Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tool, "cargo-kiket", &mut script);
    shell.raw(&script);
    Ok(Exit::Done)
}
