use kiket::prelude::*;
use serde::Deserialize;

use crate::{now, registered};

mod r#mod {
    use super::*;

    #[allow(non_camel_case_types)]
    #[derive(Deserialize)]
    pub struct r#struct {
        pub r#type: u8,
    }
}

#[kiket::webhook("issue.created", version = "v1")]
async fn r#match(r#in: Payload<r#mod::r#struct>) -> Json<u8> {
    Json(r#in.r#type)
}

#[test]
fn raw_identifiers_are_names() {
    assert_eq!(now::now(r#match(Payload(r#mod::r#struct { r#type: 7 }))).0, 7);
    assert_eq!(registered::registered(module_path!(), |builder| builder), ["issue.created v1 r#match"]);
}
