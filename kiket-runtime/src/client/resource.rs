//! The resources in responses, bare or wrapped in an object.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::page::Page;

/// A type that responses hold, alone or in lists. Its names are those of the members that wrap it.
pub(crate) trait Resource: DeserializeOwned {
    /// The member that wraps one of them, like `issue`.
    const ONE: &str;
    /// The member that wraps a list of them, like `issues`.
    const MANY: &str;

    /// Fails if the resource does not have all required members.
    fn check(&self) -> serde_json::Result<()> {
        Ok(())
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
                    fn check(&self) -> serde_json::Result<()> {
                        $(
                            if self.$field.is_none() {
                                return Err(serde::de::Error::missing_field(stringify!($field)));
                            }
                        )+
                        Ok(())
                    }
                )?
            }
        )*
    };
}

pub(crate) use resources;

/// Reads one resource:
///
/// ```text
/// {"id": 1, …}      {"data": {"id": 1, …}}      {"issue": {"id": 1, …}}
/// ```
pub(super) fn read_one<T: Resource>(json: &[u8]) -> serde_json::Result<T> {
    let mut response: Value = serde_json::from_slice(json)?;
    // What has an id is the resource itself: a submission has a `data` of its own.
    let outer = response.as_object_mut().filter(|fields| !fields.contains_key("id"));
    let wrapped = outer.and_then(|fields| {
        let name = [T::ONE, "data"].into_iter().find(|name| fields.get(*name).is_some_and(Value::is_object));
        fields.remove(name?)
    });
    let resource = T::deserialize(wrapped.unwrap_or(response))?;
    resource.check()?;
    Ok(resource)
}

/// Reads a page of resources.
pub(super) fn read_page<T: Resource>(json: &[u8]) -> serde_json::Result<Page<T>> {
    let page: Page<T> = Page::read(json, T::MANY)?;
    page.items.iter().try_for_each(T::check)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Thing {
        id: u64,
        #[serde(default)]
        data: Value,
    }

    resources! { Thing: "thing", "things"; }

    fn read(response: &Value) -> serde_json::Result<Thing> {
        read_one(response.to_string().as_bytes())
    }

    #[test]
    fn a_resource_is_found_in_each_wrapper() {
        #[track_caller]
        fn check(response: &Value, data: &Value) {
            let thing = read(response).unwrap();
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
            assert!(read(&response).is_err(), "{response}");
        }
    }
}
