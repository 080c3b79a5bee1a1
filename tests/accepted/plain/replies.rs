use kiket::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io;

use crate::now;

#[derive(Serialize)]
struct Synced {
    synced: u8,
}

#[derive(Debug)]
struct Oops;

impl std::fmt::Display for Oops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("oops")
    }
}

impl std::error::Error for Oops {}

type Outcome = Json<Synced>;

#[kiket::webhook("nothing", version = "v1")]
async fn nothing() {}

#[kiket::webhook("unit", version = "v1")]
async fn unit() -> () {}

#[kiket::webhook("reply", version = "v1")]
async fn reply() -> Reply {
    Reply::ok()
}

#[kiket::webhook("json", version = "v1")]
async fn json() -> Json<Synced> {
    Json(Synced { synced: 3 })
}

#[kiket::webhook("alias", version = "v1")]
async fn alias() -> Outcome {
    json().await
}

#[kiket::webhook("value", version = "v1")]
async fn value() -> serde_json::Value {
    json!({ "synced": 3 })
}

#[kiket::webhook("option", version = "v1")]
async fn option() -> Option<Json<Synced>> {
    None
}

#[kiket::webhook("io", version = "v1")]
async fn io_result() -> Result<Reply, io::Error> {
    Err(io::Error::other("disk"))
}

#[kiket::webhook("own", version = "v1")]
async fn own_error() -> Result<(), Oops> {
    Err(Oops)
}

#[kiket::webhook("boxed", version = "v1")]
async fn nested() -> Result<Option<serde_json::Value>, Oops> {
    Ok(None)
}

#[kiket::webhook("ours", version = "v1")]
async fn ours() -> kiket::Result<Reply> {
    let _ = io_result().await?;
    Ok(Reply::ok())
}

#[kiket::webhook("short", version = "v1")]
async fn short() -> kiket::Result<()> {
    Ok(own_error().await?)
}

#[kiket::webhook("hidden", version = "v1")]
async fn hidden() -> impl kiket::IntoReply {
    json!({ "synced": 3 })
}

#[test]
fn replies_are_of_many_types() {
    use kiket::IntoReply;
    let synced = json!({ "synced": 3 });
    let ok = json!({ "ok": true });
    assert_eq!(now::now(nothing()).into_reply().unwrap().to_json(), ok);
    assert_eq!(now::now(unit()).into_reply().unwrap().to_json(), ok);
    assert_eq!(now::now(reply()).into_reply().unwrap().to_json(), ok);
    assert_eq!(now::now(alias()).into_reply().unwrap().to_json(), synced);
    assert_eq!(now::now(value()).into_reply().unwrap().to_json(), synced);
    assert_eq!(now::now(option()).into_reply().unwrap().to_json(), ok);
    assert_eq!(now::now(nested()).into_reply().unwrap().to_json(), ok);
    assert_eq!(now::now(hidden()).into_reply().unwrap().to_json(), synced);
    assert!(now::now(ours()).into_reply().is_err());
    assert!(now::now(short()).into_reply().is_err());
}
