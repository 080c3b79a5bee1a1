//! `man`: the manual page, with all commands.

use clap_mangen::Man;

use crate::{
    exit::{Error, Exit, Result},
    shell::Shell,
};

/// Prints the manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket man > ~/.local/share/man/man1/cargo-kiket.1
  cargo kiket man send | man -l -")]
pub(crate) struct Args {
    /// The command whose page to print; without one, that of the tool
    command: Option<String>,
}

pub(crate) fn run(args: &Args, mut tool: clap::Command, shell: &Shell) -> Result<Exit> {
    tool.build();
    let page = match &args.command {
        None => Man::new(tool),
        Some(name) => {
            let command = tool.find_subcommand(name).cloned().ok_or_else(|| unknown(name, &tool))?;
            Man::new(command).title(format!("cargo-kiket-{name}"))
        }
    };
    let mut text = Vec::new();
    page.render(&mut text)?;
    shell.raw(&text);
    Ok(Exit::Done)
}

fn unknown(name: &str, tool: &clap::Command) -> Error {
    let names: Vec<_> = tool.get_subcommands().map(clap::Command::get_name).collect();
    Error::new(Exit::Usage, format!("there is no command `{name}`"))
        .help(format!("the commands are `{}`", names.join("`, `")))
}
