//! Which call a path and a method are; contract 2.2 and 5.4.

use super::intake_forms::Decision;

/// What a path names.
#[derive(Clone, Copy)]
pub(super) enum Resource<'p> {
    Extension(&'p str),
    Events(&'p str),
    Notifications,
    Metrics,
    Secrets(&'p str),
    Secret(&'p str, &'p str),
    RateLimit,
    Table(&'p str, &'p str),
    Record(&'p str, &'p str, &'p str),
    SlaEvents,
    IntakeForms,
    IntakeForm(&'p str),
    IntakeStats(&'p str),
    IntakeSubmissions(&'p str),
    IntakeSubmission(&'p str, &'p str),
    IntakeDecision(&'p str, &'p str, Decision),
    Issues,
    Issue(&'p str),
    Comments(&'p str),
    Transitions(&'p str),
    Workflows(&'p str),
    Boards(&'p str),
    Members,
    Analytics,
    WebhookUrl,
    InboundEmails,
    Anchors,
    Anchor(&'p str),
    Proof(&'p str),
    Verification,
    IngestionContract,
    RawEvents,
    Claim,
    Processing(&'p str),
    Submission(&'p str),
    Evidence,
    Telemetry,
    /// `/telemetry` below no API: a collector of telemetry that is not Kiket.
    Collector,
    /// Runtime tokens for whoever develops; Kiket gives them to deliveries alone.
    RuntimeTokens,
    /// The keys of runtime tokens.
    Keys,
}

/// What a caller must show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The workspace token.
    Token,
    /// The extension's API key.
    Key,
    /// The API key of the ingestion, and its organisation.
    Ingestion,
    /// Nothing.
    Open,
}

impl<'p> Resource<'p> {
    /// What the decoded segments of a path name. No segment is empty.
    pub(super) fn find(path: &[&'p str]) -> Option<Self> {
        if path.iter().any(|segment| segment.is_empty()) {
            return None;
        }
        let below = match path {
            ["telemetry"] => return Some(Self::Collector),
            ["runtime_tokens"] => return Some(Self::RuntimeTokens),
            [".well-known", "jwks.json"] => return Some(Self::Keys),
            ["api", "v1", below @ ..] => below,
            _ => return None,
        };
        Some(match *below {
            ["extensions", "notifications"] => Self::Notifications,
            ["extensions", "metrics"] => Self::Metrics,
            ["extensions", id] => Self::Extension(id),
            ["extensions", id, "events"] => Self::Events(id),
            ["extensions", id, "secrets"] => Self::Secrets(id),
            ["extensions", id, "secrets", key] => Self::Secret(id, key),
            ["ext", "rate_limit"] => Self::RateLimit,
            ["ext", "custom_data", module, table] => Self::Table(module, table),
            ["ext", "custom_data", module, table, id] => Self::Record(module, table, id),
            ["ext", "sla", "events"] => Self::SlaEvents,
            ["ext", "intake_forms"] => Self::IntakeForms,
            ["ext", "intake_forms", key] => Self::IntakeForm(key),
            ["ext", "intake_forms", key, "stats"] => Self::IntakeStats(key),
            ["ext", "intake_forms", key, "submissions"] => Self::IntakeSubmissions(key),
            ["ext", "intake_forms", key, "submissions", id] => Self::IntakeSubmission(key, id),
            ["ext", "intake_forms", key, "submissions", id, "approve"] => {
                Self::IntakeDecision(key, id, Decision::Approve)
            }
            ["ext", "intake_forms", key, "submissions", id, "reject"] => {
                Self::IntakeDecision(key, id, Decision::Reject)
            }
            ["ext", "issues"] => Self::Issues,
            ["ext", "issues", key] => Self::Issue(key),
            ["ext", "issues", key, "comments"] => Self::Comments(key),
            ["ext", "issues", key, "transitions"] => Self::Transitions(key),
            ["ext", "projects", slug, "workflows"] => Self::Workflows(slug),
            ["ext", "projects", slug, "boards"] => Self::Boards(slug),
            ["ext", "project", "members"] => Self::Members,
            ["ext", "analytics", "events"] => Self::Analytics,
            ["ext", "webhook_url"] => Self::WebhookUrl,
            ["ext", "inbound_emails"] => Self::InboundEmails,
            ["audit", "anchors"] => Self::Anchors,
            ["audit", "anchors", root] => Self::Anchor(root),
            ["audit", "records", id, "proof"] => Self::Proof(id),
            ["audit", "verify"] => Self::Verification,
            ["platform", "extension-ingestion", "contract"] => Self::IngestionContract,
            ["platform", "raw-events"] => Self::RawEvents,
            ["platform", "raw-events", "claim"] => Self::Claim,
            ["platform", "raw-events", id, "process"] => Self::Processing(id),
            ["platform", "raw-events", id, "submit"] => Self::Submission(id),
            ["platform", "evidence"] => Self::Evidence,
            ["ext", "telemetry"] => Self::Telemetry,
            _ => return None,
        })
    }

    pub(super) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Extension(_)
            | Self::Secrets(_)
            | Self::RateLimit
            | Self::SlaEvents
            | Self::IntakeForms
            | Self::IntakeForm(_)
            | Self::IntakeStats(_)
            | Self::IntakeSubmission(..)
            | Self::Workflows(_)
            | Self::Boards(_)
            | Self::Members
            | Self::WebhookUrl
            | Self::Keys
            | Self::Anchors
            | Self::Anchor(_)
            | Self::Proof(_)
            | Self::IngestionContract
            | Self::Claim => &["GET"],
            Self::Events(_)
            | Self::Notifications
            | Self::Metrics
            | Self::Telemetry
            | Self::Collector
            | Self::RuntimeTokens
            | Self::IntakeDecision(..)
            | Self::Comments(_)
            | Self::Transitions(_)
            | Self::Analytics
            | Self::InboundEmails
            | Self::Verification
            | Self::RawEvents
            | Self::Processing(_)
            | Self::Submission(_)
            | Self::Evidence => &["POST"],
            Self::Secret(..) => &["GET", "POST", "PATCH", "DELETE"],
            Self::Table(..) | Self::IntakeSubmissions(_) | Self::Issues => &["GET", "POST"],
            Self::Record(..) => &["GET", "PATCH", "DELETE"],
            Self::Issue(_) => &["GET", "PATCH"],
        }
    }

    pub(super) fn access(&self) -> Access {
        match self {
            Self::Extension(_)
            | Self::Events(_)
            | Self::Notifications
            | Self::Metrics
            | Self::Secrets(_)
            | Self::Secret(..)
            | Self::Anchors
            | Self::Anchor(_)
            | Self::Proof(_)
            | Self::Verification
            | Self::RuntimeTokens => Access::Token,
            Self::RateLimit
            | Self::Table(..)
            | Self::Record(..)
            | Self::SlaEvents
            | Self::Telemetry
            | Self::IntakeForms
            | Self::IntakeForm(_)
            | Self::IntakeStats(_)
            | Self::IntakeSubmissions(_)
            | Self::IntakeSubmission(..)
            | Self::IntakeDecision(..)
            | Self::Issues
            | Self::Issue(_)
            | Self::Comments(_)
            | Self::Transitions(_)
            | Self::Workflows(_)
            | Self::Boards(_)
            | Self::Members
            | Self::Analytics
            | Self::WebhookUrl
            | Self::InboundEmails => Access::Key,
            Self::IngestionContract
            | Self::RawEvents
            | Self::Claim
            | Self::Processing(_)
            | Self::Submission(_)
            | Self::Evidence => Access::Ingestion,
            Self::Collector | Self::Keys => Access::Open,
        }
    }

    /// The extension that it belongs to, where the path says it.
    pub(super) fn extension(&self) -> Option<&'p str> {
        match *self {
            Self::Extension(id) | Self::Events(id) | Self::Secrets(id) | Self::Secret(id, _) => Some(id),
            _ => None,
        }
    }
}
