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

/// A page of a list: `{"data": […], "meta": {"next_page": 2}}`. A list without `meta` is all there is.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: VecDeque<T>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize, Default)]
struct Meta {
    /// A number or a text; `null` on the last page.
    #[serde(default)]
    next_page: Value,
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
        let walk = Walk { client, next: Some(first), page: Value::Null, items: VecDeque::new() };
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
            let Page { data, meta: Meta { next_page } } = self.client.send(request).await?;
            self.items = data;
            // A page that names itself as the next one would never end.
            if !next_page.is_null() && next_page != self.page {
                self.next = Some(Ok(list));
                self.page = next_page;
            }
        }
    }
}
