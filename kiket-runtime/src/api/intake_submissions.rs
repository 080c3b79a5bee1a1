//! What people send in through an intake form.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::Id;
use crate::{
    client::{Client, Items, Request, Wrapped},
    error::ClientError,
};

/// What was sent in through an intake form, and what is decided about it.
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
#[derive(Debug, Clone)]
pub struct IntakeSubmissions {
    client: Client,
    project: String,
    form: String,
}

/// Which submissions are asked for: all of them, until something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter filters nothing until it is given to `list`"]
pub struct SubmissionFilter {
    status: Option<SubmissionStatus>,
    since: Option<String>,
    limit: Option<u32>,
}

impl SubmissionFilter {
    /// Those in one status.
    pub fn status(mut self, status: SubmissionStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Those that were sent in then or later: a time as RFC 3339 writes it, like `2026-01-17T10:30:00Z`.
    pub fn since(mut self, time: impl fmt::Display) -> Self {
        self.since = Some(time.to_string());
        self
    }

    /// At most so many; in a stream, so many a page.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// What was decided about a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SubmissionStatus {
    /// Nothing yet.
    Pending,
    /// It was approved.
    Approved,
    /// It was rejected.
    Rejected,
    /// It became an issue.
    Converted,
    /// A status that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The word for it, as calls and answers have it.
impl fmt::Display for SubmissionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What somebody sent in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IntakeSubmission {
    /// Its id.
    pub id: Id,
    /// The form.
    #[serde(default)]
    pub intake_form_id: Option<Id>,
    /// What was decided about it.
    pub status: SubmissionStatus,
    /// What was written into the fields of the form, by their keys.
    #[serde(default)]
    pub data: Value,
    /// What whoever sent it in added.
    #[serde(default)]
    pub metadata: Value,
    /// The address of whoever sent it in.
    #[serde(default)]
    pub submitted_by_email: Option<String>,
    /// Who decided about it: an id, a name, or an object with both.
    #[serde(default)]
    pub reviewed_by: Value,
    /// When that was, as Kiket writes it.
    #[serde(default)]
    pub reviewed_at: Option<String>,
    /// What was said about the decision.
    #[serde(default)]
    pub notes: Option<String>,
    /// When it was sent in, as Kiket writes it.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it was changed last, as Kiket writes it.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Wrapped for IntakeSubmission {
    const NAME: &'static str = "submission";
}

impl IntakeSubmissions {
    pub(crate) fn new(client: Client, project: String, form: String) -> Self {
        Self { client, project, form }
    }

    /// The submissions that `filter` lets through.
    ///
    /// # Errors
    ///
    /// When the project is blank, the key of the form is empty, `.` or `..`, or the call fails.
    pub async fn list(&self, filter: SubmissionFilter) -> Result<Vec<IntakeSubmission>, ClientError> {
        self.client.list(self.listing(filter)?).await
    }

    /// All submissions that `filter` lets through, page by page as they are asked for.
    pub fn stream(&self, filter: SubmissionFilter) -> Items<IntakeSubmission> {
        Items::of(self.client.clone(), self.listing(filter))
    }

    /// The submission `id`.
    ///
    /// # Errors
    ///
    /// When the project is blank, the form's key or the id is empty, `.` or `..`, or the call fails.
    pub async fn get(&self, id: impl fmt::Display) -> Result<IntakeSubmission, ClientError> {
        let request = self.request(Method::GET, &[&id.to_string()])?.of_project(&self.project)?;
        self.client.one(request).await
    }

    /// Sends something in: `data` has the fields of the form by their keys; `metadata` is what else is to be known
    /// of it, or `()`.
    ///
    /// # Errors
    ///
    /// When the project is blank, the key of the form is empty, `.` or `..`, `data` or `metadata` cannot be JSON, or the
    /// call fails.
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

        let request = self.request(Method::POST, &[])?;
        let metadata = serde_json::to_value(metadata)
            .map_err(|error| request.invalid(format!("`metadata` cannot be JSON: {error}")))?;
        let sent = Sent { project_id: request.project(&self.project)?, data, metadata };
        self.client.one(request.json(&sent)?.idempotent()).await
    }

    /// Approves the submission `id`, and says why in `notes`, or `None`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get); Kiket refuses it with 422 when somebody else has decided.
    pub async fn approve<'n>(
        &self,
        id: impl fmt::Display,
        notes: impl Into<Option<&'n str>>,
    ) -> Result<IntakeSubmission, ClientError> {
        self.decide(&id.to_string(), "approve", notes.into()).await
    }

    /// Rejects the submission `id`, and says why in `notes`, or `None`.
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

        let request = self.request(Method::POST, &[id, decision])?;
        let decision = Decision { project_id: request.project(&self.project)?, notes };
        self.client.one(request.json(&decision)?.idempotent()).await
    }

    fn listing(&self, filter: SubmissionFilter) -> Result<Request, ClientError> {
        let SubmissionFilter { status, since, limit } = filter;
        let request = self.request(Method::GET, &[])?.of_project(&self.project)?;
        let request = request.maybe_query("status", status);
        Ok(request.maybe_query("limit", limit).maybe_query("since", since))
    }

    fn request(&self, method: Method, below: &[&str]) -> Result<Request, ClientError> {
        Request::new(method, &[&["ext", "intake_forms", &self.form, "submissions"], below].concat())
    }
}
