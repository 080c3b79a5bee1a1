//! Pagination: the items of a list, through all its pages.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    future::poll_fn,
    hash::BuildHasher as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::{
    Client,
    page::{Page, Parse},
    request::Request,
};
use crate::error::{ClientError, ClientErrorKind};

/// The items of a list, through all its pages: the next page is fetched when the one before is used up.
///
/// It is a [`Stream`](futures_core::Stream), and can be used without one:
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// # use kiket_runtime::api::SlaFilter;
/// let mut events = context.endpoints().sla_events(7).stream(SlaFilter::default());
/// while let Some(event) = events.next().await {
///     tracing::info!("{:?}", event?.issue_id);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Or page by page, to go on from a later one another time:
///
/// ```
/// # use kiket_runtime::api::SlaFilter;
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// let list = || context.endpoints().sla_events(7).stream(SlaFilter::default().limit(50));
/// if let Some(page) = list().next_page().await {
///     let page = page?;
///     assert_eq!((page.items.len(), &page.next), (0, &None));
///     let rest = list().starting_at(page.next);
/// #   let _ = rest;
/// }
/// # Ok(())
/// # }
/// ```
///
/// It ends after the first error. A list whose pages have no end is an error, [`ClientErrorKind::EndlessPages`]: one names an
/// earlier page as the next, or ten in a row are empty.
#[must_use = "a paginator fetches nothing until you ask for its items"]
pub struct Paginator<T> {
    client: Client,
    list: Request,
    parse: Parse<Page<T>>,
    /// The page that is fetched next; `None` is the first.
    page: Option<String>,
    /// Whether the last page was fetched.
    ended: bool,
    /// The hashes of the pages that were fetched.
    fetched: HashSet<u64>,
    /// How many empty pages were fetched in a row.
    empty: usize,
    total: Option<u64>,
    items: VecDeque<T>,
    fetching: Option<Fetching<T>>,
}

/// How many pages in a row may be empty: filters of Kiket's may leave some so.
const EMPTY_PAGES: usize = 10;

type Fetching<T> = Pin<Box<dyn Future<Output = Result<Page<T>, ClientError>> + Send>>;

impl<T> Paginator<T> {
    /// The items of the list that `list` asks for.
    pub(crate) fn new(client: Client, list: Request, parse: Parse<Page<T>>) -> Self {
        Self {
            client,
            list,
            parse,
            page: None,
            ended: false,
            fetched: HashSet::new(),
            empty: 0,
            total: None,
            items: VecDeque::new(),
            fetching: None,
        }
    }

    /// The items of the first page. The future holds none of them: it is `Send` for every `T`.
    pub(crate) fn first(self) -> impl Future<Output = Result<Vec<T>, ClientError>> {
        let Self { client, list, parse, page, .. } = self;
        async move { Ok(client.read(&list.maybe_query("page", page), parse).await?.items) }
    }

    /// Begins with another page than the first: one that was the [`next`](Page::next) of an earlier page.
    pub fn starting_at(mut self, page: impl Into<Option<String>>) -> Self {
        self.page = page.into();
        self
    }
}

impl<T: DeserializeOwned + Send + 'static> Paginator<T> {
    /// The next item; `None` after the last.
    ///
    /// # Errors
    ///
    /// When the call for the next page fails, or an item is not a `T`.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        poll_fn(|context| self.poll_item(context)).await
    }

    /// The next page, or the items of the current one that [`next`](Self::next) has left; `None` after the last.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next).
    pub async fn next_page(&mut self) -> Option<Result<Page<T>, ClientError>> {
        if self.items.is_empty() {
            return poll_fn(|context| self.poll_page(context)).await;
        }
        let next = self.page.clone().filter(|_| !self.ended);
        Some(Ok(Page { items: std::mem::take(&mut self.items).into(), next, total: self.total }))
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, ClientError>>> {
        while self.items.is_empty() {
            let Some(page) = ready!(self.poll_page(context)?) else { break };
            self.items = page.items.into();
        }
        Poll::Ready(self.items.pop_front().map(Ok))
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Page<T>, ClientError>>> {
        let fetching = match &mut self.fetching {
            Some(fetching) => fetching,
            None if self.ended => return Poll::Ready(None),
            None => {
                if let Some(endless) = self.endless() {
                    self.ended = true;
                    let call = self.list.call();
                    let error = ClientError::new(ClientErrorKind::EndlessPages, call, endless);
                    return Poll::Ready(Some(Err(error)));
                }
                let request = self.list.clone().maybe_query("page", self.page.as_ref());
                let (client, parse) = (self.client.clone(), self.parse);
                self.fetching.insert(Box::pin(async move { client.read(&request, parse).await }))
            }
        };
        let fetched = ready!(fetching.as_mut().poll(context));
        self.fetching = None;
        self.ended = true;
        Poll::Ready(Some(fetched.inspect(|page| {
            self.total = page.total;
            self.empty = if page.items.is_empty() { self.empty.saturating_add(1) } else { 0 };
            self.ended = page.next.is_none();
            self.page.clone_from(&page.next);
        })))
    }

    /// Why the pages have no end, if the next one shows it.
    fn endless(&mut self) -> Option<String> {
        if self.empty >= EMPTY_PAGES {
            return Some(format!(
                "the list has no end: {EMPTY_PAGES} pages in a row are empty and name a next one"
            ));
        }
        let page = self.page.as_ref()?;
        let again = !self.fetched.insert(self.fetched.hasher().hash_one(page));
        let start: String = page.chars().take(60).collect();
        again.then(|| format!("the list has no end: its pages name the page `{start}` twice"))
    }
}

/// No part of it is pinned in place.
impl<T> Unpin for Paginator<T> {}

impl<T: DeserializeOwned + Send + 'static> Stream for Paginator<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context)
    }
}

impl<T> fmt::Debug for Paginator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paginator").field("page", &self.page).finish_non_exhaustive()
    }
}
