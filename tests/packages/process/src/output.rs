//! What a process prints, as it arrives.

use std::{
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take on a machine that is busy. What takes longer is stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The lines that a process prints; its clones are the same lines.
#[derive(Clone)]
pub struct Lines {
    name: &'static str,
    arrived: Arc<(Mutex<Arrived>, Condvar)>,
}

#[derive(Default)]
struct Arrived {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Reads `output` to its end, in a thread of its own.
    pub(crate) fn of(name: &'static str, output: impl Read + Send + 'static) -> Self {
        let lines = Self { name, arrived: Arc::default() };
        let filled = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { break };
                filled.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                filled.arrived.1.notify_all();
            }
            filled.lock().ended = true;
            filled.arrived.1.notify_all();
        });
        lines
    }

    /// Waits for a line of which `read` makes something; `None` when the output ends without one.
    ///
    /// # Panics
    ///
    /// When there is neither after [`PATIENCE`].
    #[track_caller]
    pub fn find<T>(&self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.find_nth(1, read)
    }

    /// Waits until `read` makes something of `count` lines, and gives the last; `None` when the output ends before.
    ///
    /// # Panics
    ///
    /// When there is neither after [`PATIENCE`].
    #[track_caller]
    pub fn find_nth<T>(&self, count: usize, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (mut seen, mut left) = (0, count);
        let deadline = Instant::now() + PATIENCE;
        let mut arrived = self.lock();
        loop {
            while let Some(line) = arrived.lines.get(seen) {
                seen += 1;
                if let Some(found) = read(line) {
                    left -= 1;
                    if left == 0 {
                        return Some(found);
                    }
                }
            }
            if arrived.ended {
                return None;
            }
            arrived = self.wait(arrived, deadline);
        }
    }

    /// What arrived so far.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.lock())
    }

    /// Waits for the end of the output, and gives all of it.
    #[track_caller]
    pub(crate) fn whole(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut arrived = self.lock();
        while !arrived.ended {
            arrived = self.wait(arrived, deadline);
        }
        text(&arrived)
    }

    #[track_caller]
    fn wait<'a>(&'a self, arrived: MutexGuard<'a, Arrived>, deadline: Instant) -> MutexGuard<'a, Arrived> {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "waited too long for {}, so far it is:\n{}", self.name, text(&arrived));
        self.arrived.1.wait_timeout(arrived, left).expect("the reader does not panic").0
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.0.lock().expect("the reader does not panic")
    }
}

fn text(arrived: &Arrived) -> String {
    arrived.lines.iter().flat_map(|line| [line, "\n"]).collect()
}
