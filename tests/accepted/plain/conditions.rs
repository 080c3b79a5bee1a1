use kiket::prelude::*;

use crate::{now, registered};

#[cfg(any())]
#[kiket::webhook("issue.created", version = "v1")]
async fn cut_out_above(_payload: Payload<NoSuchType>) -> NoSuchType {}

#[kiket::webhook("issue.created", version = "v1")]
#[cfg(any())]
async fn cut_out_below(_payload: Payload<NoSuchType>) -> NoSuchType {}

#[kiket::webhook("issue.created", version = "v1")]
#[cfg_attr(all(), cfg(any()), inline)]
async fn cut_out_by_an_attribute(_payload: Payload<NoSuchType>) -> NoSuchType {}

#[cfg(any())]
mod cut_out {
    #[kiket::webhook("issue.created", version = "v1")]
    async fn with_its_module(_payload: NoSuchType) {}
}

#[cfg(not(doc))]
#[kiket::webhook("issue.created", version = "v1")]
#[cfg(not(any()))]
#[cfg_attr(all(), inline)]
#[cfg_attr(any(), no_such_attribute)]
async fn left_in() -> Json<u8> {
    Json(1)
}

#[test]
fn what_is_cut_out_is_not_registered() {
    assert_eq!(now::now(left_in()).0, 1);
    assert_eq!(registered::registered(module_path!(), |builder| builder), ["issue.created v1 left_in"]);
}
