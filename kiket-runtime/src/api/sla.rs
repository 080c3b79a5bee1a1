//! The service level events of a project.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::Id;
use crate::{
    client::{Client, Paginator, Request, resources},
    error::ClientError,
};

/// The service level events of a project: which issues are about to be late, or are.
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
#[derive(Debug, Clone)]
pub struct SlaEvents {
    client: Client,
    project: String,
}

/// Which events are asked for: all of them, until something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter filters nothing until it is given to `list`"]
pub struct SlaFilter {
    issue_id: Option<String>,
    state: Option<SlaState>,
    limit: Option<u32>,
}

impl SlaFilter {
    /// Those of one issue.
    pub fn issue(mut self, id: impl fmt::Display) -> Self {
        self.issue_id = Some(id.to_string());
        self
    }

    /// Those in one state.
    pub fn state(mut self, state: SlaState) -> Self {
        self.state = Some(state);
        self
    }

    /// At most so many; in a stream, so many a page.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
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
    /// In time again.
    Recovered,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The word for it, as calls and answers have it.
impl fmt::Display for SlaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An issue that is about to be late, late, or in time again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SlaEvent {
    /// The id of the event.
    pub id: Id,
    /// The issue; `None` where it is about something else, like a case, which is then in `more`.
    #[serde(default)]
    pub issue_id: Option<Id>,
    /// Its project.
    #[serde(default)]
    pub project_id: Option<Id>,
    /// How late it is.
    pub state: SlaState,
    /// Since when, as Kiket writes it.
    #[serde(default)]
    pub triggered_at: Option<String>,
    /// Until when, as Kiket writes it.
    #[serde(default)]
    pub resolved_at: Option<String>,
    /// The rule, as it is written at Kiket.
    #[serde(default)]
    pub definition: Value,
    /// What was measured.
    #[serde(default)]
    pub metrics: Value,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

resources! { SlaEvent: "sla_event", "sla_events"; }

impl SlaEvents {
    pub(crate) fn new(client: Client, project: String) -> Self {
        Self { client, project }
    }

    /// The events that `filter` lets through.
    ///
    /// # Errors
    ///
    /// When the project is blank, or the call fails.
    pub async fn list(&self, filter: SlaFilter) -> Result<Vec<SlaEvent>, ClientError> {
        self.client.list(self.listing(filter)?).await
    }

    /// All events that `filter` lets through, page by page as they are asked for.
    pub fn stream(&self, filter: SlaFilter) -> Paginator<SlaEvent> {
        Paginator::new(self.client.clone(), self.listing(filter))
    }

    fn listing(&self, filter: SlaFilter) -> Result<Request, ClientError> {
        let SlaFilter { issue_id, state, limit } = filter;
        let request = Request::new(Method::GET, &["ext", "sla", "events"])?.of_project(&self.project)?;
        let request = request.maybe_query("issue_id", issue_id).maybe_query("state", state);
        Ok(request.maybe_query("limit", limit))
    }
}
