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

pub use crate::client::{
    Analytics, Anchor, AnchorFilter, AnchorRecord, AnchorStatus, Audit, AuditProof, Board, CustomData,
    EmailAttachment, Evidence, InboundEmail, InboundEmails, Ingested, Ingestion, IntakeField, IntakeForm,
    IntakeFormFilter, IntakeForms, IntakeStats, IntakeSubmission, IntakeSubmissions, Issue, IssueComment,
    IssueFields, IssueFilter, Issues, Items, Member, Projects, RateWindow, RawEvent, ReceivedEmail,
    SecretEntry, Secrets, SlaEvent, SlaEvents, SlaFilter, SlaState, StoredRawEvent, SubmissionFilter,
    SubmissionStatus, Verification, WebhookUrl, Workflow,
};
