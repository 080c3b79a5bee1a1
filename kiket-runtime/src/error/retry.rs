//! What errors of users say about retries.

use std::{error::Error, time::Duration};

/// An error that says whether Kiket sends the delivery again; `#[derive(kiket::Retry)]` implements it.
pub trait Retry {
    /// The advice, if there is any: without it the delivery is sent again.
    fn retry(&self) -> Option<Advice>;
}

/// What an error says about retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Do not send it again.
    Never,
    /// Send it again, after this long.
    After(Duration),
    /// Respond with this status of 4xx.
    Status(u16),
}

impl Advice {
    /// Do not send it again.
    pub const fn never() -> Self {
        Self::Never
    }

    /// Send it again, after this long.
    pub const fn after(delay: Duration) -> Self {
        Self::After(delay)
    }

    /// Respond with this status of 4xx.
    pub const fn status(status: u16) -> Self {
        Self::Status(status)
    }
}

/// Asks the errors of one type, wherever they stand in a chain of errors.
#[derive(Debug)]
pub struct Classifier(fn(&(dyn Error + 'static)) -> Option<Advice>);

inventory::collect!(Classifier);

impl Classifier {
    /// The classifier of a type that implements [`Retry`].
    pub const fn new<E: Retry + Error + 'static>() -> Self {
        Self(|error| error.downcast_ref::<E>()?.retry())
    }

    /// The advice of an error, where it has this type and says something.
    pub fn advice(&self, error: &(dyn Error + 'static)) -> Option<Advice> {
        (self.0)(error)
    }
}
