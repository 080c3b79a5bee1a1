//! The SLA events of a project.

use super::setters::filter;
use crate::{
    client::{Client, Paginator, Request},
    error::ClientError,
    model::{SlaEvent, SlaState},
    types::Id,
};

/// The SLA events of a project: which issues are about to be late, or are.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use kiket_runtime::api::{SlaFilter, SlaState};
///
/// let imminent = SlaFilter::default().state(SlaState::Imminent).limit(5);
/// for event in context.endpoints().sla_events(7).list(imminent).await? {
///     tracing::info!("{:?} is {:?}", event.issue_id, event.state);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when the project is blank, and when the call fails.
#[derive(Debug, Clone)]
pub struct SlaEvents {
    pub(super) client: Client,
    pub(super) project: String,
}

filter! {
    /// Query parameters for listing SLA events. Matches everything by default.
    #[must_use = "a filter filters nothing until it is given to `list`"]
    SlaFilter:
    /// Only events of this issue.
    issue(into Id) => issue_id: Id;
    /// Only events in this state.
    state(SlaState) => state: SlaState;
    /// At most this many events; of a stream, this many per page.
    limit(u32) => limit: u32;
}

impl SlaEvents {
    /// The events that `filter` matches: one page of them.
    pub async fn list(&self, filter: SlaFilter) -> Result<Vec<SlaEvent>, ClientError> {
        self.stream(filter).first().await
    }

    /// The events that `filter` matches, through all pages.
    pub fn stream(&self, filter: SlaFilter) -> Paginator<SlaEvent> {
        let list = Request::get(&["ext", "sla", "events"]).of_project(&self.project);
        self.client.pages(list.params(filter))
    }
}
