//! How long the bench runs, and how hard.

use std::{error::Error, path::PathBuf};

#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How often each server is loaded with each size.
    pub(crate) rounds: usize,
    /// How long each time.
    pub(crate) seconds: f64,
    /// How many deliveries are under way at once.
    pub(crate) connections: usize,
    /// The threads of a server. One leaves a core to the load on a small machine.
    pub(crate) workers: usize,
    /// How often each server is started to see how long that takes.
    pub(crate) starts: usize,
    /// The program of `benches/peers`, if those are measured, too.
    pub(crate) peers: Option<PathBuf>,
}

/// As `cargo bench` runs it: many short rounds, so that what else the machine does meets all servers alike.
const FULL: Options =
    Options { rounds: 15, seconds: 0.8, connections: 16, workers: 1, starts: 9, peers: None };
/// As `cargo test --all-targets` runs it: only to see that it works.
const SMOKE: Options = Options { rounds: 1, seconds: 0.05, starts: 1, ..FULL };

impl Options {
    /// ```text
    /// options = *( "--bench" / name number )        cargo bench itself adds `--bench`
    /// ```
    pub(crate) fn read(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut options = if arguments.contains(&"--bench") { FULL } else { SMOKE };
        let mut arguments = arguments.iter().filter(|argument| **argument != "--bench");
        while let Some(&name) = arguments.next() {
            let value = *arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            match name {
                "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
                "--seconds" => options.seconds = value.parse::<f64>()?.clamp(0.01, 60.0),
                "--connections" => options.connections = value.parse::<usize>()?.clamp(1, 256),
                "--workers" => options.workers = value.parse::<usize>()?.max(1),
                "--starts" => options.starts = value.parse::<usize>()?.max(1),
                "--peers" => options.peers = Some(value.into()),
                _ => {
                    return Err(format!(
                        "`{name}`: the options are `--rounds`, `--seconds`, `--connections`, `--workers`, `--starts`, \
                         `--peers`"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}
