//! What handlers wrote down, in the order in which they did.

use std::{collections::BTreeMap, fs, path::Path};

/// A run of a handler. Times are in microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) process: usize,
    /// Its name, which no other has.
    pub(crate) name: String,
    pub(crate) begins: u64,
    /// When its effect came, and the position of that among all steps.
    pub(crate) effect: Option<(u64, usize)>,
    pub(crate) ends: Option<u64>,
    /// When it ended otherwise.
    pub(crate) dropped: Option<u64>,
    /// Whether it was meant to fail.
    pub(crate) fails: bool,
}

/// The runs of each delivery, by the delivery key, in the order in which they began.
#[derive(Default)]
pub(crate) struct Steps {
    pub(crate) runs: BTreeMap<String, Vec<Run>>,
    /// When a process ended itself, and which.
    pub(crate) aborted: Vec<(usize, u64)>,
}

impl Steps {
    /// ```text
    /// begins 1700000000000000 12 3 com.example.deferring/work-000007
    /// ```
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut steps = Self::default();
        for (position, line) in text.lines().enumerate() {
            let mut words = line.splitn(5, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("half of a line: {line:?}"));
            let (step, at) = (word(), word().parse().expect("a time"));
            let (process, run, key) = (word(), word(), word());
            let (name, process) = (format!("{process}-{run}"), process.parse().expect("a number"));
            let runs = steps.runs.entry(key.to_owned()).or_default();
            if step == "begins" {
                runs.push(Run {
                    process,
                    name,
                    begins: at,
                    effect: None,
                    ends: None,
                    dropped: None,
                    fails: false,
                });
                continue;
            }
            let run = runs.iter_mut().find(|run| run.name == name).expect("a run begins first");
            match step {
                "effect" => run.effect = Some((at, position)),
                "ends" => run.ends = Some(at),
                "dropped" => run.dropped = Some(at),
                "fails" => run.fails = true,
                _ => steps.aborted.push((process, at)),
            }
        }
        steps
    }
}

/// The id of a delivery in a key.
pub(crate) fn id_in(key: &str) -> &str {
    key.find("work-").and_then(|from| key.get(from..from + 11)).unwrap_or_else(|| panic!("no id in `{key}`"))
}
