//! `check`: manifest and handlers compared, as at a start, and mended.

mod captures;
mod fix;
mod report;
mod sarif;
mod text;
mod yaml;

use std::{fmt::Write as _, fs, path::PathBuf};

use clap::ValueEnum;
use kiket_runtime::internals;
use serde_json::{Value, json};

use self::{
    fix::Mended,
    report::{Places, Report, Severity},
};
use crate::{
    exit::{Error, Exit, Result},
    extension::{Program, Target},
    shell::Shell,
};

/// Compares the manifest with the handlers, without secrets and without network
///
/// Captures are searched for the secrets of the environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket check
  cargo kiket check --fix --diff
  cargo kiket check --format sarif > kiket.sarif

The status is 0, 1 if there are errors, and 2 if the tool cannot tell: a `setup`, which is not run, may add the handlers that
are missing. `cargo kiket explain ID` has a page for each id.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// How the result is printed
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Changes the manifest: adds missing hooks and settings, and renames misspelt hooks and keys
    #[arg(long)]
    fix: bool,
    /// Prints the changes, and writes nothing
    #[arg(long, requires = "fix")]
    diff: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let format = args.format.unwrap_or(if shell.is_json() { Format::Json } else { Format::Text });
    let program = args.target.build()?;
    let mut asked = ask(&program)?;
    let (mut mended, mut planned) = (None, None);
    if args.fix {
        let before = Before::read(&program, &asked.report)?;
        let made = fix::mend(&before.text, &before.path, &asked.report.problems);
        if args.diff {
            let diff = diff(&before, &made.text);
            if format == Format::Text {
                shell.raw(diff.as_bytes());
                warn_of_refused(&made, shell);
                return Ok(asked.report.exit());
            }
            planned = Some(diff);
        } else if made.text != before.text {
            fs::write(&before.path, &made.text).map_err(|error| {
                Error::input(format!("{} cannot be written: {error}", before.path.display()))
            })?;
            asked = ask(&program)?;
        }
        if format == Format::Text {
            for fix in &made.done {
                shell.note(format!("{}: {fix}", before.shown));
            }
            warn_of_refused(&made, shell);
        }
        mended = Some(made);
    }
    let places = Places::new(&program.folder);
    match format {
        Format::Text => shell.text(text::rendered(&asked.report, &places)),
        Format::Json => {
            if let Some(Mended { done, refused, .. }) = mended {
                let refused: Vec<_> =
                    refused.iter().map(|(fix, why)| json!({ "fix": fix, "why": why })).collect();
                // With `--diff` nothing is written.
                asked.value["fixed"] = if planned.is_some() { json!([]) } else { json!(done) };
                asked.value["not_fixed"] = json!(refused);
            }
            if let Some(diff) = planned {
                asked.value["diff"] = diff.into();
            }
            shell.raw(format!("{}\n", asked.value).as_bytes());
        }
        Format::Sarif => shell.raw(format!("{:#}\n", sarif::log(&asked.report, &places)).as_bytes()),
    }
    Ok(asked.report.exit())
}

fn warn_of_refused(made: &Mended, shell: &Shell) {
    for (fix, why) in &made.refused {
        shell.note(format!("not done: {fix}: {why}"));
    }
}

/// The answer of the program: as it is, and read.
struct Asked {
    value: Value,
    report: Report,
}

fn ask(program: &Program) -> Result<Asked> {
    let (_, mut value) = program.ask("check")?;
    if let Some(problems) = value["problems"].as_array_mut() {
        problems.extend(captures::problems(&program.folder));
    }
    let report = serde_json::from_value(value.clone())
        .map_err(|error| Error::new(Exit::Build, format!("the program answers something else: {error}")))?;
    Ok(Asked { value, report })
}

/// The manifest before it is changed.
struct Before {
    path: PathBuf,
    /// Its name in messages.
    shown: String,
    text: String,
}

impl Before {
    fn read(program: &Program, report: &Report) -> Result<Self> {
        let shown = report.manifest.clone().ok_or_else(|| {
            Error::input("there is no manifest to change")
                .help("create `extension.yaml`, or see `cargo kiket new`")
        })?;
        let path = program.folder.join(&shown);
        let text = fs::read_to_string(&path)
            .map_err(|error| Error::input(format!("{} cannot be read: {error}", path.display())))?;
        Ok(Self { path, shown, text })
    }
}

/// The changes, as `diff -u` prints them. Of a line that may hold a secret only its place is shown.
fn diff(before: &Before, after: &str) -> String {
    const HIDDEN: &str = "… (may hold a secret)";
    let diff = similar::TextDiff::from_lines(before.text.as_str(), after);
    let (old, new) = (internals::secret_lines(&before.text), internals::secret_lines(after));
    let is_hidden = |lines: &[u32], at: Option<usize>| {
        at.and_then(|at| u32::try_from(at + 1).ok()).is_some_and(|line| lines.contains(&line))
    };
    let mut text = String::new();
    for hunk in diff.unified_diff().iter_hunks() {
        if text.is_empty() {
            text = format!("--- a/{0}\n+++ b/{0}\n", before.shown);
        }
        let _ = writeln!(text, "{}", hunk.header());
        for change in hunk.iter_changes() {
            // The mark of a secret setting is none itself.
            let is_mark = change.value().trim() == "secret: true";
            let hidden = is_hidden(&old, change.old_index()) || is_hidden(&new, change.new_index());
            let line = if hidden && !is_mark { HIDDEN } else { change.value().trim_end_matches('\n') };
            let end = if change.missing_newline() { "\n\\ No newline at end of file" } else { "" };
            let _ = writeln!(text, "{}{line}{end}", change.tag());
        }
    }
    text
}

impl Report {
    /// The status: errors before what is unknown.
    fn exit(&self) -> Exit {
        let has = |severity| self.problems.iter().any(|problem| problem.severity == severity);
        if has(Severity::Error) {
            Exit::Problems
        } else if has(Severity::Unknown) || (self.setup && self.manifest.is_none()) {
            Exit::Undecided
        } else {
            Exit::Done
        }
    }
}
