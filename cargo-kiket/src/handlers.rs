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
    #[serde(default)]
    schedules: Vec<Schedule>,
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
    attempts: Option<u32>,
    lane: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Schedule {
    name: String,
    pattern: String,
    zone: String,
    function: String,
    file: String,
    line: u32,
    timeout_ms: u64,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let (status, value) = args.target.build()?.ask("handlers")?;
    let answer = Answer::deserialize(&value)
        .map_err(|error| Error::new(Exit::Build, format!("the program answers something else: {error}")))?;
    if answer.setup && !shell.is_json() {
        shell.note("handlers that `setup` adds are not listed");
    }
    let schedules = Some(schedules(&answer.schedules)).filter(|_| !answer.schedules.is_empty());
    let schedules = schedules.map(|table| format!("\n\n{table}")).unwrap_or_default();
    shell.result(&value, format_args!("{}{schedules}", handlers(&answer.handlers)));
    Ok(if status == Some(0) { Exit::Done } else { Exit::Problems })
}

fn handlers(handlers: &[Handler]) -> Table<7> {
    let head = ["event", "version", "function", "place", "timeout", "scopes", "runs"].map(str::to_owned);
    let rows = handlers.iter().map(|handler| {
        let scopes = if handler.scopes.is_empty() { "-".to_owned() } else { handler.scopes.join(" ") };
        let mut runs = if handler.deferred { "later" } else { "at once" }.to_owned();
        runs.extend(handler.attempts.map(|attempts| format!(", {attempts} attempts")));
        runs.extend(handler.lane.as_ref().map(|lane| format!(", lane {lane}")));
        [
            handler.event.clone(),
            handler.version.clone(),
            handler.function.clone(),
            format!("{}:{}", handler.file, handler.line),
            timeout(handler.timeout_ms),
            scopes,
            runs,
        ]
    });
    Table(std::iter::once(head).chain(rows).collect())
}

fn schedules(schedules: &[Schedule]) -> Table<6> {
    let head = ["schedule", "times", "zone", "function", "place", "timeout"].map(str::to_owned);
    let rows = schedules.iter().map(|schedule| {
        [
            schedule.name.clone(),
            schedule.pattern.clone(),
            schedule.zone.clone(),
            schedule.function.clone(),
            format!("{}:{}", schedule.file, schedule.line),
            timeout(schedule.timeout_ms),
        ]
    });
    Table(std::iter::once(head).chain(rows).collect())
}

fn timeout(milliseconds: u64) -> String {
    format!("{:?}", std::time::Duration::from_millis(milliseconds))
}

/// Rows in columns, as wide as they need to be.
struct Table<const COLUMNS: usize>(Vec<[String; COLUMNS]>);

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = &self.0;
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
