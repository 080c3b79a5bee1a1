//! The payload extractor.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    delivery::Delivery,
    error::{PayloadRejection, undecodable},
    handler::extract::{FromDelivery, deref, early},
};

/// The body of the delivery as a `T`; [`Payload`] alone is the JSON value. `Payload(x)` destructures it, and it derefs to
/// `T`.
///
/// It is decoded from the verified bytes and may borrow from them: as `Cow<'_, str>` with `#[serde(borrow)]`, since a text
/// with escapes does not fit into a `&str`. A body that does not decode fails the delivery with 500
/// and the path of the field, like ``issue.title: missing field `title` ``, so that a corrected build can still serve the
/// retry; one that is nested more deeply than 128 levels is 400, for no build reads it. To handle it yourself, take a `Result<Payload<T>, PayloadRejection>` or an `Option<Payload<T>>`.
///
/// ```
/// use kiket_runtime::Payload;
///
/// #[derive(serde::Deserialize)]
/// struct IssueCreated { title: String }
///
/// async fn on_issue_created(Payload(event): Payload<IssueCreated>) {
///     tracing::info!("{}", event.title);
/// }
///
/// on_issue_created(Payload(IssueCreated { title: "T".into() })); // in a test
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Payload<T = Value>(pub T);

impl<T> Payload<T> {
    /// The payload itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<'d, T: Deserialize<'d>> Payload<T> {
    #[inline]
    fn decode(delivery: &'d Delivery) -> Result<Self, PayloadRejection> {
        let decoded = delivery.decode().map(Self);
        decoded.map_err(|error| PayloadRejection(undecodable::<T>("", delivery.body(), error)))
    }
}

/// Fails with [`PayloadRejection`].
impl<'d, T: Deserialize<'d>> FromDelivery<'d> for Payload<T> {
    type Rejection = PayloadRejection;

    early!('d, Self::decode);
}

deref!(Payload<T> => T: 0);
