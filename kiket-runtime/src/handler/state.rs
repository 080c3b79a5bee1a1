//! The extractor of values that all deliveries share.

use std::{any::type_name, sync::Arc};

use crate::{
    delivery::Delivery,
    error::Error,
    handler::extract::{FromDelivery, Requirements, deref, early},
};

/// A value that all deliveries share: a pool, a client, a counter. Derefs to `T`; `State(pool)` destructures it into an
/// `Arc<T>`.
///
/// Give the value to [`ExtensionBuilder::state`](crate::ExtensionBuilder::state). An extension whose handler takes a
/// `State` that was not given does not start.
///
/// ```
/// use kiket_runtime::State;
///
/// struct Pool;
/// async fn on_issue_created(State(pool): State<Pool>) {}
///
/// on_issue_created(State::new(Pool)); // in a test
/// ```
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

impl<T> State<T> {
    /// A state for a handler that is called by hand.
    pub fn new(state: T) -> Self {
        Self(Arc::new(state))
    }

    /// The shared value, to keep.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

deref!(State<T> => T: 0);

impl<T: Send + Sync + 'static> State<T> {
    fn find(delivery: &Delivery) -> Result<Self, Error> {
        let state = delivery.services().states.get::<T>();
        // The start checks what handlers require: only an optional state and a delivery made by hand get here.
        state
            .map(Self)
            .ok_or_else(|| Error::retry("a state is missing").because(MissingState(type_name::<T>())))
    }
}

/// Fails with [`Error`] where no such state was given, which `Option` and `Result` alone allow.
impl<'d, T: Send + Sync + 'static> FromDelivery<'d> for State<T> {
    type Rejection = Error;

    fn requirements(requirements: &mut Requirements) {
        requirements.state::<T>();
    }

    early!('d, Self::find);
}

#[derive(Debug, thiserror::Error)]
#[error("no state of type `{0}` was given to the builder")]
struct MissingState(&'static str);
