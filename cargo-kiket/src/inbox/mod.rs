//! `inbox`: looks at what waits in the inbox of an extension, and moves it on.

mod failure;
mod glance;
mod place;
mod print;

use std::time::Duration;

use kiket_runtime::inbox::{Inbox, InboxFilter, InboxRow, Redrive, RowId, RowState};
use serde_json::json;

pub(crate) use self::glance::Glances;
use self::{
    failure::failed,
    place::Place,
    print::{Overview, Row, Rows},
};
use crate::{
    exit::{Error, Exit, Result},
    shell::Shell,
};

/// Looks at the deliveries that wait for `later` handlers, and moves them on
///
/// It opens the inbox itself: the SQLite file or the PostgreSQL of `KIKET_INBOX_URL`. The extension may run meanwhile. What a
/// delivery holds is sealed, and is neither read nor shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket inbox ls
  cargo kiket inbox ls --state dead --event issue.created
  cargo kiket inbox show 4711
  cargo kiket inbox redrive --event issue.created --limit 500 --spread 10m
  cargo kiket inbox pause issue.created
  cargo kiket inbox forget --organisation 42
  cargo kiket inbox schema > inbox.sql

Dead rows and events that nothing works on are the status 1 of `ls`.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Rows by event and state, and the rows that match
    Ls(Filter),
    /// One row: attempts, crashes, last error, when it is due
    Show {
        /// The number of the row
        id: i64,
    },
    /// Makes waiting rows due now, whose next attempt is later
    Retry(Chosen),
    /// Makes dead rows wait again, with their attempts at zero
    Redrive {
        #[command(flatten)]
        chosen: Chosen,
        /// The most rows
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Over how long their attempts are spread: `30s`, `10m`, `2h`
        #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
        spread: Duration,
    },
    /// Removes rows that do not run. Their deliveries are lost
    Drop(Chosen),
    /// Accepts the deliveries of an event, and starts none
    Pause {
        /// The event, like `issue.created`
        event: String,
    },
    /// Starts the deliveries of a paused event again
    Resume {
        /// The event, like `issue.created`
        event: String,
    },
    /// Removes every row of an organisation. Deliveries that named none have their project, as `project:12`
    Forget {
        /// The organisation, as `ls` shows it
        #[arg(long, value_name = "ID")]
        organisation: String,
    },
    /// Prints the SQL that makes the tables, for a user that may not
    Schema,
}

/// The rows to show.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Those of one event
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Those in one state: `behind`, `waiting`, `running`, `done`, `dead`
    #[arg(long, value_name = "STATE")]
    state: Option<RowState>,
    /// Those of one organisation
    #[arg(long, value_name = "ID")]
    organisation: Option<String>,
    /// The most rows
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// The rows to change: one, or those of an event or of an organisation. All of them must be asked for.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Chosen {
    /// The number of a row
    #[arg(conflicts_with_all = ["event", "organisation", "all"])]
    id: Option<i64>,
    /// The rows of one event
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// The rows of one organisation
    #[arg(long, value_name = "ID")]
    organisation: Option<String>,
    /// All rows
    #[arg(long)]
    all: bool,
}

/// A length of time as the attribute writes it.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let found = units.into_iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let milliseconds = found.and_then(|(digits, factor)| digits.parse::<u64>().ok()?.checked_mul(factor));
    let within = milliseconds.filter(|length| *length <= 7 * 24 * 3_600_000);
    within
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a time like `30s`, `10m` or `2h`, a week at most".to_owned())
}

impl Chosen {
    fn filter(&self, space: &str) -> InboxFilter {
        InboxFilter::new(space)
            .id(self.id.map(RowId))
            .event(self.event.clone())
            .organisation(self.organisation.clone())
    }
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    if let Command::Schema = args.command {
        shell.text(args.place.schema()?);
        return Ok(Exit::Done);
    }
    let opened = args.place.open()?;
    opened.run(async |inbox, space| act(&args.command, inbox, space, shell).await)
}

async fn act(command: &Command, inbox: &dyn Inbox, space: &str, shell: &Shell) -> Result<Exit> {
    let changed = |verb: &str, rows: u64| {
        let noun = if rows == 1 { "row" } else { "rows" };
        shell.result(&json!({ "rows": rows }), format_args!("{verb} {rows} {noun}"));
        // A row by its number, which was not there.
        if rows == 0 { Exit::Problems } else { Exit::Done }
    };
    Ok(match command {
        Command::Ls(filter) => {
            let rows = InboxFilter::new(space)
                .event(filter.event.clone())
                .state(filter.state)
                .organisation(filter.organisation.clone())
                .limit(filter.limit);
            let rows = inbox.list(&rows).await.map_err(failed)?;
            let overview = Overview::new(
                inbox.count(space).await.map_err(failed)?,
                &inbox.paused(space).await.map_err(failed)?,
            );
            let has_dead = overview.has_dead();
            shell.result(
                &json!({ "events": overview, "rows": Rows(&rows) }),
                format_args!("{overview}{}", Rows(&rows)),
            );
            if has_dead { Exit::Problems } else { Exit::Done }
        }
        Command::Show { id } => {
            let row = one(inbox, space, *id).await?;
            shell.result(&Row(&row), Row(&row));
            Exit::Done
        }
        Command::Retry(chosen) => {
            changed("made due:", inbox.hurry(&chosen.filter(space), None).await.map_err(failed)?)
        }
        Command::Redrive { chosen, limit, spread } => {
            let filter = chosen.filter(space).limit(*limit);
            let redrive = Redrive::new(filter, *spread);
            changed("redriven:", inbox.redrive(&redrive, None).await.map_err(failed)?)
        }
        Command::Drop(chosen) => {
            changed("dropped:", inbox.drop_rows(&chosen.filter(space), None).await.map_err(failed)?)
        }
        Command::Pause { event } => pause(inbox, space, event, true, shell).await?,
        Command::Resume { event } => pause(inbox, space, event, false, shell).await?,
        Command::Forget { organisation } => {
            let rows = inbox.forget(space, organisation, None).await.map_err(failed)?;
            shell.result(&json!({ "rows": rows }), format_args!("forgotten: {rows} rows of {organisation}"));
            Exit::Done
        }
        Command::Schema => Exit::Done,
    })
}

async fn pause(inbox: &dyn Inbox, space: &str, event: &str, paused: bool, shell: &Shell) -> Result<Exit> {
    let known = inbox.count(space).await.map_err(failed)?;
    inbox.pause(space, event, paused).await.map_err(failed)?;
    if paused && !known.iter().any(|count| count.handler.event == event) {
        shell.note(format_args!("no delivery of `{event}` is in the inbox: is this its name?"));
    }
    let state = if paused { "paused" } else { "resumed" };
    shell.result(&json!({ "event": event, "paused": paused }), format_args!("{state}: {event}"));
    Ok(Exit::Done)
}

async fn one(inbox: &dyn Inbox, space: &str, id: i64) -> Result<InboxRow> {
    let filter = InboxFilter::new(space).id(RowId(id));
    let rows = inbox.list(&filter).await.map_err(failed)?;
    rows.into_iter().next().ok_or_else(|| {
        Error::new(Exit::Problems, format!("there is no row {id}"))
            .help("done rows are removed after a day, dead ones after thirty; `cargo kiket inbox ls` shows what there is")
    })
}
