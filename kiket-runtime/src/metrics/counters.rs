//! Counters and histograms: atomics that are added to without waiting.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by the values of one label. The last of the values is for what is none of the others.
#[derive(Debug)]
pub(crate) struct Labelled<const N: usize> {
    values: &'static [&'static str; N],
    counters: [Counter; N],
}

impl<const N: usize> Labelled<N> {
    pub(crate) fn new(values: &'static [&'static str; N]) -> Self {
        Self { values, counters: std::array::from_fn(|_| Counter::default()) }
    }

    pub(crate) fn add(&self, value: &str) {
        let position = self.values.iter().position(|known| *known == value);
        if let Some(counter) = self.counters.get(position.unwrap_or(N.saturating_sub(1))) {
            counter.add();
        }
    }

    /// All values, each with its count.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.values.iter().copied().zip(self.counters.iter().map(Counter::get))
    }
}

/// Durations, counted by the first of the bounds, in seconds, that they do not exceed.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    bounds: &'static [f64; N],
    buckets: [Counter; N],
    above: Counter,
    nanoseconds: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    pub(crate) fn new(bounds: &'static [f64; N]) -> Self {
        let buckets = std::array::from_fn(|_| Counter::default());
        Self { bounds, buckets, above: Counter::default(), nanoseconds: AtomicU64::new(0) }
    }

    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let position = self.bounds.iter().position(|bound| seconds <= *bound);
        position.and_then(|position| self.buckets.get(position)).unwrap_or(&self.above).add();
        // It wraps after 584 years.
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Each bound with the number of durations up to it, and the number of all.
    pub(super) fn cumulated(&self) -> (Vec<(f64, u64)>, u64) {
        let mut all = 0;
        let bounds = self.bounds.iter().copied().zip(&self.buckets);
        let below = bounds.map(|(bound, bucket)| {
            all += bucket.get();
            (bound, all)
        });
        let below = below.collect();
        (below, all + self.above.get())
    }

    pub(super) fn sum(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        const BOUNDS: [f64; 2] = [0.005, 1.0];
        let histogram = Histogram::new(&BOUNDS);
        for milliseconds in [0, 5, 6, 1000, 1001, 86_400_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        assert_eq!(histogram.cumulated(), (vec![(0.005, 2), (1.0, 4)], 6));
        assert!((histogram.sum() - 86_402.012).abs() < 1e-6, "{}", histogram.sum());
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.cumulated().1, 7);
    }

    #[test]
    fn what_is_no_known_value_counts_as_the_last() {
        let labelled = Labelled::new(&["a", "b", "other"]);
        for value in ["a", "b", "a", "", "c", "other"] {
            labelled.add(value);
        }
        assert_eq!(labelled.counts().collect::<Vec<_>>(), [("a", 2), ("b", 1), ("other", 3)]);
    }
}
