//! The command line: the commands, and the options that all of them have.

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{
    check, completions, dev, doctor,
    exit::{Exit, Result},
    explain, handlers, inbox, man, new, probe, replay, send,
    shell::Shell,
    sign, verify,
};

/// The developer tool of Kiket extensions: makes, checks, calls and probes them, offline and without an account
#[derive(Debug, Parser)]
#[command(
    name = "cargo-kiket",
    bin_name = "cargo kiket",
    version,
    disable_help_subcommand = true,
    after_help = "The status of the process:\n\n".to_owned() + crate::exit::TABLE,
)]
pub(crate) struct Tool {
    /// Prints JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One command each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    Dev(dev::Args),
    Send(send::Args),
    Replay(replay::Args),
    Check(check::Args),
    Completions(completions::Args),
    Explain(explain::Args),
    Handlers(handlers::Args),
    Doctor(doctor::Args),
    Inbox(inbox::Args),
    Man(man::Args),
    Probe(probe::Args),
    Sign(sign::Args),
    Verify(verify::Args),
}

impl Command {
    pub(crate) fn run(self, shell: &Shell) -> Result<Exit> {
        match self {
            Self::New(args) => new::run(&args, shell),
            Self::Dev(args) => dev::run(&args, shell),
            Self::Send(args) => send::run(&args, shell),
            Self::Replay(args) => replay::run(&args, shell),
            Self::Check(args) => check::run(&args, shell),
            Self::Completions(args) => completions::run(&args, Tool::command(), shell),
            Self::Explain(args) => explain::run(&args, shell),
            Self::Handlers(args) => handlers::run(&args, shell),
            Self::Doctor(args) => doctor::run(&args, shell),
            Self::Inbox(args) => inbox::run(&args, shell),
            Self::Man(args) => man::run(&args, Tool::command(), shell),
            Self::Probe(args) => probe::run(&args, shell),
            Self::Sign(args) => sign::run(&args, shell),
            Self::Verify(args) => verify::run(&args, shell),
        }
    }
}

/// The arguments without the `kiket` that cargo puts before those of its subcommands.
pub(crate) fn arguments(all: impl IntoIterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    all.into_iter().enumerate().filter(|(at, argument)| *at != 1 || argument != "kiket").map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Tool::command().debug_assert();
    }

    #[test]
    fn only_the_word_that_cargo_adds_is_left_out() {
        #[track_caller]
        fn check(given: &[&str], expected: &[&str]) {
            assert_eq!(
                arguments(given.iter().map(OsString::from)).collect::<Vec<_>>(),
                expected,
                "{given:?}"
            );
        }
        check(&["cargo-kiket", "kiket", "man"], &["cargo-kiket", "man"]);
        check(&["cargo-kiket", "man"], &["cargo-kiket", "man"]);
        check(&["cargo-kiket", "kiket", "new", "kiket"], &["cargo-kiket", "new", "kiket"]);
        check(&["cargo-kiket", "new", "kiket"], &["cargo-kiket", "new", "kiket"]);
        check(&[], &[]);
    }
}
