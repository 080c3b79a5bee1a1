//! The retention of stored replies.

use std::time::Duration;

use crate::error::{Problem, ProblemId};

/// The retention: how long a reply is stored, 24 h by default.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::dedupe::Retention;
///
/// assert_eq!(Retention::default().duration(), Duration::from_secs(86_400));
/// assert!(Retention::new(Duration::from_secs(600)).is_ok());
/// assert!(Retention::new(Duration::from_secs(599)).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(Duration);

impl Retention {
    /// The shortest retention: a signature is accepted from 300 s before its time until 300 s after it, so a captured delivery can be
    /// replayed for that long.
    pub const SHORTEST: Duration = Duration::from_secs(600);

    /// A retention of `duration`.
    ///
    /// # Errors
    ///
    /// When it is shorter than [`SHORTEST`](Self::SHORTEST).
    pub fn new(duration: Duration) -> Result<Self, Problem> {
        if duration < Self::SHORTEST {
            let what = format!("replies are kept for at least 600 s, found {} s", duration.as_secs_f64());
            let problem = Problem::new(ProblemId::Retention, what);
            return Err(problem.mend("keep them longer: a captured delivery can be sent again for that long"));
        }
        Ok(Self(duration))
    }

    /// The duration.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self(Duration::from_secs(24 * 60 * 60))
    }
}
