//! The time of one thing, in its fastest batch.

use std::time::Instant;

/// How long a batch takes at least, in microseconds.
const BATCH: f64 = 1000.0;

/// One thing that is measured.
pub(crate) struct Step<'s> {
    pub(crate) name: &'static str,
    work: Box<dyn FnMut() + 's>,
    /// How often a batch repeats the work.
    times: u32,
    /// The time for once in the fastest batch, in microseconds.
    pub(crate) fastest: f64,
}

impl<'s> Step<'s> {
    pub(crate) fn new(name: &'static str, work: impl FnMut() + 's) -> Self {
        let mut step = Self { name, work: Box::new(work), times: 10, fastest: f64::INFINITY };
        step.run();
        let (mut once, mut times) = (step.fastest, 1);
        while once < BATCH {
            (once, times) = (once * 2.0, times * 2);
        }
        Self { times, fastest: f64::INFINITY, ..step }
    }

    pub(crate) fn run(&mut self) {
        let from = Instant::now();
        for _ in 0..self.times {
            (self.work)();
        }
        self.fastest = self.fastest.min(from.elapsed().as_secs_f64() * 1e6 / f64::from(self.times));
    }
}

pub(crate) fn row(name: &str, microseconds: f64, note: &str) {
    let row = format!("  {name:42}{microseconds:>10.2} µs  {note}");
    println!("{}", row.trim_end());
}
