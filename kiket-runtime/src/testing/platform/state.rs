//! Everything the platform knows, and what a call does to it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    audit::Audit,
    call::Call,
    credentials::Credentials,
    custom_data::{CustomData, Table},
    inbound_emails::InboundEmails,
    ingestion::Ingestion,
    intake_forms::IntakeForms,
    issues::Issues,
    projects::Projects,
    rate::RateWindow,
    replies::Replies,
    reports::Reports,
    routes::{Access, Resource},
    secrets::Secrets,
    sla::SlaEvents,
    tokens::Tokens,
    webhook_urls::WebhookUrls,
};

pub(super) struct State {
    /// The one extension there is; without it, every id is one.
    pub(super) extension_id: Option<String>,
    /// What is told about the extension besides its id.
    pub(super) metadata: Map<String, Value>,
    pub(super) secrets: Secrets,
    pub(super) custom_data: CustomData,
    pub(super) sla: SlaEvents,
    pub(super) intake_forms: IntakeForms,
    pub(super) issues: Issues,
    pub(super) projects: Projects,
    pub(super) inbound_emails: InboundEmails,
    pub(super) webhook_urls: WebhookUrls,
    pub(super) audit: Audit,
    pub(super) ingestion: Ingestion,
    pub(super) tokens: Tokens,
    pub(super) reports: Reports,
    pub(super) rate: RateWindow,
    pub(super) replies: Replies,
}

impl Default for State {
    fn default() -> Self {
        Self {
            extension_id: None,
            metadata: Map::new(),
            secrets: Secrets::default(),
            custom_data: CustomData::default(),
            sla: SlaEvents::default(),
            intake_forms: IntakeForms::default(),
            issues: Issues::default(),
            projects: Projects::default(),
            inbound_emails: InboundEmails::default(),
            webhook_urls: WebhookUrls::default(),
            audit: Audit::default(),
            ingestion: Ingestion::default(),
            tokens: Tokens::default(),
            reports: Reports::default(),
            rate: RateWindow::new(600, Duration::from_secs(60)),
            replies: Replies::default(),
        }
    }
}

