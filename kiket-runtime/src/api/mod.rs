//! What calls to Kiket take and give: a type for each family of calls, reached from [`Endpoints`](crate::Endpoints), and those of its
//! requests and answers.
//!
//! ```
//! use kiket_runtime::{Context, Id, Result, api::SlaFilter};
//!
//! async fn first_alert(context: &Context) -> Result<Option<Id>> {
//!     let mut alerts = context.endpoints().sla_events(7).stream(SlaFilter::default().limit(1));
//!     Ok(alerts.next().await.transpose()?.and_then(|alert| alert.issue_id))
//! }
//! # let _ = first_alert;
//! ```
//!
//! | Calls | Reached by |
//! |---|---|
//! | [`Secrets`] | [`Context::secrets`](crate::Context::secrets), [`Endpoints::secrets`](crate::Endpoints::secrets) |
//! | [`CustomData`] | [`Endpoints::custom_data`](crate::Endpoints::custom_data) |
//! | [`SlaEvents`] | [`Endpoints::sla_events`](crate::Endpoints::sla_events) |
//! | [`IntakeForms`], [`IntakeSubmissions`] | [`Endpoints::intake_forms`](crate::Endpoints::intake_forms) |
//! | [`Issues`] | [`Endpoints::issues`](crate::Endpoints::issues) |
//! | [`Projects`] | [`Endpoints::projects`](crate::Endpoints::projects) |
//! | [`Analytics`] | [`Endpoints::analytics`](crate::Endpoints::analytics) |
//! | [`InboundEmails`] | [`Endpoints::inbound_emails`](crate::Endpoints::inbound_emails) |
//! | [`Audit`] | [`Endpoints::audit`](crate::Endpoints::audit) |
//! | [`Ingestion`] | [`Client::ingestion`](crate::Client::ingestion), [`Endpoints::ingestion`](crate::Endpoints::ingestion) |
//!
//! Answers keep the fields that this version does not know, and may get more of those that it does. Lists that come in
//! pages are [`Items`].

mod analytics;
mod anchor;
mod audit;
mod custom_data;
mod endpoints;
mod inbound_emails;
mod ingestion;
mod intake_forms;
mod intake_submissions;
mod issue_fields;
mod issues;
pub mod merkle;
mod projects;
mod raw_event;
mod secrets;
mod sla;
mod webhook_url;

pub use self::{
    analytics::Analytics,
    anchor::{Anchor, AnchorRecord, AnchorStatus, AuditProof, Verification},
    audit::{AnchorFilter, Audit},
    custom_data::CustomData,
    endpoints::{Endpoints, Level},
    inbound_emails::{EmailAttachment, InboundEmail, InboundEmails, ReceivedEmail},
    ingestion::{Ingested, Ingestion},
    intake_forms::{IntakeField, IntakeForm, IntakeFormFilter, IntakeForms, IntakeStats},
    intake_submissions::{IntakeSubmission, IntakeSubmissions, SubmissionFilter, SubmissionStatus},
    issue_fields::IssueFields,
    issues::{Issue, IssueComment, IssueFilter, Issues},
    projects::{Board, Member, Projects, Workflow},
    raw_event::{Evidence, RawEvent, StoredRawEvent},
    secrets::{SecretEntry, Secrets},
    sla::{SlaEvent, SlaEvents, SlaFilter, SlaState},
    webhook_url::WebhookUrl,
};
pub use crate::{
    client::{Items, RateWindow},
    types::Id,
};
