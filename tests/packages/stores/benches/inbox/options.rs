//! What the bench measures, and where.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use kiket::{
    dedupe::LeaseToken,
    inbox::{Inbox, InboxLimits, inbox_from_url},
};
use stores::Postgres;
use tempfile::TempDir;

use crate::Outcome;

const PARTS: [&str; 6] = ["accept", "http", "pickup", "recovery", "backlog", "idle"];

/// What the bench does.
pub(crate) struct Options {
    /// How long each load takes.
    pub(crate) time: Duration,
    pub(crate) rows: usize,
    pub(crate) lane: usize,
    /// Whether it only has to show that it works, as `cargo test --all-targets` wants it.
    pub(crate) is_short: bool,
    engines: Vec<String>,
    parts: Vec<String>,
}

impl Options {
    /// ```text
    /// options = *( "--bench" / "--sqlite" / "--postgres" / name value / part )        cargo bench itself adds `--bench`
    /// ```
    pub(crate) fn read(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let is_short = !arguments.contains(&"--bench");
        let (seconds, rows, lane) = if is_short { (0.02, 500, 50) } else { (3.0, 1_000_000, 20_000) };
        let time = Duration::from_secs_f64(seconds);
        let mut options = Self { time, rows, lane, is_short, engines: Vec::new(), parts: Vec::new() };
        let mut arguments = arguments.iter().filter(|argument| **argument != "--bench");
        while let Some(&name) = arguments.next() {
            if PARTS.contains(&name) {
                options.parts.push(name.to_owned());
                continue;
            }
            if let "--sqlite" | "--postgres" = name {
                options.engines.push(name.to_owned());
                continue;
            }
            let value = *arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            match name {
                "--seconds" => {
                    options.time = Duration::from_secs_f64(value.parse::<f64>()?.clamp(0.01, 3_600.0));
                }
                "--rows" => options.rows = value.parse::<usize>()?.max(100),
                "--lane" => options.lane = value.parse::<usize>()?.max(10),
                "--url" => options.engines.push(value.to_owned()),
                _ => {
                    let known =
                        "`--seconds`, `--rows`, `--lane`, `--sqlite`, `--postgres`, `--url`, and parts";
                    return Err(format!("`{name}`: the options are {known}: {}", PARTS.join(", ")).into());
                }
            }
        }
        if options.engines.is_empty() {
            options.engines = ["--sqlite", "--postgres"].map(str::to_owned).to_vec();
        }
        Ok(options)
    }

    /// Whether a part is wanted.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    /// The engines, all of which run until they are dropped.
    pub(crate) fn engines(&self) -> Outcome<Vec<Engine>> {
        let engines =
            self.engines.iter().map(|engine| match &**engine {
                "--sqlite" => {
                    // Not in memory, as the folder of temporary files may be.
                    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
                    Ok(Some(Engine { name: "SQLite", place: Place::Folder(folder) }))
                }
                "--postgres" => Ok(Postgres::start_durable()
                    .map(|own| Engine { name: "PostgreSQL", place: Place::Server(own) })),
                url => Ok(Some(Engine { name: "the inbox of `--url`", place: Place::Url(url.to_owned()) })),
            });
        engines.filter_map(Result::transpose).collect()
    }
}

/// An engine.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    place: Place,
}

enum Place {
    Folder(TempDir),
    Server(Postgres),
    Url(String),
}

impl Engine {
    /// Its URL; a file is one for each part.
    pub(crate) fn url(&self, part: &str) -> String {
        match &self.place {
            Place::Folder(folder) => format!("sqlite:{}", folder.path().join(part).display()),
            Place::Server(postgres) => postgres.url().to_owned(),
            Place::Url(url) => url.clone(),
        }
    }

    /// The folder of a file.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path()),
            _ => None,
        }
    }

    /// The server that the bench has for itself.
    pub(crate) fn own_server(&self) -> Option<&Postgres> {
        match &self.place {
            Place::Server(postgres) => Some(postgres),
            _ => None,
        }
    }

    pub(crate) fn open(&self, part: &str) -> Outcome<Arc<dyn Inbox>> {
        Ok(inbox_from_url(&self.url(part), limits())?)
    }
}

pub(crate) fn limits() -> InboxLimits {
    let mut limits = InboxLimits::default();
    (limits.rows, limits.is_ephemeral) = (u64::MAX, true);
    limits
}

/// A space that no other run has; the id of an extension is one.
pub(crate) fn space() -> String {
    format!("bench-{}", LeaseToken::unique())
}
