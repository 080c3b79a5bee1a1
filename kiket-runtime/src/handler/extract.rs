//! Extractors: what can be an argument of a handler.

use std::{any::TypeId, convert::Infallible, ops::Deref, pin::Pin};

use bytes::Bytes;

use crate::{
    config::Settings,
    delivery::Delivery,
    error::{HandlerError, Result},
    types::Headers,
};

/// An extractor: a type that can be an argument of a handler.
///
/// It is implemented for [`Payload<T>`](crate::Payload), [`Context`](crate::Context), [`State<T>`](crate::State),
/// [`Settings`], [`Headers`], [`RawBody`], [`RequiredSecret<K>`](crate::handler::RequiredSecret),
/// [`FromMiddleware<T>`](crate::handler::FromMiddleware), and for an `Option` or a `Result` of an extractor: `None` and `Err` are
/// given to the handler instead of failing it. Implement it for your own types:
///
/// ```
/// use kiket_runtime::{Delivery, Error, FromDelivery, StatusCode};
///
/// struct Tenant(String);
///
/// impl FromDelivery<'_> for Tenant {
///     type Rejection = Error;
///
///     async fn from_delivery(delivery: &Delivery) -> Result<Self, Error> {
///         let tenant = delivery.headers().get("x-tenant");
///         tenant.map(|tenant| Self(tenant.to_owned())).ok_or(Error::reject(StatusCode::BAD_REQUEST, "no tenant"))
///     }
/// }
/// ```
///
/// `'d` is the lifetime of the delivery, from which an extractor may borrow.
///
/// # When extractors run
///
/// [`from_delivery`](Self::from_delivery) runs after the delivery was claimed and after middleware, within the deadline of
/// the handler, in the order of the arguments. An extractor that needs nothing but the delivery, like a payload, can run
/// [earlier](Self::early), so that a delivery that cannot be handled has no effect at all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a webhook handler",
    label = "not an argument of a handler",
    note = "arguments are `Payload<T>`, `Context`, `State<T>`, `Settings`, `Headers`, `RawBody`, and types that implement `kiket::FromDelivery`",
    note = "a payload's own type goes into `Payload<…>`, and it needs `serde::Deserialize`"
)]
pub trait FromDelivery<'d>: Sized {
    /// Why there is no value. The delivery fails with it, and the handler does not run.
    type Rejection: Into<HandlerError>;

    /// Names what must be there before the first delivery; checked when the extension is built.
    fn requirements(requirements: &mut Requirements) {
        let _ = requirements;
    }

    /// Extracts the value before the delivery is claimed, in the same pass that reads its envelope. `None`, which is the
    /// default, leaves it to [`from_delivery`](Self::from_delivery).
    ///
    /// Implement it for extractors that neither wait nor have an effect.
    fn early(delivery: &'d Delivery) -> Option<Result<Self, Self::Rejection>> {
        let _ = delivery;
        None
    }

    /// Extracts the value.
    ///
    /// # Errors
    ///
    /// The delivery fails with the rejection, and the handler does not run.
    fn from_delivery(delivery: &'d Delivery) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// The first moment of the extraction.
    #[doc(hidden)]
    #[inline]
    fn prepare(delivery: &'d Delivery) -> Result<Prepared<'d, Self>> {
        match Self::early(delivery) {
            Some(extracted) => extracted.map(Prepared::Ready).map_err(Into::into),
            None => Ok(Prepared::Waiting(delivery, |delivery| {
                Box::pin(async move { Self::from_delivery(delivery).await.map_err(Into::into) })
            })),
        }
    }
}

/// An argument between the two moments of its extraction.
///
/// It knows nothing of [`FromDelivery`]: the compiler cannot prove that a future with an extractor that borrows is `Send` if it
/// has to look for implementations on the way. So an extractor that waits is boxed, and one that is ready is not: handlers match
/// on this, without a future in between.
#[doc(hidden)]
pub enum Prepared<'d, T> {
    Ready(T),
    Waiting(&'d Delivery, fn(&'d Delivery) -> Extracting<'d, T>),
}

/// The second moment of the extraction.
type Extracting<'d, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'd>>;

/// The two moments of an extractor that neither waits nor has an effect.
macro_rules! early {
    ($delivery:lifetime, $extract:expr) => {
        #[inline]
        fn early(delivery: &$delivery Delivery) -> Option<Result<Self, Self::Rejection>> {
            Some($extract(delivery))
        }

        async fn from_delivery(delivery: &$delivery Delivery) -> Result<Self, Self::Rejection> {
            $extract(delivery)
        }
    };
}

