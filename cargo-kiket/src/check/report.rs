//! What the program answers to `kiket check --json`.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub(super) struct Report {
    pub(super) setup: bool,
    pub(super) manifest: Option<String>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) what: String,
    pub(super) place: Option<Place>,
    pub(super) help: Option<String>,
    pub(super) fix: Option<Fix>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    Error,
    Warning,
    /// An error unless `setup` mends it.
    Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Place {
    pub(super) file: String,
    /// From 1; 0 is the whole file.
    pub(super) line: usize,
    /// From 1, in characters; 0 is the whole line.
    pub(super) column: usize,
    /// The line; `None` where it may hold a secret.
    pub(super) excerpt: Option<String>,
}

/// A change of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Fix {
    AddHook { event: String },
    RenameHook { from: String, to: String },
    RenameKey { from: String, to: String },
    AddSetting { key: String, secret: bool, required: bool },
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddHook { event } => write!(f, "hook `{event}` added"),
            Self::RenameHook { from, to } => write!(f, "hook `{from}` renamed to `{to}`"),
            Self::RenameKey { from, to } => write!(f, "key `{from}` renamed to `{to}`"),
            Self::AddSetting { key, .. } => write!(f, "setting `{key}` added"),
        }
    }
}

/// Finds the files of places: those of a manifest are below the folder of the program, those of code below the folder in
/// which the compiler ran, which is that of the workspace.
pub(super) struct Places {
    folder: PathBuf,
    here: Option<PathBuf>,
}

impl Places {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), here: env::current_dir().ok() }
    }

    /// The file, where it exists.
    pub(super) fn find(&self, file: &str) -> Option<PathBuf> {
        self.folder.ancestors().map(|folder| folder.join(file)).find(|path| path.is_file())
    }

    /// The path of a file as it is shown: from here, if it is below, with `/` between its parts.
    pub(super) fn shown(&self, file: &str) -> String {
        let found = self.find(file).unwrap_or_else(|| PathBuf::from(file));
        let below = self.here.as_ref().and_then(|here| found.strip_prefix(here).ok());
        below.unwrap_or(&found).to_string_lossy().replace('\\', "/")
    }
}
