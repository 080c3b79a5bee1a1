use kiket::prelude::*;
use kiket::{Delivery, FromDelivery, handler::Needs};

#[path = "../now.rs"]
mod now;
#[path = "../registered.rs"]
mod registered;

/// Owns what it takes.
pub struct Tenant(String);

impl FromDelivery<'_> for Tenant {
    fn from_delivery(delivery: &Delivery) -> kiket::Result<Self> {
        Ok(Self(delivery.headers().get("x-tenant").unwrap_or("nobody").to_owned()))
    }
}

/// Borrows from the delivery.
pub struct Body<'d>(&'d str);

impl<'d> FromDelivery<'d> for Body<'d> {
    fn from_delivery(delivery: &'d Delivery) -> kiket::Result<Self> {
        Ok(Self(delivery.body()))
    }
}

/// Is made of others, and needs what they need.
pub struct Both<A, B>(A, B);

impl<'d, A: FromDelivery<'d>, B: FromDelivery<'d>> FromDelivery<'d> for Both<A, B> {
    fn declare(needs: &mut Needs) {
        A::declare(needs);
        B::declare(needs);
    }

    fn from_delivery(delivery: &'d Delivery) -> kiket::Result<Self> {
        Ok(Self(A::from_delivery(delivery)?, B::from_delivery(delivery)?))
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

fn main() {
    let both = Both(State::new(1), Body(""));
    assert_eq!(now::now(on_issue_created(Tenant("t".to_owned()), Body("b"), both)).0, "t b");
    assert_eq!(registered::registered(|builder| builder.state(1_u8)), ["issue.created v1 on_issue_created"]);
}