impl State {
    /// Does what `call` asks, whose path below the base has the segments `path`.
    pub(super) fn answer(
        &mut self,
        call: &Call,
        path: &[&str],
        credentials: &Credentials,
        now: u64,
    ) -> Answer {
        self.try_answer(call, path, credentials, now).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(
        &mut self,
        call: &Call,
        path: &[&str],
        credentials: &Credentials,
        now: u64,
    ) -> Result<Answer, Answer> {
        let resource = Resource::find(path).ok_or_else(|| Answer::not_found("path"))?;
        let methods = resource.methods();
        if !methods.contains(&call.method()) {
            let refusal = Answer::error(405, "method_not_allowed", "this path takes other methods");
            return Err(refusal.with_header("allow", methods.join(", ")));
        }
        credentials.admit(call, resource.access(), |token| self.tokens.admit(token, now))?;
        // How long to wait may always be asked, or nobody could find out.
        let counted = if resource.access() == Access::Open { Ok(()) } else { self.rate.take(now) };
        if !matches!(resource, Resource::RateLimit) {
            counted?;
        }
        if let Some(answer) = self.replies.again(call) {
            return Ok(answer);
        }
        let answer =
            self.carry_out(call, &resource, &credentials.organization, now).unwrap_or_else(|refusal| refusal);
        self.replies.keep(call, &answer);
        Ok(answer)
    }

    fn carry_out(
        &mut self,
        call: &Call,
        resource: &Resource<'_>,
        organization: &str,
        now: u64,
    ) -> Result<Answer, Answer> {
        if let (Some(own), Some(asked)) = (&self.extension_id, resource.extension())
            && own != asked
        {
            return Err(Answer::not_found("extension"));
        }
        match (*resource, call.method()) {
            (Resource::Extension(id), _) => Ok(self.metadata(id)),
            (Resource::Events(_), _) => self.reports.event(call),
            (Resource::Notifications, _) => self.reports.notification(call),
            (Resource::Metrics, _) => self.reports.metric(call),
            (Resource::Telemetry | Resource::Collector, _) => self.reports.telemetry(call),
            (Resource::RuntimeTokens, _) => self.tokens.order(call, organization, now),
            (Resource::Keys, _) => Ok(self.tokens.keys()),
            (Resource::RateLimit, _) => Ok(Answer::json(200, &self.rate.told(now))),
            (Resource::SlaEvents, _) => self.sla.list(call),
            (Resource::IntakeForms, _) => self.intake_forms.list(call),
            (Resource::IntakeForm(key), _) => self.intake_forms.get(key, call),
            (Resource::IntakeStats(key), _) => self.intake_forms.stats(key, call, now),
            (Resource::IntakeSubmissions(key), "POST") => self.intake_forms.submit(key, call, now),
            (Resource::IntakeSubmissions(key), _) => self.intake_forms.list_submissions(key, call),
            (Resource::IntakeSubmission(key, id), _) => self.intake_forms.submission(key, id, call),
            (Resource::IntakeDecision(key, id, decision), _) => {
                self.intake_forms.decide(key, id, decision, call, now)
            }
            (Resource::Issues, "POST") => self.issues.create(call, now),
            (Resource::Issues, _) => self.issues.list(call),
            (Resource::Issue(key), "PATCH") => self.issues.update(key, call, now),
            (Resource::Issue(key), _) => self.issues.get(key),
            (Resource::Comments(key), _) => self.issues.comment(key, call, now),
            (Resource::Transitions(key), _) => self.issues.transition(key, call, &self.projects, now),
            (Resource::Workflows(slug), _) => self.projects.part(slug, "workflows", call),
            (Resource::Boards(slug), _) => self.projects.part(slug, "boards", call),
            (Resource::Members, _) => self.projects.members(call),
            (Resource::Analytics, _) => self.reports.analytics(call),
            (Resource::WebhookUrl, _) => self.webhook_urls.get(call),
            (Resource::InboundEmails, _) => self.inbound_emails.create(call),
            (Resource::Anchors, _) => self.audit.list(call),
            (Resource::Anchor(root), _) => self.audit.get(root, call),
            (Resource::Proof(id), _) => self.audit.proof(id, call),
            (Resource::Verification, _) => self.audit.verify(call),
            (Resource::IngestionContract, _) => Ok(Ingestion::contract()),
            (Resource::RawEvents, _) => self.ingestion.ingest(call, organization, now),
            (Resource::Claim, _) => self.ingestion.claim(call, now),
            (Resource::Processing(id), _) => self.ingestion.process(id),
            (Resource::Submission(id), _) => self.ingestion.submit(id, call),
            (Resource::Evidence, _) => self.ingestion.add_evidence(call, organization, now),
            (Resource::Secrets(_), _) => Ok(self.secrets.list()),
            (Resource::Secret(_, key), "POST") => self.secrets.set(key, call, now),
            (Resource::Secret(_, key), "PATCH") => self.secrets.rotate(key, call, now),
            (Resource::Secret(_, key), "DELETE") => Ok(self.secrets.delete(key)),
            (Resource::Secret(_, key), _) => Ok(self.secrets.get(key)),
            (Resource::Table(module, name), "POST") => {
                self.custom_data.create(Table::new(module, name), call)
            }
            (Resource::Table(module, name), _) => self.custom_data.list(&Table::new(module, name), call),
            (Resource::Record(module, name, id), method) => {
                let table = Table::new(module, name);
                match method {
                    "PATCH" => self.custom_data.update(&table, id, call),
                    "DELETE" => self.custom_data.delete(&table, id, call),
                    _ => self.custom_data.get(&table, id, call),
                }
            }
        }
    }

    fn metadata(&self, id: &str) -> Answer {
        let mut metadata = self.metadata.clone();
        metadata.insert("id".into(), json!(id));
        for (field, value) in [("name", id), ("version", "1.0.0")] {
            metadata.entry(field).or_insert_with(|| json!(value));
        }
        Answer::json(200, &Value::Object(metadata))
    }
}
