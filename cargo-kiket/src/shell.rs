//! What the commands print: results to standard output, errors and progress to standard error.

use std::{fmt, io::Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::{Error, Exit};

/// Prints results, errors and progress. Colours are for terminals that want them (`NO_COLOR`, `CLICOLOR_FORCE`).
///
/// Nothing depends on being printed: a reader that went away ends no command.
#[derive(Debug)]
pub(crate) struct Shell {
    json: bool,
}

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();

impl Shell {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the result is printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the result: `value` as JSON on one line, or `text` followed by a line end.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl fmt::Display) {
        if self.json {
            let json = serde_json::to_string(value)
                .unwrap_or_else(|error| unreachable!("own types are JSON: {error}"));
            let _ = writeln!(anstream::stdout(), "{json}");
        } else {
            let _ = writeln!(anstream::stdout(), "{text}");
        }
    }

    /// Prints text, whose colours are left out where they are not wanted.
    #[expect(clippy::unused_self, reason = "everything that is printed goes through the shell")]
    pub(crate) fn text(&self, text: impl fmt::Display) {
        let _ = write!(anstream::stdout(), "{text}");
    }

    /// Prints bytes as they are, to be read by another program.
    #[expect(clippy::unused_self, reason = "everything that is printed goes through the shell")]
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// Prints a line about what goes on, to standard error.
    #[expect(clippy::unused_self, reason = "everything that is printed goes through the shell")]
    pub(crate) fn note(&self, text: impl fmt::Display) {
        let _ = writeln!(anstream::stderr(), "{HINT}note{HINT:#}: {text}");
    }

    /// Prints why the command failed, to standard error, and returns the status.
    pub(crate) fn fail(&self, error: &Error) -> Exit {
        if self.json {
            let value = serde_json::json!({ "error": error.what, "help": error.help });
            let _ = writeln!(std::io::stderr(), "{value}");
        } else {
            let _ = writeln!(anstream::stderr(), "{BAD}error{BAD:#}: {}", error.what);
            if let Some(help) = &error.help {
                let _ = writeln!(anstream::stderr(), " {HINT}help{HINT:#}: {help}");
            }
        }
        error.exit
    }
}
