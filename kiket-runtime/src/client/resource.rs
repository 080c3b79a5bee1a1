//! The resources in responses, bare or wrapped in an object.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

/// A type that responses hold, alone or in lists. Its names are those of the members that wrap it.
pub(crate) trait Resource {
    /// The member that wraps one of them, like `issue`.
    const ONE: &str;
    /// The member that wraps a list of them, like `issues`.
    const MANY: &str;

    /// The name of a required member that this resource does not have.
    fn missing(&self) -> Option<&'static str> {
        None
    }
}

/// Implements [`Resource`].
///
/// ```text
/// resources! { Issue: "issue", "issues", requires id title; }      `id` and `title` are an `Option`
/// ```
macro_rules! resources {
    ($($resource:ty: $one:literal, $many:literal $(, requires $($field:ident)+)?;)*) => {
        $(
            impl $crate::client::resource::Resource for $resource {
                const ONE: &str = $one;
                const MANY: &str = $many;

                $(
                    fn missing(&self) -> Option<&'static str> {
                        $(
                            if self.$field.is_none() {
                                return Some(stringify!($field));
                            }
                        )+
                        None
                    }
                )?
            }
        )*
    };
}

pub(crate) use resources;

/// One resource:
///
/// ```text
/// {"id": 1, …}      {"data": {"id": 1, …}}      {"issue": {"id": 1, …}}
/// ```
pub(super) struct One<T>(pub(super) T);

impl<'de, T: DeserializeOwned + Resource> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut response = Value::deserialize(deserializer)?;
        // What has an id is the resource itself: a submission has a `data` of its own.
        let outer = response.as_object_mut().filter(|fields| !fields.contains_key("id"));
        let wrapped = outer.and_then(|fields| {
            let name =
                [T::ONE, "data"].into_iter().find(|name| fields.get(*name).is_some_and(Value::is_object));
            fields.remove(name?)
        });
        let resource = T::deserialize(wrapped.unwrap_or(response)).map_err(D::Error::custom)?;
        match resource.missing() {
            Some(name) => Err(D::Error::missing_field(name)),
            None => Ok(Self(resource)),
        }
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

    resources! { Thing: "thing", "things"; }

    #[test]
    fn a_resource_is_found_in_each_wrapper() {
        #[track_caller]
        fn check(response: &Value, data: &Value) {
            let One(thing) = One::<Thing>::deserialize(response).unwrap();
            assert_eq!((thing.id, &thing.data), (1, data), "{response}");
        }
        let inside = json!({ "id": 1, "data": { "id": 2 } });
        check(&inside, &json!({ "id": 2 }));
        check(&json!({ "data": inside }), &json!({ "id": 2 }));
        check(&json!({ "thing": inside, "data": { "id": 3 }, "from": "a" }), &json!({ "id": 2 }));
        check(&json!({ "thing": "odd", "data": { "id": 1 } }), &json!(null));
    }

    #[test]
    fn other_shapes_are_errors() {
        for response in [
            json!({}),
            json!(null),
            json!([]),
            json!(7),
            json!({ "data": null }),
            json!({ "data": [{ "id": 1 }] }),
        ] {
            assert!(One::<Thing>::deserialize(&response).is_err(), "{response}");
        }
    }
}
