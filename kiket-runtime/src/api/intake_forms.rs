//! The intake forms of a project.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::intake_submissions::IntakeSubmissions;
use crate::types::{Id, or_default};
use crate::{
    client::{Client, Items, Request, Wrapped},
    error::ClientError,
};

/// The intake forms of a project, through which people without an account send something in.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # platform.add_intake_form(7, json!({ "key": "bug-report", "public": true, "form_url": "https://kiket.dev/f/bug" }));
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// use kiket_runtime::api::IntakeFormFilter;
///
/// let forms = context.endpoints().intake_forms(7);
/// let open = forms.list(IntakeFormFilter::default().active(true).limit(10)).await?;
/// assert_eq!(open[0].key, "bug-report");
///
/// let form = forms.get("bug-report").await?;
/// assert_eq!(form.public_url(), Some("https://kiket.dev/f/bug"));
/// assert_eq!(forms.stats("bug-report", "week").await?.pending, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct IntakeForms {
    client: Client,
    project: String,
}

/// Which forms are asked for: all of them, until something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter filters nothing until it is given to `list`"]
pub struct IntakeFormFilter {
    active: Option<bool>,
    public: Option<bool>,
    limit: Option<u32>,
}

impl IntakeFormFilter {
    /// Those that take submissions, or those that do not.
    pub fn active(mut self, active: bool) -> Self {
        self.active = Some(active);
        self
    }

    /// Those that anybody may fill in, or the others.
    pub fn public(mut self, public: bool) -> Self {
        self.public = Some(public);
        self
    }

    /// At most so many; in a stream, so many a page.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    fn listing(self, project: &str) -> Result<Request, ClientError> {
        let request = Request::new(Method::GET, &["ext", "intake_forms"])?.of_project(project)?;
        let request = request.maybe_query("active", self.active).maybe_query("public", self.public);
        Ok(request.maybe_query("limit", self.limit))
    }
}

/// A form: what it asks for, and who may fill it in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IntakeForm {
    /// Its id.
    pub id: Id,
    /// What it is called in paths, like `bug-report`.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether it takes submissions.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// Whether anybody may fill it in.
    #[serde(default, deserialize_with = "or_default")]
    pub public: bool,
    /// What it asks for, in its order.
    #[serde(default, deserialize_with = "or_default")]
    pub fields: Vec<IntakeField>,
    /// Where it is, public or not: see [`public_url`](Self::public_url).
    #[serde(default)]
    pub form_url: Option<String>,
    /// Whether other sites may show it inside their own pages.
    #[serde(default, deserialize_with = "or_default")]
    pub embed_allowed: bool,
    /// How many submissions it has.
    #[serde(default)]
    pub submissions_count: Option<u64>,
    /// When it was made, as Kiket writes it.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it was changed last, as Kiket writes it.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl IntakeForm {
    /// Where anybody may fill it in; `None` for a form that is not public.
    pub fn public_url(&self) -> Option<&str> {
        self.form_url.as_deref().filter(|_| self.public)
    }
}

impl Wrapped for IntakeForm {
    const NAME: &'static str = "intake_form";
}

/// One thing that a form asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IntakeField {
    /// What it is called in the data of a submission.
    pub key: String,
    /// What people call it.
    #[serde(default)]
    pub label: Option<String>,
    /// What may be written into it, like `text` or `select`.
    #[serde(default, alias = "type")]
    pub field_type: Option<String>,
    /// Whether a submission must have it.
    #[serde(default, deserialize_with = "or_default")]
    pub required: bool,
    /// What may be chosen: texts, or objects with labels.
    #[serde(default, deserialize_with = "or_default")]
    pub options: Vec<Value>,
    /// What stands in it while it is empty.
    #[serde(default)]
    pub placeholder: Option<String>,
    /// What stands beside it.
    #[serde(default)]
    pub help_text: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How many submissions a form has, by their status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IntakeStats {
    /// All of them.
    pub total_submissions: u64,
    /// Those that nobody has decided about.
    #[serde(default)]
    pub pending: u64,
    /// Those that were approved.
    #[serde(default)]
    pub approved: u64,
    /// Those that were rejected.
    #[serde(default)]
    pub rejected: u64,
    /// Those that became issues.
    #[serde(default)]
    pub converted: u64,
    /// Of which time, as it was asked for.
    #[serde(default)]
    pub period: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Wrapped for IntakeStats {
    const NAME: &'static str = "stats";
}

impl IntakeForms {
    pub(crate) fn new(client: Client, project: String) -> Self {
        Self { client, project }
    }

    /// The forms that `filter` lets through.
    ///
    /// # Errors
    ///
    /// When the project is blank, or the call fails.
    pub async fn list(&self, filter: IntakeFormFilter) -> Result<Vec<IntakeForm>, ClientError> {
        self.client.list(filter.listing(&self.project)?).await
    }

    /// All forms that `filter` lets through, page by page as they are asked for.
    pub fn stream(&self, filter: IntakeFormFilter) -> Items<IntakeForm> {
        Items::of(self.client.clone(), filter.listing(&self.project))
    }

    /// The form `key`, which may also be its id.
    ///
    /// # Errors
    ///
    /// When the project is blank, `key` is empty, `.` or `..`, or the call fails.
    pub async fn get(&self, key: &str) -> Result<IntakeForm, ClientError> {
        let request = Request::new(Method::GET, &["ext", "intake_forms", key])?.of_project(&self.project)?;
        self.client.one(request).await
    }

    /// How many submissions the form `key` has: all of them, or those of a `period`, which is `day`, `week` or `month`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn stats<'p>(
        &self,
        key: &str,
        period: impl Into<Option<&'p str>>,
    ) -> Result<IntakeStats, ClientError> {
        let request = Request::new(Method::GET, &["ext", "intake_forms", key, "stats"])?;
        let request = request.of_project(&self.project)?.maybe_query("period", period.into());
        self.client.one(request).await
    }

    /// What was sent in through the form `key`, which may also be its id.
    pub fn submissions(&self, key: impl Into<String>) -> IntakeSubmissions {
        IntakeSubmissions::new(self.client.clone(), self.project.clone(), key.into())
    }
}
