//! Raw events and evidence.

use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    call::Call,
    fields::{self, Fields},
    pages::positive,
};
use crate::types::rfc3339;

#[derive(Default)]
pub(super) struct Ingestion {
    raw_events: Vec<RawEvent>,
    evidence: Vec<Map<String, Value>>,
}

struct RawEvent {
    fields: Map<String, Value>,
    /// When its last lease ends.
    leased_until: u64,
}

/// What is in a raw event, whoever makes it: text, and beside it an object `payload`.
const RAW_EVENT: [&str; 3] = ["sourceSystem", "sourceEventType", "idempotencyKey"];
const EVIDENCE: [&str; 4] = ["evidenceType", "title", "sourceSystem", "dedupeKey"];

/// How many events a claim has, and how many seconds it lasts: unless told, and at most.
const LIMIT: (usize, usize) = (10, 100);
const LEASE: (usize, usize) = (60, 3600);

/// What is wrong with the fields of a raw event.
pub(super) fn checked(fields: &Map<String, Value>) -> Result<(), Answer> {
    RAW_EVENT.into_iter().fold(Fields::of(fields), Fields::text).object("payload").finish()
}

impl RawEvent {
    fn told(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    fn is(&self, status: &str) -> bool {
        self.fields.get("status").is_some_and(|own| own == status)
    }
}

impl Ingestion {
    /// Adds a raw event, unless there is one with its key; says whether there was.
    pub(super) fn add(
        &mut self,
        mut fields: Map<String, Value>,
        organization: &str,
        now: u64,
    ) -> Result<(Value, bool), Answer> {
        checked(&fields)?;
        let same = |event: &&RawEvent| event.fields.get("idempotencyKey") == fields.get("idempotencyKey");
        if let Some(first) = self.raw_events.iter().find(same) {
            return Ok((first.told(), true));
        }
        let number = self.raw_events.len().saturating_add(1);
        fields.entry("metadata").or_insert(json!({}));
        for (field, value) in [
            ("id", format!("raw-{number}")),
            ("organizationId", organization.to_owned()),
            ("receivedAt", rfc3339(now)),
            ("status", "pending".to_owned()),
        ] {
            fields.insert(field.to_owned(), value.into());
        }
        let event = RawEvent { fields, leased_until: 0 };
        let told = event.told();
        self.raw_events.push(event);
        Ok((told, false))
    }

    pub(super) fn raw_events(&self) -> Vec<Value> {
        self.raw_events.iter().map(RawEvent::told).collect()
    }

    pub(super) fn evidence(&self) -> Vec<Value> {
        self.evidence.iter().cloned().map(Value::Object).collect()
    }

    pub(super) fn contract() -> Answer {
        let raw_event: Vec<_> = RAW_EVENT.into_iter().chain(["payload"]).collect();
        let limits = |(unless_told, most)| json!({ "default": unless_told, "maximum": most });
        Answer::json(
            200,
            &json!({
                "rawEvent": { "required": raw_event },
                "evidence": { "required": EVIDENCE },
                "claim": { "limit": limits(LIMIT), "leaseSeconds": limits(LEASE) },
            }),
        )
    }

    pub(super) fn ingest(&mut self, call: &Call, organization: &str, now: u64) -> Result<Answer, Answer> {
        let (event, duplicate) = self.add(fields::object(call)?, organization, now)?;
        let status = if duplicate { 200 } else { 201 };
        Ok(Answer::json(status, &json!({ "rawEvent": event, "duplicate": duplicate })))
    }

    /// Leases the first events that nobody finished and nobody has a lease on.
    pub(super) fn claim(&mut self, call: &Call, now: u64) -> Result<Answer, Answer> {
        let number = |name, (unless_told, most): (usize, usize)| {
            Ok(positive(call, name)?.unwrap_or(unless_told).min(most))
        };
        let limit = number("limit", LIMIT)?;
        let until = now.saturating_add(number("leaseSeconds", LEASE)? as u64);
        let free =
            |event: &&mut RawEvent| event.is("pending") || event.is("claimed") && event.leased_until <= now;
        let claimed = self.raw_events.iter_mut().filter(free).take(limit).map(|event| {
            event.leased_until = until;
            event.set("status", "claimed");
            event.set("leaseExpiresAt", rfc3339(until));
            event.told()
        });
        Ok(Answer::json(200, &json!({ "rawEvents": claimed.collect::<Vec<_>>() })))
    }

    pub(super) fn process(&mut self, id: &str) -> Result<Answer, Answer> {
        self.finish(id, "processed", None)
    }

    pub(super) fn submit(&mut self, id: &str, call: &Call) -> Result<Answer, Answer> {
        let mut body = fields::object(call)?;
        Fields::of(&body).object("normalized").finish()?;
        self.finish(id, "submitted", body.remove("normalized"))
    }

    fn finish(&mut self, id: &str, status: &str, normalized: Option<Value>) -> Result<Answer, Answer> {
        let found =
            self.raw_events.iter_mut().find(|event| event.fields.get("id").is_some_and(|own| own == id));
        let event = found.ok_or_else(|| Answer::not_found("raw event"))?;
        event.set("status", status);
        event.fields.remove("leaseExpiresAt");
        if let Some(normalized) = normalized {
            event.set("normalized", normalized);
        }
        Ok(Answer::json(200, &json!({ "rawEvent": event.told() })))
    }

    pub(super) fn add_evidence(
        &mut self,
        call: &Call,
        organization: &str,
        now: u64,
    ) -> Result<Answer, Answer> {
        let mut body = fields::object(call)?;
        EVIDENCE.into_iter().fold(Fields::of(&body), Fields::text).finish()?;
        let same = |evidence: &&Map<String, Value>| evidence.get("dedupeKey") == body.get("dedupeKey");
        if let Some(first) = self.evidence.iter().find(same) {
            return Ok(Answer::json(200, &json!({ "evidence": first, "duplicate": true })));
        }
        for (field, value) in [
            ("id", format!("evidence-{}", self.evidence.len().saturating_add(1))),
            ("organizationId", organization.to_owned()),
            ("createdAt", rfc3339(now)),
        ] {
            body.insert(field.to_owned(), value.into());
        }
        self.evidence.push(body.clone());
        Ok(Answer::json(201, &json!({ "evidence": body, "duplicate": false })))
    }
}