/// `Deref` of an extractor to what it extracts: `deref!(State<T> => T: 0)`.
macro_rules! deref {
    ($extractor:ident<$parameter:ident> => $target:ty: $field:tt) => {
        impl<$parameter> std::ops::Deref for $extractor<$parameter> {
            type Target = $target;

            fn deref(&self) -> &$target {
                &self.$field
            }
        }
    };
}

pub(super) use {deref, early};

/// What the extractors of a handler require before the first delivery.
#[derive(Debug, Default)]
pub struct Requirements {
    pub(crate) states: Vec<(TypeId, &'static str)>,
    pub(crate) secrets: Vec<&'static str>,
    /// Whether it takes a transaction, where there is one.
    #[cfg(feature = "postgres")]
    pub(crate) takes_transaction: bool,
    /// Whether there has to be one.
    #[cfg(feature = "postgres")]
    pub(crate) needs_transaction: bool,
}

impl Requirements {
    /// Requires a value of type `T`, given to the builder with `state`.
    pub fn state<T: Send + Sync + 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), std::any::type_name::<T>()));
    }

    /// Requires a transaction of the database that has the deduplication store or the inbox.
    #[cfg(feature = "postgres")]
    pub(crate) fn transaction(&mut self) {
        (self.takes_transaction, self.needs_transaction) = (true, true);
    }

    /// Adds what `of` requires, where the handler does without it.
    #[cfg_attr(not(feature = "postgres"), allow(clippy::unused_self))] // nothing else is prepared
    fn optional(&mut self, of: fn(&mut Self)) {
        let mut optional = Self::default();
        of(&mut optional);
        #[cfg(feature = "postgres")]
        {
            self.takes_transaction |= optional.takes_transaction;
        }
    }

    /// Requires the secret `key`, from the environment or in every delivery.
    pub fn secret(&mut self, key: &'static str) {
        self.secrets.push(key);
    }
}

/// `None` where `T` has no value. What `T` requires is not checked at the start: a `Tx` is there if its store is in PostgreSQL.
impl<'d, T: FromDelivery<'d>> FromDelivery<'d> for Option<T> {
    type Rejection = Infallible;

    fn requirements(requirements: &mut Requirements) {
        requirements.optional(T::requirements);
    }

    fn early(delivery: &'d Delivery) -> Option<Result<Self, Infallible>> {
        T::early(delivery).map(|extracted| Ok(extracted.ok()))
    }

    async fn from_delivery(delivery: &'d Delivery) -> Result<Self, Infallible> {
        Ok(T::from_delivery(delivery).await.ok())
    }
}

/// The rejection where `T` has no value, as any `E` that it converts into. What `T` requires is not checked at the start.
impl<'d, T, E> FromDelivery<'d> for Result<T, E>
where
    T: FromDelivery<'d>,
    E: From<T::Rejection>,
{
    type Rejection = Infallible;

    fn requirements(requirements: &mut Requirements) {
        requirements.optional(T::requirements);
    }

    fn early(delivery: &'d Delivery) -> Option<Result<Self, Infallible>> {
        T::early(delivery).map(|extracted| Ok(extracted.map_err(E::from)))
    }

    async fn from_delivery(delivery: &'d Delivery) -> Result<Self, Infallible> {
        Ok(T::from_delivery(delivery).await.map_err(E::from))
    }
}

impl<'d> FromDelivery<'d> for Settings {
    type Rejection = Infallible;

    early!('d, |delivery: &Delivery| Ok(delivery.services().settings.clone()));
}

impl<'d> FromDelivery<'d> for Headers {
    type Rejection = Infallible;

    early!('d, |delivery: &Delivery| Ok(delivery.headers().clone()));
}

/// The body as it was sent: the bytes that were signed. Derefs to `[u8]`; `RawBody(bytes)` destructures it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody(pub Bytes);

impl RawBody {
    /// A body for a handler that is called by hand.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self(Bytes::from(body.into()))
    }
}

impl Deref for RawBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for RawBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<'d> FromDelivery<'d> for RawBody {
    type Rejection = Infallible;

    early!('d, |delivery: &Delivery| Ok(Self(delivery.body_bytes().clone())));
}
