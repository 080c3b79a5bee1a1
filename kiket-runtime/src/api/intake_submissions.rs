//! The submissions of an intake form.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{bodies::bodies, setters::filter};
use crate::{
    client::{Client, Paginator, Request},
    error::ClientError,
    types::{Id, Timestamp},
};

/// The submissions of an intake form, and the decisions about them.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # platform.add_intake_form(7, serde_json::json!({ "key": "bug-report" }));
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// use kiket_runtime::api::{SubmissionFilter, SubmissionStatus};
/// use serde_json::json;
///
/// let submissions = context.endpoints().intake_forms(7).submissions("bug-report");
/// let sent = submissions.create(&json!({ "title": "No login" }), json!({ "source": "mail" })).await?;
/// let also = submissions.create(&json!({ "title": "Spam" }), ()).await?;
///
/// submissions.approve(&sent.id, "Seen it, too").await?;
/// submissions.reject(&also.id, None).await?;
/// assert_eq!(submissions.get(&sent.id).await?.status, SubmissionStatus::Approved);
///
/// let pending = SubmissionFilter::default().status(SubmissionStatus::Pending);
/// assert!(submissions.list(pending).await?.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when the project is blank; when the key of the form or an id is empty, `.` or `..`; and when the
/// call fails.
#[derive(Debug, Clone)]
pub struct IntakeSubmissions {
    pub(super) client: Client,
    pub(super) project: String,
    pub(super) form: String,
}

filter! {
    /// Query parameters for listing submissions. Matches everything by default.
    #[must_use = "a filter filters nothing until it is given to `list`"]
    SubmissionFilter:
    /// Only submissions in this status.
    status(SubmissionStatus) => status: SubmissionStatus;
    /// At most this many submissions; of a stream, this many per page.
    limit(u32) => limit: u32;
    /// Only submissions from this time or later: a `SystemTime`, or RFC 3339.
    since(into Timestamp) => since: Timestamp;
}

/// The status of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SubmissionStatus {
    /// Not decided yet.
    Pending,
    /// Approved.
    Approved,
    /// Rejected.
    Rejected,
    /// Converted into an issue.
    Converted,
    /// A status that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The word in calls and responses.
impl fmt::Display for SubmissionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

bodies! {
    /// A submission.
    pub struct IntakeSubmission = "submission", "submissions" {
        /// The id of the submission.
        pub id: Id,
        /// The id of the form.
        pub intake_form_id: Option<Id>,
        /// The status.
        pub status: SubmissionStatus,
        /// The values of the form's fields, by key.
        #[serde(default)]
        pub data: Value,
        /// The metadata.
        #[serde(default)]
        pub metadata: Value,
        /// The e-mail address of the submitter.
        pub submitted_by_email: Option<String>,
        /// The reviewer: an id, a name, or an object with both.
        #[serde(default)]
        pub reviewed_by: Value,
        /// The time of the review.
        pub reviewed_at: Option<Timestamp>,
        /// The notes on the decision.
        pub notes: Option<String>,
        /// The time of the submission.
        pub created_at: Option<Timestamp>,
        /// The time of the last change.
        pub updated_at: Option<Timestamp>,
    }
}

impl IntakeSubmissions {
    /// The submissions that `filter` matches: one page of them.
    pub async fn list(&self, filter: SubmissionFilter) -> Result<Vec<IntakeSubmission>, ClientError> {
        self.stream(filter).first().await
    }

    /// The submissions that `filter` matches, through all pages.
    pub fn stream(&self, filter: SubmissionFilter) -> Paginator<IntakeSubmission> {
        self.client.pages(self.request(Method::GET, &[]).of_project(&self.project).params(filter))
    }

    /// The submission `id`.
    pub async fn get(&self, id: impl fmt::Display) -> Result<IntakeSubmission, ClientError> {
        self.client.one(self.request(Method::GET, &[&id.to_string()]).of_project(&self.project)).await
    }

    /// Creates a submission. `data` has the values of the form's fields, by key; `metadata` is further data, or `()`.
    ///
    /// # Errors
    ///
    /// Also when `data` or `metadata` cannot be JSON.
    pub async fn create(
        &self,
        data: &impl Serialize,
        metadata: impl Serialize,
    ) -> Result<IntakeSubmission, ClientError> {
        #[derive(Serialize)]
        struct Sent<'s, D> {
            project_id: &'s str,
            data: &'s D,
            #[serde(skip_serializing_if = "Value::is_null")]
            metadata: Value,
        }

        let request = self.request(Method::POST, &[]);
        let request = match serde_json::to_value(metadata) {
            Ok(metadata) => request.json(&Sent { project_id: self.project.trim(), data, metadata }),
            Err(error) => request.invalid(format!("`metadata` cannot be JSON: {error}")),
        };
        self.client.one(request.idempotent()).await
    }

    /// Approves the submission `id`, with `notes` or `None`.
    ///
    /// # Errors
    ///
    /// Also with 422 when the submission was decided before.
    pub async fn approve<'n>(
        &self,
        id: impl fmt::Display,
        notes: impl Into<Option<&'n str>>,
    ) -> Result<IntakeSubmission, ClientError> {
        self.decide(&id.to_string(), "approve", notes.into()).await
    }

    /// Rejects the submission `id`, with `notes` or `None`.
    ///
    /// # Errors
    ///
    /// As for [`approve`](Self::approve).
    pub async fn reject<'n>(
        &self,
        id: impl fmt::Display,
        notes: impl Into<Option<&'n str>>,
    ) -> Result<IntakeSubmission, ClientError> {
        self.decide(&id.to_string(), "reject", notes.into()).await
    }

    async fn decide(
        &self,
        id: &str,
        decision: &str,
        notes: Option<&str>,
    ) -> Result<IntakeSubmission, ClientError> {
        #[derive(Serialize)]
        struct Decision<'d> {
            project_id: &'d str,
            #[serde(skip_serializing_if = "Option::is_none")]
            notes: Option<&'d str>,
        }

        let request = self.request(Method::POST, &[id, decision]);
        let decision = Decision { project_id: self.project.trim(), notes };
        self.client.one(request.json(&decision).idempotent()).await
    }

    fn request(&self, method: Method, below: &[&str]) -> Request {
        let segments = [&["ext", "intake_forms", &self.form, "submissions"], below].concat();
        Request::new(method, &segments).named(&self.project, "the project")
    }
}
