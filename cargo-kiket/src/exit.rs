//! The status of the process, and the error of a command.

use std::{fmt, io, process::ExitCode};

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and nothing is wrong; for a delivery: a response of 2xx.
    Done = 0,
    /// What was examined has problems; for a delivery: a response that is neither 2xx, 4xx nor 5xx.
    Problems = 1,
    /// Undecided.
    Undecided = 2,
    /// The response is 4xx.
    ClientError = 4,
    /// The response is 5xx.
    ServerError = 5,
    /// The command line is wrong.
    Usage = 64,
    /// An input, like a file or a variable, is missing or wrong.
    Input = 65,
    /// No response: there is no connection, or the deadline passed.
    Unreachable = 69,
    /// The extension does not build, or does not answer.
    Build = 70,
}

/// The table of the help and of the docs.
pub(crate) const TABLE: &str = "   0  done, and nothing is wrong; of a delivery: 2xx
   1  there are problems; of a delivery: another status
   2  undecided: the tool cannot tell
   4  the response of a delivery is 4xx
   5  the response of a delivery is 5xx
  64  the command line is wrong
  65  an input, like a file or a variable, is missing or wrong
  69  there is no response: no connection, or too late
  70  the extension does not build, or does not answer
";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work, and what to do about it.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl Error {
    /// An error of an input: one sentence, lower case, code in backticks.
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::new(Exit::Input, what)
    }

    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), help: None }
    }

    /// Adds what to do, as an imperative.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::input(error.to_string())
    }
}

/// Prints the help, the version, or why the command line is refused. A closed pipe does not matter.
pub(crate) fn refused(refused: &clap::Error) -> ExitCode {
    let _ = refused.print();
    if refused.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_a_line_in_the_table() {
        let all = [
            Exit::Done,
            Exit::Problems,
            Exit::Undecided,
            Exit::ClientError,
            Exit::ServerError,
            Exit::Usage,
            Exit::Input,
            Exit::Unreachable,
            Exit::Build,
        ];
        let listed: Vec<u8> = TABLE
            .lines()
            .map(|line| line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap())
            .collect();
        assert_eq!(listed, all.map(|exit| exit as u8));
        assert!(include_str!("../../docs/developer-tool.md").contains(TABLE));
    }
}
