use kiket::prelude::*;
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

trait Named {
    type Payload;
}

struct Issue;

impl Named for Issue {
    type Payload = (u8, Option<String>);
}

#[derive(Deserialize)]
struct Envelope<T, const N: usize> {
    #[serde(bound(deserialize = "T: Deserialize<'de>"))]
    data: Vec<T>,
}

const SEVEN: usize = 7;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(
    _map: Payload<HashMap<String, Vec<Option<u8>>>>,
    _projection: Payload<<Issue as Named>::Payload>,
    envelope: Payload<Envelope<Box<[u8]>, { SEVEN + 1 }>>,
    _array: Payload<[u8; 2 * 4]>,
    _function: State<fn(&str) -> Result<u8, String>>,
    _object: State<Box<dyn Fn(u8) -> u8 + Send + Sync>>,
    _shared: State<Arc<Mutex<u8>>>,
) {
    let _ = &envelope.data;
}
