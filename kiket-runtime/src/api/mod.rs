//! Calls to Kiket's API: a type for each family of calls, and the types of requests and responses.
//!
//! The families are methods of [`Endpoints`].
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
//! | [`CustomData`], [`Table`] | [`Endpoints::custom_data`](crate::Endpoints::custom_data) |
//! | [`SlaEvents`] | [`Endpoints::sla_events`](crate::Endpoints::sla_events) |
//! | [`IntakeForms`], [`IntakeSubmissions`] | [`Endpoints::intake_forms`](crate::Endpoints::intake_forms) |
//! | [`Issues`] | [`Endpoints::issues`](crate::Endpoints::issues) |
//! | [`Projects`] | [`Endpoints::projects`](crate::Endpoints::projects) |
//! | [`Analytics`] | [`Endpoints::analytics`](crate::Endpoints::analytics) |
//! | [`InboundEmails`] | [`Endpoints::inbound_emails`](crate::Endpoints::inbound_emails) |
//! | [`Audit`] | [`Endpoints::audit`](crate::Endpoints::audit) |
//! | [`Ingestion`] | [`Endpoints::ingestion`](crate::Endpoints::ingestion) |
//!
//! Responses keep the fields that this version does not know in `extra`, without `authentication` and `secrets`, and may get
//! more fields. Lists that come in
//! pages are read by a [`Paginator`].

#![allow(clippy::missing_errors_doc)] // the type of each family documents the errors of its functions

mod analytics;
mod audit;
mod bodies;
mod custom_data;
mod endpoints;
mod inbound_emails;
mod ingestion;
mod intake_forms;
mod intake_submissions;
mod issues;
pub mod merkle;
mod projects;
mod secrets;
mod setters;
mod sla;

pub use self::{
    analytics::Analytics,
    audit::{Anchor, AnchorFilter, AnchorRecord, AnchorStatus, Audit, AuditProof, Verification},
    custom_data::{CustomData, Query, Table},
    endpoints::{Endpoints, Level, WebhookUrl},
    inbound_emails::{EmailAttachment, InboundEmail, InboundEmails, ReceivedEmail},
    ingestion::{Evidence, Ingested, Ingestion, RawEvent, StoredRawEvent},
    intake_forms::{IntakeField, IntakeForm, IntakeFormFilter, IntakeForms, IntakeStats},
    intake_submissions::{IntakeSubmission, IntakeSubmissions, SubmissionFilter, SubmissionStatus},
    issues::{IssueFields, IssueFilter, Issues},
    projects::{Board, Projects, Workflow},
    secrets::{SecretEntry, Secrets},
    sla::{SlaEvents, SlaFilter},
};
pub use crate::{
    client::{Page, Paginator, RateWindow},
    model::{Actor, Comment, Issue, IssueRef, Member, SlaDefinition, SlaEvent, SlaMetrics, SlaState},
    types::{Id, IntoOption},
};
