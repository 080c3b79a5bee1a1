//! Lists that come in pages.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::stream::try_unfold;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Client, ClientError, request::Request};

/// A page of a list, in either of its spellings. A list that tells nothing of pages is all there is.
///
/// ```text
/// {"data": […], "meta": {"next_page": 2}}
/// {"anchors": […], "pagination": {"page": 1, "total_pages": 2}}
/// ```
#[derive(Deserialize)]
pub(super) struct Page<T> {
    #[serde(alias = "anchors")]
    pub(super) data: VecDeque<T>,
    #[serde(default, alias = "pagination")]
    meta: Meta,
}

#[derive(Deserialize, Default)]
struct Meta {
    /// A number or a text; `null` on the last page.
    #[serde(default)]
    next_page: Value,
    #[serde(default)]
    page: u64,
    #[serde(default)]
    total_pages: u64,
}

impl<T> Page<T> {
    /// Which page comes next; null after the last. Where pages are counted, an empty one is the last, whatever the
    /// count says.
    fn next(&self) -> Value {
        let Meta { next_page, page, total_pages } = &self.meta;
        match next_page {
            Value::Null if page < total_pages && !self.data.is_empty() => page.saturating_add(1).into(),
            next => next.clone(),
        }
    }
}

/// The items of a list, through all its pages: the next page is asked for when the one before is used up.
///
/// A [`Stream`](futures_core::Stream), and without one:
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// # use kiket_runtime::SlaFilter;
/// let mut events = context.endpoints().sla_events(7).stream(SlaFilter::default());
/// while let Some(event) = events.next().await {
///     println!("issue {}", event?.issue_id);
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
    pub(super) fn of(client: Client, first: Result<Request, ClientError>) -> Self {
        Self::from_page(client, first, Value::Null)
    }

    /// The items of the list that `list` asks for, from this page on.
    pub(super) fn from_page(client: Client, list: Result<Request, ClientError>, page: Value) -> Self {
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
            let page: Page<T> = self.client.send(request).await?;
            let next_page = page.next();
            self.items = page.data;
            // A page that names itself as the next one would never end.
            if !next_page.is_null() && next_page != self.page {
                self.next = Some(Ok(list));
                self.page = next_page;
            }
        }
    }
}
