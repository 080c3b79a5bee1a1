use kiket::prelude::*;
use serde::Deserialize;

#[path = "../now.rs"]
mod now;
#[path = "../registered.rs"]
mod registered;

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

fn main() {
    assert_eq!(now::now(r#match(Payload(r#mod::r#struct { r#type: 7 }))).0, 7);
    assert_eq!(registered::registered(|builder| builder), ["issue.created v1 r#match"]);
}
