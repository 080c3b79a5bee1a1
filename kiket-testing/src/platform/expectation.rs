//! The calls that a test expects, counted as they arrive.

use std::{
    fmt,
    ops::{Bound, RangeBounds},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    call::{Call, Predicate},
    orders::Orders,
    pattern,
};

/// Calls that the code under test has to make, for [`FakePlatform::expect`](super::FakePlatform::expect): at least one,
/// unless [`times`](Self::times) says otherwise.
///
/// ```
/// use kiket_testing::{Expectation, FakePlatform};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::ClientError> {
/// let platform = FakePlatform::start();
/// platform.expect(Expectation::call("POST", "/api/v1/ext/issues").times(1..=2).named("creates an issue"));
/// platform.expect(Expectation::call("PATCH", "/api/v1/ext/issues/{key}").exactly(0));
/// platform.expect(Expectation::call("POST", "/api/v1/ext/issues").when(|call| call.json()["issue"]["title"] == "No login"));
///
/// kiket_runtime::Endpoints::new(platform.client()).issues().create("No login", Default::default()).await?;
/// platform.verify(); // so does the end of `platform`
/// # Ok(())
/// # }
/// ```
#[doc(alias = "mock")]
#[derive(Clone)]
#[must_use = "an expectation is verified once `FakePlatform::expect` has it"]
pub struct Expectation {
    name: Option<String>,
    method: String,
    pattern: String,
    least: u64,
    most: u64,
    when: Option<Predicate>,
}

impl Expectation {
    /// Calls with this method, and a path like `/api/v1/ext/issues/{key}`: a name in braces stands for any segment. A
    /// base path is part of the path. Segments are compared decoded, and the query does not count.
    ///
    /// # Panics
    ///
    /// When the path does not begin with `/`.
    #[track_caller]
    pub fn call(method: impl Into<String>, path: impl Into<String>) -> Self {
        let pattern = path.into();
        assert!(pattern.starts_with('/'), "expected a path that begins with `/`, found `{pattern}`");
        Self { name: None, method: method.into(), pattern, least: 1, most: u64::MAX, when: None }
    }

    /// How many calls are expected, like `1..`, `..=3` or `2..=2`.
    pub fn times(mut self, times: impl RangeBounds<u64>) -> Self {
        self.least = match times.start_bound() {
            Bound::Included(least) => *least,
            Bound::Excluded(less) => less.saturating_add(1),
            Bound::Unbounded => 0,
        };
        self.most = match times.end_bound() {
            Bound::Included(most) => *most,
            Bound::Excluded(more) => more.saturating_sub(1),
            Bound::Unbounded => u64::MAX,
        };
        self
    }

    /// Expects exactly so many calls; 0 forbids them.
    pub fn exactly(self, times: u64) -> Self {
        self.times(times..=times)
    }

    /// Counts only the calls that `predicate` picks. It is asked before the response, so their status is absent.
    pub fn when(mut self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(predicate));
        self
    }

    /// The name that a failed verification shows.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn counts(&self, call: &Call) -> bool {
        let path: Vec<_> = call.segments().iter().map(String::as_str).collect();
        self.method == call.method()
            && pattern::arguments(&self.pattern, &path).is_some()
            && self.when.as_ref().is_none_or(|picks| picks(call))
    }
}

/// ```text
/// POST /api/v1/ext/issues (creates an issue): expected at least 1
/// ```
impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, method, pattern, least, most, .. } = self;
        write!(f, "{method} {pattern}")?;
        name.iter().try_for_each(|name| write!(f, " ({name})"))?;
        match (least, most) {
            (least, most) if least == most => write!(f, ": expected exactly {least}"),
            (least, &u64::MAX) => write!(f, ": expected at least {least}"),
            (0, most) => write!(f, ": expected at most {most}"),
            (least, most) => write!(f, ": expected {least} to {most}"),
        }
    }
}

/// Counts a call in each expectation that it meets.
pub(super) fn count(expectations: &Orders<Expectation>, call: &Call) {
    for expected in expectations.all().iter().filter(|expected| expected.0.counts(call)) {
        expected.1.fetch_add(1, Relaxed);
    }
}

/// The expectations that are not met, a line for each.
pub(super) fn unmet(expectations: &Orders<Expectation>) -> Vec<String> {
    let counted =
        expectations.all().into_iter().map(|expected| (expected.0.clone(), expected.1.load(Relaxed)));
    let unmet = counted.filter(|(own, count)| *count < own.least || own.most < *count);
    unmet.map(|(own, count)| format!("- {own:?}, received {count}")).collect()
}
