//! One page of a list, read from any of Kiket's shapes.

use serde::{
    Deserialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};

/// One page of a list, from [`Paginator::next_page`](crate::api::Paginator::next_page).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The page after this one, for [`Paginator::starting_at`](crate::api::Paginator::starting_at); `None` on the last.
    pub next: Option<String>,
    /// The number of items on all pages, if the response has it.
    pub total: Option<u64>,
}

/// Parses the body of a response.
pub(super) type Parse<T> = fn(&[u8]) -> serde_json::Result<T>;

impl<T: DeserializeOwned> Page<T> {
    /// Reads a page of a list whose items are in `data`, else in the member `name`. A page that names no next one is the
    /// last:
    ///
    /// ```text
    /// {"data": […], "meta": {"next_page": 2}}                          null on the last page
    /// {"issues": […], "pagination": {"page": 1, "total_pages": 2}}     or the name of other items
    /// […]
    /// ```
    pub(crate) fn read(json: &[u8], name: &str) -> serde_json::Result<Self> {
        if json.trim_ascii_start().starts_with(b"[") {
            return Ok(Self { items: serde_json::from_slice(json)?, next: None, total: None });
        }
        let Object { data, meta, mut rest } = serde_json::from_slice(json)?;
        let items = match (data, rest.remove(name).filter(Value::is_array)) {
            (Some(data), _) => data,
            (None, Some(named)) => serde_json::from_value(named)?,
            (None, None) => return Err(serde_json::Error::missing_field("data")),
        };
        let meta: Meta =
            meta.or_else(|| serde_json::from_value(rest.remove("pagination")?).ok()).unwrap_or_default();
        let total = [&meta.total, &meta.total_count, rest.get("total").unwrap_or(&Value::Null)];
        let total = total.into_iter().find_map(Value::as_u64);
        let next = meta.next(items.is_empty()).map_err(serde_json::Error::custom)?;
        Ok(Self { items, next, total })
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a list, or an object with one in `data`")]
struct Object<T> {
    data: Option<Vec<T>>,
    meta: Option<Meta>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    /// A number or a text; null on the last page.
    next_page: Value,
    page: Value,
    total_pages: Value,
    total: Value,
    total_count: Value,
}

impl Meta {
    /// The next page. An empty one of counted pages is the last, even if the count is higher.
    fn next(&self, empty: bool) -> Result<Option<String>, &'static str> {
        let counted = self.page.as_u64().zip(self.total_pages.as_u64());
        let counted = counted.filter(|(page, total)| page < total && !empty);
        match &self.next_page {
            Value::Null => Ok(counted.map(|(page, _)| page.saturating_add(1).to_string())),
            Value::Bool(false) => Ok(None),
            Value::String(next) => Ok(Some(next.clone()).filter(|next| !next.is_empty())),
            // Another number went through a float, and may be another page.
            Value::Number(next) if !next.is_f64() => Ok(Some(next.to_string())),
            _ => Err("`next_page` is neither a text nor a whole number of 64 bits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(name: &'static str, response: &Value) -> serde_json::Result<Page<u8>> {
        Page::read(response.to_string().as_bytes(), name)
    }

    #[test]
    fn every_shape_of_a_page_is_read() {
        #[track_caller]
        fn check(name: &'static str, response: &Value, next: Option<&str>, total: Option<u64>) {
            let page = Page { items: vec![1, 2], next: next.map(str::to_owned), total };
            assert_eq!(read(name, response).unwrap(), page, "{response}");
        }
        check("issues", &json!([1, 2]), None, None);
        check("issues", &json!({ "data": [1, 2] }), None, None);
        check("issues", &json!({ "issues": [1, 2], "total": 2, "boards": 7 }), None, Some(2));
        check(
            "members",
            &json!({ "data": [1, 2], "issues": 7, "members": [3], "pagination": 1 }),
            None,
            None,
        );
        check("issues", &json!({ "data": [1, 2], "meta": null }), None, None);
        check(
            "issues",
            &json!({ "data": [1, 2], "meta": { "next_page": "b", "total": 9 } }),
            Some("b"),
            Some(9),
        );
        check("issues", &json!({ "data": [1, 2], "meta": { "page": 3, "next_page": null } }), None, None);
        let counted = |page| json!({ "members": [1, 2], "pagination": { "page": page, "total_pages": 2, "total_count": 4 } });
        check("members", &counted(1), Some("2"), Some(4));
        check("members", &counted(2), None, Some(4));
    }

    #[test]
    fn an_empty_page_of_counted_pages_is_the_last() {
        let page =
            read("issues", &json!({ "data": [], "pagination": { "page": 1, "total_pages": 9 } })).unwrap();
        assert!(page.items.is_empty() && page.next.is_none());
    }

    #[test]
    fn the_name_of_the_next_page_is_a_text_or_a_whole_number() {
        let next = |page: &str| {
            let json = format!(r#"{{"data":[1],"meta":{{"next_page":{page}}}}}"#);
            Page::<u8>::read(json.as_bytes(), "x").map(|page| page.next).map_err(|error| error.to_string())
        };
        for (page, read) in [
            ("2", Some("2")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("-1", Some("-1")),
            (r#""b=""#, Some("b=")),
            (r#""""#, None),
            ("null", None),
            ("false", None),
        ] {
            assert_eq!(next(page), Ok(read.map(str::to_owned)), "{page}");
        }
        for page in ["18446744073709551616", "1.5", "1e3", "true", "[2]", "{}"] {
            assert!(next(page).unwrap_err().contains("`next_page`"), "{page}");
        }
    }

    #[test]
    fn other_shapes_are_errors() {
        for response in [
            json!({}),
            json!(null),
            json!("data"),
            json!({ "data": null }),
            json!({ "data": { "id": 1 } }),
            json!({ "meta": {} }),
            json!({ "data": ["one"] }),
            json!({ "members": [1] }),
            json!([[1], {}]),
        ] {
            assert!(read("issues", &response).is_err(), "{response}");
        }
    }
}
