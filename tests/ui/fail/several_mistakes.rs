use kiket::prelude::*;
use serde::de::DeserializeOwned;

#[kiket::webhook(version = 1, retries = 3, timeout = 5, timeout = "5s")]
unsafe extern "C" fn on_issue_created<T>(_payload: Payload<impl DeserializeOwned>, _other: T)
where
    T: Clone,
{
}

fn stays() {
    unsafe { on_issue_created(Payload(1), 2) };
}

fn main() {}
