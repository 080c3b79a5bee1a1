//! `doctor`: looks at this machine and at what the extension is configured with, and says what to fix.

mod finding;
mod inbox;
mod machine;
mod program;
mod store;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use kiket_runtime::{internals, manifest::Manifest};
use reqwest::Url;
use serde::Serialize;

use self::finding::{Finding, State};
use crate::{
    environment,
    exit::{Exit, Result},
    extension::Target,
    http,
    shell::Shell,
};

/// Looks at this machine and at the configuration, and says what to fix
///
/// It reads the variables and the manifest as the start does, looks at certificates, port, disk and file system, and connects
/// to the store of `KIKET_DEDUPE_URL`, where it writes and deletes one key, and to the inbox of `KIKET_INBOX_URL`, which it checks as
/// the start does. In the folder of a package it builds the program, and asks it for its handlers. Nothing else is called, unless
/// you ask for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket doctor
  cargo kiket doctor --online
  cargo kiket doctor --folder /var/lib/hello --json

Something to fix is the status 1; warnings alone are 0. No secret is printed.")]
pub(crate) struct Args {
    /// Compares the clock with that of the server of `KIKET_BASE_URL`
    #[arg(long)]
    online: bool,
    /// Compares the clock with that of this server
    #[arg(long, value_name = "URL", value_parser = http::url)]
    clock_url: Option<Url>,
    /// The folder of files that the extension writes
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Does not build the program to look for its handlers
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Report {
    findings: Vec<Finding>,
}

#[expect(clippy::unnecessary_wraps, reason = "all commands have this form")]
pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let variables =
        || std::env::current_dir().map(|folder| environment::of_cargo(&folder)).unwrap_or_default();
    let manifest = Manifest::search(Path::new("")).map(|path| Manifest::load(&path)).transpose();
    let read = manifest.as_ref().map(Option::as_ref).map_err(|_| ());
    let (config, problems, warnings) = internals::configuration(variables(), read);
    let mut findings = Vec::new();
    if let Err(problems) = &manifest {
        findings.extend(problems.iter().map(|problem| Finding::of("manifest", State::Fix, problem)));
    }
    findings.extend(problems.iter().map(|problem| Finding::of("configuration", State::Fix, problem)));
    findings.extend(warnings.iter().map(|warning| Finding::of("configuration", State::Warn, warning)));
    if findings.is_empty() {
        findings.push(Finding::ok(
            "configuration",
            "secrets, tokens and addresses have the form that the start needs",
        ));
    }
    let asked = args.clock_url.clone().map_or_else(
        || config.as_ref().filter(|_| args.online).and_then(|config| http::url(config.base_url()).ok()),
        Some,
    );
    findings.push(match (&config, asked) {
        (None, None) if args.online => {
            Finding::unknown("clock", "not compared", "fix the configuration first")
        }
        (_, asked) => machine::clock(asked),
    });
    findings.push(machine::certificates(
        config.as_ref().is_none_or(|config| config.base_url().starts_with("https")),
    ));
    findings.push(match &config {
        Some(config) => machine::port(config.host(), config.port()),
        None => Finding::unknown("port", "not looked at", "fix the configuration first"),
    });
    let dedupe = internals::dedupe_url(variables());
    findings.extend(store::examine(dedupe.as_ref()));
    findings.extend(inbox::examine(internals::inbox_variables(variables()).as_ref(), dedupe.as_ref()));
    findings.push(machine::folder(&args.folder));
    findings.push(machine::disk(&args.folder));
    if !args.no_build {
        findings.push(program::examine(&args.target));
    }

    let worst = findings.iter().map(|finding| finding.state).max();
    let report = Report { findings };
    shell.result(&report, &report);
    Ok(if worst == Some(State::Fix) { Exit::Problems } else { Exit::Done })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let count = |state| self.findings.iter().filter(|finding| finding.state == state).count();
        write!(f, "\n{} to fix, {} warnings", count(State::Fix), count(State::Warn))
    }
}
