//! The SLA events, which only a seed or a test makes.

use serde_json::Value;

use super::{
    answer::Answer,
    call::Call,
    items::{Item, fill, is_called},
    pages::{page, project, word},
};

#[derive(Default)]
pub(super) struct SlaEvents(Vec<Item>);

/// The fields that every event has, if only as `null`.
const FIELDS: [&str; 7] =
    ["issue_id", "project_id", "state", "triggered_at", "resolved_at", "definition", "metrics"];

const STATES: [&str; 3] = ["imminent", "breached", "recovered"];

impl SlaEvents {
    /// Adds an event; without an id it gets the next number.
    pub(super) fn add(&mut self, mut event: Item) {
        fill(&mut event, [("id", self.0.len().saturating_add(1).into())]);
        fill(&mut event, FIELDS.map(|field| (field, Value::Null)));
        self.0.push(event);
    }

    pub(super) fn list(&self, call: &Call) -> Result<Answer, Answer> {
        let project = project(call)?;
        let issue = call.query_value("issue_id");
        let state = word(call, "state", &STATES)?;
        let is = |event: &Item, field, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| is_called(event, &[field], wanted))
        };
        let found = self.0.iter().filter(|event| {
            is(event, "project_id", Some(project))
                && is(event, "issue_id", issue)
                && is(event, "state", state)
        });
        page(call, &found.cloned().map(Value::Object).collect::<Vec<_>>(), None)
    }
}
