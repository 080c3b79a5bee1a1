//! How long the bench runs, and what of it.

use std::{error::Error, time::Duration};

pub(crate) const PARTS: [&str; 6] = ["handlers", "connections", "bodies", "memory", "stores", "soak"];

/// What the bench does.
#[derive(Debug)]
pub(crate) struct Options {
    /// How long each round takes.
    pub(crate) time: Duration,
    pub(crate) rounds: usize,
    /// How long the soak takes, once the memory is full.
    pub(crate) soak: Duration,
    /// How much of everything there is at most; less where it only shows that it works.
    pub(crate) most: usize,
    parts: Vec<String>,
}

impl Options {
    /// ```text
    /// options = *( "--bench" / name number / part )        cargo bench itself adds `--bench`
    /// ```
    pub(crate) fn read(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        // As `cargo test --all-targets` runs it: only to see that it works.
        let (seconds, rounds, soak, most) =
            if arguments.contains(&"--bench") { (1.0, 3, 300.0, usize::MAX) } else { (0.02, 1, 0.1, 100) };
        let [time, soak] = [seconds, soak].map(Duration::from_secs_f64);
        let mut options = Self { time, rounds, soak, most, parts: Vec::new() };
        let mut arguments = arguments.iter().filter(|argument| **argument != "--bench");
        while let Some(&name) = arguments.next() {
            if PARTS.contains(&name) {
                options.parts.push(name.to_owned());
                continue;
            }
            let value = *arguments.next().ok_or_else(|| format!("`{name}` needs a number"))?;
            let seconds = || value.parse::<f64>().map(|it| Duration::from_secs_f64(it.clamp(0.01, 86_400.0)));
            match name {
                "--seconds" => options.time = seconds()?,
                "--soak" => options.soak = seconds()?,
                "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
                _ => {
                    let known = "`--seconds`, `--rounds`, `--soak`, and parts";
                    return Err(format!("`{name}`: the options are {known}: {}", PARTS.join(", ")).into());
                }
            }
        }
        Ok(options)
    }

    /// Whether a part is wanted.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    /// Those of the amounts that are not too many.
    pub(crate) fn amounts<const N: usize>(&self, amounts: [usize; N]) -> impl Iterator<Item = usize> {
        let most = self.most;
        amounts.into_iter().filter(move |amount| *amount <= most)
    }
}
