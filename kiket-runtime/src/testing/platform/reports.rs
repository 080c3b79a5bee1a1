//! What extensions report: events, notifications, metrics, telemetry, analytics.

use serde_json::Value;

use super::{answer::Answer, call::Call, fields};

/// The bodies that were accepted, each kind in its order.
#[derive(Default)]
pub(super) struct Reports {
    pub(super) events: Vec<Value>,
    pub(super) notifications: Vec<Value>,
    pub(super) metrics: Vec<Value>,
    pub(super) telemetry: Vec<Value>,
    pub(super) analytics: Vec<Value>,
}

impl Reports {
    pub(super) fn event(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body = fields::object(call)?;
        fields::Fields::of(&body).text("event").text("version").moment("timestamp").finish()?;
        self.events.push(body.into());
        Ok(Answer::empty(202))
    }

    pub(super) fn notification(&mut self, call: &Call) -> Result<Answer, Answer> {
        const LEVELS: [&str; 4] = ["info", "success", "warning", "error"];
        let body = fields::object(call)?;
        fields::Fields::of(&body).text("title").text("body").word("level", &LEVELS).finish()?;
        self.notifications.push(body.into());
        Ok(Answer::empty(201))
    }

    pub(super) fn metric(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body = fields::object(call)?;
        fields::Fields::of(&body).text("name").number("value").finish()?;
        self.metrics.push(body.into());
        Ok(Answer::empty(202))
    }

    pub(super) fn analytics(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body = fields::object(call)?;
        fields::Fields::of(&body).text("name").maybe_object("properties").finish()?;
        self.analytics.push(body.into());
        Ok(Answer::empty(202))
    }

    pub(super) fn telemetry(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body = fields::object(call)?;
        fields::Fields::of(&body)
            .text("event")
            .text("version")
            .word("status", &["ok", "error"])
            .number("duration_ms")
            .moment("timestamp")
            .finish()?;
        self.telemetry.push(body.into());
        Ok(Answer::empty(202))
    }
}
