//! The e-mails that extensions hand to the platform.

use serde_json::{Value, json};

use super::{
    answer::Answer,
    call::Call,
    fields::{self, Fields},
};

#[derive(Default)]
pub(super) struct InboundEmails(Vec<Value>);

impl InboundEmails {
    pub(super) fn all(&self) -> Vec<Value> {
        self.0.clone()
    }

    pub(super) fn create(&mut self, call: &Call) -> Result<Answer, Answer> {
        let mut email = fields::inner(call, "inbound_email")?;
        Fields::of(&email).text("from_email").text("to_email").finish()?;
        let id = self.0.len().saturating_add(1);
        email.insert("id".into(), id.into());
        email.insert("status".into(), "pending".into());
        self.0.push(email.into());
        Ok(Answer::json(201, &json!({ "id": id, "status": "pending" })))
    }
}
