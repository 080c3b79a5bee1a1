use kiket::prelude::*;
use kiket::{Delivery, Error, FromDelivery, HandlerError, handler::Requirements};

use crate::{now, registered};

/// Owns what it takes.
pub struct Tenant(String);

impl FromDelivery<'_> for Tenant {
    type Rejection = Error;

    async fn from_delivery(delivery: &Delivery) -> Result<Self, Error> {
        Ok(Self(delivery.headers().get("x-tenant").unwrap_or("none").to_owned()))
    }
}

/// Borrows from the delivery, and does not wait.
pub struct Body<'d>(&'d str);

impl<'d> FromDelivery<'d> for Body<'d> {
    type Rejection = std::convert::Infallible;

    fn early(delivery: &'d Delivery) -> Option<Result<Self, Self::Rejection>> {
        Some(Ok(Self(delivery.body())))
    }

    async fn from_delivery(delivery: &'d Delivery) -> Result<Self, Self::Rejection> {
        Ok(Self(delivery.body()))
    }
}

/// Is made of others, and requires what they require.
pub struct Both<A, B>(A, B);

impl<'d, A: FromDelivery<'d> + Send, B: FromDelivery<'d>> FromDelivery<'d> for Both<A, B> {
    type Rejection = HandlerError;

    fn requirements(requirements: &mut Requirements) {
        A::requirements(requirements);
        B::requirements(requirements);
    }

    async fn from_delivery(delivery: &'d Delivery) -> kiket::Result<Self> {
        let first = A::from_delivery(delivery).await.map_err(Into::into)?;
        Ok(Self(first, B::from_delivery(delivery).await.map_err(Into::into)?))
    }
}

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(
    Tenant(tenant): Tenant,
    body: Body<'_>,
    _both: Both<State<u8>, Body<'_>>,
) -> Json<String> {
    Json(format!("{tenant} {}", body.0))
}

#[test]
fn extractors_of_third_parties_are_arguments() {
    let both = Both(State::new(1), Body(""));
    assert_eq!(now::now(on_issue_created(Tenant("t".to_owned()), Body("b"), both)).0, "t b");
    assert_eq!(
        registered::registered(module_path!(), |builder| builder.state(1_u8)),
        ["issue.created v1 on_issue_created"]
    );
}
