//! Lists that come in pages.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::stream::try_unfold;
use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Value};

use super::{Client, request::Request};
use crate::error::ClientError;

/// A page of a list, in any of its spellings; what names no other page is all there is:
///
/// ```text
/// {"data": […], "meta": {"next_page": 2}}                          null on the last page
/// {"issues": […], "pagination": {"page": 1, "total_pages": 2}}     or what else the items are called
/// […]
/// ```
struct Page<T> {
    data: VecDeque<T>,
    /// A number or a text; null on the last page.
    next_page: Value,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Page<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spellings(PhantomData))
    }
}

struct Spellings<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Spellings<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or an object with one in `data`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Page<T>, A::Error> {
        let data = VecDeque::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Page { data, next_page: Value::Null })
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Page<T>, A::Error> {
        let Object { data, meta, mut rest } = Object::deserialize(MapAccessDeserializer::new(object))?;
        let named = NAMES.into_iter().filter_map(|name| rest.remove(name)).find(Value::is_array);
        let data = match (data, named) {
            (Some(data), _) => data,
            (None, Some(named)) => VecDeque::deserialize(named).map_err(A::Error::custom)?,
            (None, None) => return Err(A::Error::missing_field("data")),
        };
        let meta =
            meta.or_else(|| serde_json::from_value(rest.remove("pagination")?).ok()).unwrap_or_default();
        let next_page = meta.next_page(data.is_empty());
        Ok(Page { data, next_page })
    }
}

/// What the items may be called, where it is not `data`.
const NAMES: [&str; 7] =
    ["anchors", "intake_forms", "submissions", "issues", "workflows", "boards", "members"];

#[derive(Deserialize)]
struct Object<T> {
    data: Option<VecDeque<T>>,
    meta: Option<Meta>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    next_page: Value,
    page: Value,
    total_pages: Value,
}

impl Meta {
    /// Where pages are counted, an empty one is the last, whatever the count says.
    fn next_page(self, empty: bool) -> Value {
        match (self.next_page, self.page.as_u64(), self.total_pages.as_u64()) {
            (Value::Null, Some(page), Some(total)) if page < total && !empty => page.saturating_add(1).into(),
            (next_page, ..) => next_page,
        }
    }
}

impl Client {
    /// Makes a call whose answer is a list, or its first page.
    pub(crate) async fn list<T: DeserializeOwned>(&self, request: Request) -> Result<Vec<T>, ClientError> {
        let page: Page<T> = self.send(request).await?;
        Ok(page.data.into())
    }
}

/// The items of a list, through all its pages: the next page is asked for when the one before is used up.
///
/// A [`Stream`](futures_core::Stream), and without one:
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// # use kiket_runtime::api::SlaFilter;
/// let mut events = context.endpoints().sla_events(7).stream(SlaFilter::default());
/// while let Some(event) = events.next().await {
///     println!("{:?}", event?.issue_id);
/// }
/// # Ok(())
/// # }
/// ```
///
/// It ends after the first error.
#[must_use = "a list is walked by asking for its items"]
pub struct Items<T>(Pin<Box<dyn Stream<Item = Result<T, ClientError>> + Send>>);

impl<T: DeserializeOwned + Send + 'static> Items<T> {
    /// The items of the list that `first` asks for.
    pub(crate) fn of(client: Client, first: Result<Request, ClientError>) -> Self {
        Self::from_page(client, first, Value::Null)
    }

    /// The items of the list that `list` asks for, from this page on.
    pub(crate) fn from_page(client: Client, list: Result<Request, ClientError>, page: Value) -> Self {
        let walk = Walk { client, next: Some(list), page, items: VecDeque::new() };
        Self(Box::pin(try_unfold(walk, Walk::step)))
    }
}

impl<T> Items<T> {
    /// The next item; `None` after the last.
    ///
    /// # Errors
    ///
    /// When the call for the next page fails, or an item is not a `T`.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items")
    }
}

struct Walk<T> {
    client: Client,
    /// The list that is walked; none after its last page.
    next: Option<Result<Request, ClientError>>,
    /// Which page is next; null for the first.
    page: Value,
    items: VecDeque<T>,
}

impl<T: DeserializeOwned> Walk<T> {
    async fn step(mut self) -> Result<Option<(T, Self)>, ClientError> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some((item, self)));
            }
            let Some(list) = self.next.take() else { return Ok(None) };
            let list = list?;
            let request = match &self.page {
                Value::Null => list.clone(),
                Value::String(page) => list.clone().query("page", page),
                page => list.clone().query("page", &page.to_string()),
            };
            let Page { data, next_page } = self.client.send(request).await?;
            self.items = data;
            // A page that names itself as the next one would never end.
            if !next_page.is_null() && next_page != self.page {
                self.next = Some(Ok(list));
                self.page = next_page;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_of_a_page_is_read() {
        #[track_caller]
        fn check(answer: &Value, next: &Value) {
            let page: Page<u8> = serde_json::from_str(&answer.to_string()).unwrap();
            assert_eq!((page.data, &page.next_page), (VecDeque::from([1, 2]), next), "{answer}");
        }
        check(&json!([1, 2]), &json!(null));
        check(&json!({ "data": [1, 2] }), &json!(null));
        check(&json!({ "issues": [1, 2], "total": 2, "boards": 7 }), &json!(null));
        check(&json!({ "data": [1, 2], "issues": 7, "members": [3], "pagination": 1 }), &json!(null));
        check(&json!({ "data": [1, 2], "meta": null }), &json!(null));
        check(&json!({ "data": [1, 2], "meta": { "next_page": "b" } }), &json!("b"));
        check(&json!({ "data": [1, 2], "meta": { "page": 3, "next_page": null } }), &json!(null));
        check(&json!({ "members": [1, 2], "pagination": { "page": 1, "total_pages": 2 } }), &json!(2));
        check(&json!({ "members": [1, 2], "pagination": { "page": 2, "total_pages": 2 } }), &json!(null));
    }

    #[test]
    fn an_empty_page_is_the_last_of_those_that_are_counted() {
        let page: Page<u8> =
            serde_json::from_str(r#"{"data":[],"pagination":{"page":1,"total_pages":9}}"#).unwrap();
        assert!(page.data.is_empty() && page.next_page.is_null());
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for answer in [
            json!({}),
            json!(null),
            json!("data"),
            json!({ "data": null }),
            json!({ "data": { "id": 1 } }),
            json!({ "meta": {} }),
            json!({ "data": ["one"] }),
            json!([[1], {}]),
        ] {
            assert!(serde_json::from_str::<Page<u8>>(&answer.to_string()).is_err(), "{answer}");
        }
    }
}
