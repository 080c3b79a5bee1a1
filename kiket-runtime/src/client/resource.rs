//! One thing as an answer has it: bare, or in a wrapping.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

use super::{Client, request::Request};
use crate::error::ClientError;

/// A thing that stands alone in an answer:
///
/// ```text
/// {"id": 1, …}      {"data": {"id": 1, …}}      {"issue": {"id": 1, …}}
/// ```
struct One<T>(T);

/// What its own wrapping is called.
pub(crate) trait Wrapped {
    const NAME: &'static str;
}

impl Client {
    /// Makes a call whose answer is one thing.
    pub(crate) async fn one<T: DeserializeOwned + Wrapped>(
        &self,
        request: Request,
    ) -> Result<T, ClientError> {
        let One(thing) = self.send(request).await?;
        Ok(thing)
    }
}

impl<'de, T: DeserializeOwned + Wrapped> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut answer = Value::deserialize(deserializer)?;
        // What has an id is the thing itself: a submission has a `data` of its own.
        let wrapping = answer.as_object_mut().filter(|fields| !fields.contains_key("id"));
        let inside = wrapping.and_then(|fields| {
            let name =
                [T::NAME, "data"].into_iter().find(|name| fields.get(*name).is_some_and(Value::is_object));
            fields.remove(name?)
        });
        T::deserialize(inside.unwrap_or(answer)).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Thing {
        id: u64,
        #[serde(default)]
        data: Value,
    }

    impl Wrapped for Thing {
        const NAME: &'static str = "thing";
    }

    #[test]
    fn a_thing_is_found_in_each_wrapping() {
        #[track_caller]
        fn check(answer: &Value, data: &Value) {
            let One(thing) = One::<Thing>::deserialize(answer).unwrap();
            assert_eq!((thing.id, &thing.data), (1, data), "{answer}");
        }
        let inside = json!({ "id": 1, "data": { "id": 2 } });
        check(&inside, &json!({ "id": 2 }));
        check(&json!({ "data": inside }), &json!({ "id": 2 }));
        check(&json!({ "thing": inside, "data": { "id": 3 }, "from": "a" }), &json!({ "id": 2 }));
        check(&json!({ "thing": "odd", "data": { "id": 1 } }), &json!(null));
    }

    #[test]
    fn what_is_no_thing_is_an_error() {
        for answer in [
            json!({}),
            json!(null),
            json!([]),
            json!(7),
            json!({ "data": null }),
            json!({ "data": [{ "id": 1 }] }),
        ] {
            assert!(One::<Thing>::deserialize(&answer).is_err(), "{answer}");
        }
    }
}
