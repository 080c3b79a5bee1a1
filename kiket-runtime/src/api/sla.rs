//! The SLA events of a project.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::setters::setters;
use crate::{
    client::{Client, Paginator, Request, resources},
    error::ClientError,
    types::{Id, Timestamp},
};

/// The SLA events of a project: which issues are about to be late, or are.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use kiket_runtime::api::{SlaFilter, SlaState};
///
/// let imminent = SlaFilter::default().state(SlaState::Imminent).limit(5);
/// for event in context.endpoints().sla_events(7).list(imminent).await? {
///     println!("{:?} is {}", event.issue_id, event.state);
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
    client: Client,
    project: String,
}

/// Query parameters for listing SLA events. Matches everything by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[must_use = "a filter filters nothing until it is given to `list`"]
pub struct SlaFilter {
    issue_id: Option<Id>,
    state: Option<SlaState>,
    limit: Option<u32>,
}

setters! {
    SlaFilter:
    /// Only events of this issue.
    issue(into Id) => issue_id;
    /// Only events in this state.
    state(SlaState) => state;
    /// At most this many events; of a stream, this many per page.
    limit(u32) => limit;
}

/// How late an issue is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SlaState {
    /// About to be late.
    Imminent,
    /// Late.
    Breached,
    /// On time again.
    Recovered,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The word that calls and responses have for it.
impl fmt::Display for SlaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An SLA event: an issue that is about to be late, late, or on time again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SlaEvent {
    /// The id of the event.
    pub id: Id,
    /// The issue; `None` if the event is about something else, like a case, which is then in `extra`.
    pub issue_id: Option<Id>,
    /// The project of the issue.
    pub project_id: Option<Id>,
    /// The state of the issue.
    pub state: SlaState,
    /// The start of the state.
    pub triggered_at: Option<Timestamp>,
    /// The end of the state.
    pub resolved_at: Option<Timestamp>,
    /// The SLA's definition.
    #[serde(default)]
    pub definition: Value,
    /// The measurements.
    #[serde(default)]
    pub metrics: Value,
    /// The fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

resources! { SlaEvent: "sla_event", "sla_events"; }

impl SlaEvents {
    pub(crate) fn new(client: Client, project: String) -> Self {
        Self { client, project }
    }

    /// The events that `filter` matches: one page of them.
    pub async fn list(&self, filter: SlaFilter) -> Result<Vec<SlaEvent>, ClientError> {
        self.client.list(self.listing(filter)?).await
    }

    /// The events that `filter` matches, through all pages.
    pub fn stream(&self, filter: SlaFilter) -> Paginator<SlaEvent> {
        Paginator::new(self.client.clone(), self.listing(filter))
    }

    fn listing(&self, filter: SlaFilter) -> Result<Request, ClientError> {
        Request::new(Method::GET, &["ext", "sla", "events"])?.of_project(&self.project)?.params(filter)
    }
}
