//! The intake forms of a project.

use serde_json::Value;

use super::{bodies::bodies, intake_submissions::IntakeSubmissions, setters::filter};
use crate::{
    client::{Client, Paginator, Request},
    error::ClientError,
    types::{Id, Timestamp, or_default},
};

/// The intake forms of a project, through which people without an account submit something.
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
///
/// # Errors
///
/// Its functions fail when the project is blank; when the key of the form is empty, `.` or `..`; and when the call
/// fails.
#[derive(Debug, Clone)]
pub struct IntakeForms {
    pub(super) client: Client,
    pub(super) project: String,
}

filter! {
    /// Query parameters for listing forms. Matches everything by default.
    #[must_use = "a filter filters nothing until it is given to `list`"]
    IntakeFormFilter:
    /// Only forms that take submissions, or only those that do not.
    active(bool) => active: bool;
    /// Only forms that anyone may fill in, or only the others.
    public(bool) => public: bool;
    /// At most this many forms; of a stream, this many per page.
    limit(u32) => limit: u32;
}

bodies! {
    /// A form: its fields, and who may fill it in.
    pub struct IntakeForm = "intake_form", "intake_forms" {
        /// The id of the form.
        pub id: Id,
        /// The key in paths, like `bug-report`.
        pub key: String,
        /// The name to show.
        pub name: String,
        /// The description.
        pub description: Option<String>,
        /// Whether the form takes submissions.
        #[serde(default, deserialize_with = "or_default")]
        pub active: bool,
        /// Whether anyone may fill it in.
        #[serde(default, deserialize_with = "or_default")]
        pub public: bool,
        /// The fields, in order.
        #[serde(default, deserialize_with = "or_default")]
        pub fields: Vec<IntakeField>,
        /// The URL of the form, public or not: see [`public_url`](Self::public_url).
        pub form_url: Option<String>,
        /// Whether other sites may embed the form.
        #[serde(default, deserialize_with = "or_default")]
        pub embed_allowed: bool,
        /// The number of submissions.
        pub submissions_count: Option<u64>,
        /// The time of creation.
        pub created_at: Option<Timestamp>,
        /// The time of the last change.
        pub updated_at: Option<Timestamp>,
    }

    /// A field of a form.
    pub struct IntakeField {
        /// The key in the data of a submission.
        pub key: String,
        /// The label to show.
        pub label: Option<String>,
        /// The type, like `text` or `select`.
        #[serde(alias = "type")]
        pub field_type: Option<String>,
        /// Whether the field is required.
        #[serde(default, deserialize_with = "or_default")]
        pub required: bool,
        /// The options: texts, or objects with labels.
        #[serde(default, deserialize_with = "or_default")]
        pub options: Vec<Value>,
        /// The placeholder.
        pub placeholder: Option<String>,
        /// The help text.
        pub help_text: Option<String>,
    }

    /// The number of submissions of a form, by status.
    #[derive(Eq)]
    pub struct IntakeStats = "stats", "stats" {
        /// The total.
        pub total_submissions: u64,
        /// The number of pending submissions.
        #[serde(default)]
        pub pending: u64,
        /// The number of approved submissions.
        #[serde(default)]
        pub approved: u64,
        /// The number of rejected submissions.
        #[serde(default)]
        pub rejected: u64,
        /// The number of submissions that became issues.
        #[serde(default)]
        pub converted: u64,
        /// The period that the call named.
        pub period: Option<String>,
    }
}

impl IntakeForm {
    /// The URL where anyone may fill the form in; `None` if it is not public.
    pub fn public_url(&self) -> Option<&str> {
        self.form_url.as_deref().filter(|_| self.public)
    }
}

impl IntakeForms {
    /// The forms that `filter` matches: one page of them.
    pub async fn list(&self, filter: IntakeFormFilter) -> Result<Vec<IntakeForm>, ClientError> {
        self.stream(filter).first().await
    }

    /// The forms that `filter` matches, through all pages.
    pub fn stream(&self, filter: IntakeFormFilter) -> Paginator<IntakeForm> {
        let list = Request::get(&["ext", "intake_forms"]).of_project(&self.project);
        self.client.pages(list.params(filter))
    }

    /// The form `key`, which may also be its id.
    pub async fn get(&self, key: &str) -> Result<IntakeForm, ClientError> {
        self.client.one(Request::get(&["ext", "intake_forms", key]).of_project(&self.project)).await
    }

    /// The number of submissions of the form `key`: all of them, or those of a `period`, which is `day`, `week` or `month`.
    pub async fn stats<'p>(
        &self,
        key: &str,
        period: impl Into<Option<&'p str>>,
    ) -> Result<IntakeStats, ClientError> {
        let request = Request::get(&["ext", "intake_forms", key, "stats"]).of_project(&self.project);
        self.client.one(request.maybe_query("period", period.into())).await
    }

    /// The submissions of the form `key`, which may also be its id.
    pub fn submissions(&self, key: impl Into<String>) -> IntakeSubmissions {
        let Self { client, project } = self.clone();
        IntakeSubmissions { client, project, form: key.into() }
    }
}
