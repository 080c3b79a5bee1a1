//! SLA events, with their definitions and measurements.

use std::fmt;

use kiket_macros::Model;
use serde::{Deserialize, Serialize};

use super::{extra::Extra, members::plain_id};
use crate::{
    client::resources,
    types::{Id, Timestamp},
};

/// The state of an issue's SLA.
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

/// The word in calls and responses.
impl fmt::Display for SlaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An SLA event: an issue that is about to be late, late, or on time again.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "an SLA event, as an object")]
#[non_exhaustive]
pub struct SlaEvent {
    /// The id.
    #[model(new)]
    pub id: Option<Id>,
    /// The issue; `None` if the event is about something else, like a case, which is then in `extra`.
    pub issue_id: Option<Id>,
    /// The project of the issue.
    pub project_id: Option<Id>,
    /// The state of the issue.
    #[model(serde)]
    pub state: Option<SlaState>,
    /// The start of the state.
    pub triggered_at: Option<Timestamp>,
    /// The end of the state.
    pub resolved_at: Option<Timestamp>,
    /// The definition of the SLA.
    pub definition: SlaDefinition,
    /// The measurements.
    pub metrics: SlaMetrics,
    /// The fields that this version does not know.
    pub extra: Extra,
}

resources! { SlaEvent: "sla_event", "sla_events", requires id state; }

/// The definition of an SLA: how long an issue may be in a status.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "the definition of an SLA, as an object or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct SlaDefinition {
    /// The id.
    pub id: Option<Id>,
    /// The key of the status in which the time counts.
    #[model(lenient)]
    pub status: Option<String>,
    /// The key of the issue type.
    #[model(lenient)]
    pub issue_type: Option<String>,
    /// The maximum duration, in minutes.
    pub max_duration_minutes: Option<f64>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

plain_id!(SlaDefinition);

/// The measurements of an SLA: how long an issue was in a status.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "the measurements of an SLA, an object")]
#[non_exhaustive]
pub struct SlaMetrics {
    /// The duration, in minutes.
    pub duration_minutes: Option<f64>,
    /// The minutes past the maximum.
    pub overdue_minutes: Option<f64>,
    /// The fields that this version does not know.
    pub extra: Extra,
}
