//! What `dev` prints: lines, with a status line below them on a terminal, or JSON lines.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

use anstyle::Style;
use serde_json::Value;

use crate::shell::{BAD, DOUBTFUL, GOOD, HINT};

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
}

/// Prints. A reader that went away does not matter.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    /// Whether there is a status line.
    is_live: bool,
    /// The status line, as it is to be.
    status: String,
    /// Whether it is on the terminal.
    is_shown: bool,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let is_live =
            !json && stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { json, is_live, status: String::new(), is_shown: false }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether colours reach a terminal that wants them.
    pub(super) fn has_colours(&self) -> bool {
        !self.json && anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
    }

    /// Prints one thing: the JSON, or a word in the colour of its tone and a text.
    pub(super) fn say(&mut self, json: &Value, tone: Tone, word: &str, text: &str) {
        let style = match tone {
            Tone::Plain => HINT,
            Tone::Good => GOOD,
            Tone::Doubtful => DOUBTFUL,
            Tone::Bad => BAD,
        };
        self.print(json, &format!("{style}{word:>10}{style:#} {text}"));
    }

    /// Prints the JSON, or lines as they are.
    pub(super) fn print(&mut self, json: &Value, text: &str) {
        if self.json {
            let _ = writeln!(stdout(), "{json}");
            return;
        }
        self.clear();
        let _ = writeln!(anstream::stdout(), "{text}");
        self.show();
    }

    /// Prints a line of the extension's or the compiler's standard error, to that of this process.
    pub(super) fn print_error(&mut self, json: &Value, text: &str) {
        if self.json {
            let _ = writeln!(stdout(), "{json}");
            return;
        }
        self.clear();
        let _ = writeln!(anstream::stderr(), "{text}");
        self.show();
    }

    /// Sets the status line: parts of which the last ones are left out where the terminal is narrow.
    pub(super) fn status(&mut self, tone: Tone, parts: &[String]) {
        if !self.is_live {
            return;
        }
        let width = width().saturating_sub(3);
        let mut line = String::new();
        for part in parts {
            let gap = if line.is_empty() { "" } else { " · " };
            if line.chars().count() + gap.chars().count() + part.chars().count() > width {
                break;
            }
            line = line + gap + part;
        }
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Good => GOOD,
            Tone::Doubtful => DOUBTFUL,
            Tone::Bad => BAD,
        };
        let status = format!("{style}●{style:#} {line}");
        if status != self.status || !self.is_shown {
            self.clear();
            self.status = status;
            self.show();
        }
    }

    fn show(&mut self) {
        if self.is_live && !self.status.is_empty() {
            let mut out = anstream::stdout().lock();
            let _ = write!(out, "{}", self.status).and_then(|()| out.flush());
            self.is_shown = true;
        }
    }

    /// Takes the status line away.
    pub(super) fn clear(&mut self) {
        if self.is_shown {
            let mut out = stdout().lock();
            let _ = out.write_all(b"\r\x1b[K").and_then(|()| out.flush());
            self.is_shown = false;
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The columns of the terminal.
fn width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(stdout())
        && size.ws_col > 0
    {
        return usize::from(size.ws_col);
    }
    80
}
