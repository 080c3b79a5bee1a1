//! `handlers`: the handlers of the extension, as a table.

use std::fmt;

use serde::Deserialize;

use crate::{
    exit::{Error, Exit, Result},
    extension::Target,
    shell::Shell,
};

/// Lists the handlers of the extension
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket handlers
  cargo kiket handlers --package crm --json

Handlers that a `setup` adds with the builder are not listed: it is not run.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
}

/// What the program answers.
#[derive(Debug, Deserialize)]
struct Answer {
    setup: bool,
    handlers: Vec<Handler>,
}

#[derive(Debug, Deserialize)]
struct Handler {
    event: String,
    version: String,
    function: String,
    file: String,
    line: u32,
    timeout_ms: u64,
    scopes: Vec<String>,
    #[serde(default)]
    deferred: bool,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let (status, value) = args.target.build()?.ask("handlers")?;
    let answer = Answer::deserialize(&value)
        .map_err(|error| Error::new(Exit::Build, format!("the program answers something else: {error}")))?;
    if answer.setup && !shell.is_json() {
        shell.note("handlers that `setup` adds are not listed");
    }
    shell.result(&value, Table(&answer.handlers));
    Ok(if status == Some(0) { Exit::Done } else { Exit::Problems })
}

/// The handlers in columns, as wide as they need to be.
struct Table<'a>(&'a [Handler]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["event", "version", "function", "place", "timeout", "scopes", "runs"].map(str::to_owned);
        let rows = self.0.iter().map(|handler| {
            let scopes = if handler.scopes.is_empty() { "-".to_owned() } else { handler.scopes.join(" ") };
            [
                handler.event.clone(),
                handler.version.clone(),
                handler.function.clone(),
                format!("{}:{}", handler.file, handler.line),
                format!("{:?}", std::time::Duration::from_millis(handler.timeout_ms)),
                scopes,
                if handler.deferred { "deferred" } else { "at once" }.to_owned(),
            ]
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        for (number, row) in rows.iter().enumerate() {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let width = rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
                format!("{cell:width$}")
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            write!(f, "{}{}", if number == 0 { "" } else { "\n" }, line.trim_end())?;
        }
        Ok(())
    }
}
