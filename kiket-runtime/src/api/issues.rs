//! The issues of the workspace.

use http::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::setters::setters;
use crate::{
    client::{Client, Paginator, Request},
    error::ClientError,
    model::{Comment, Issue, IssueRef},
    types::{Id, Timestamp},
};

/// The issues that the extension may read and write.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// use kiket_runtime::api::{IssueFields, IssueFilter};
///
/// let issues = context.endpoints().issues();
/// let fields = IssueFields::default().project("core").labels(["login"]);
/// let issue = issues.create("No login", fields).await?;
///
/// issues.update(&issue, IssueFields::default().priority("high")).await?;
/// issues.comment(&issue, "It is the certificate.").await?;
/// let done = issues.transition(&issue, "done").await?;
/// assert_eq!(done.status.as_deref(), Some("done"));
///
/// assert_eq!(issues.get(&issue).await?.priority.as_deref(), Some("high"));
/// let open = issues.list(IssueFilter::default().project("core").status("open").limit(10)).await?;
/// assert!(open.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when an issue has neither key nor id, or one that is `.` or `..`; when a project is blank; and when the call fails.
#[derive(Debug, Clone)]
pub struct Issues {
    pub(super) client: Client,
}

/// Query parameters for listing issues. Matches everything by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
#[must_use = "a filter filters nothing until it is given to `list`"]
pub struct IssueFilter(Vec<(String, String)>);

impl IssueFilter {
    /// A pair of the query that has no setter, like `label` and `login`. Setting a name again replaces its value.
    pub fn pair(self, name: impl Into<String>, value: impl ToString) -> Self {
        self.set(name, Some(value))
    }

    /// At most this many issues; of a stream, this many per page.
    pub fn limit(self, limit: impl Into<Option<u32>>) -> Self {
        self.set("limit", limit.into())
    }

    fn set(mut self, name: impl Into<String>, value: Option<impl ToString>) -> Self {
        let name = name.into();
        self.0.retain(|(own, _)| *own != name);
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

setters! {
    IssueFilter:
    /// Only issues of this project. It must not be blank.
    project(into Id) => "project_id";
    /// Only issues in this status, like `in_progress`.
    status(into String) => "status";
    /// Only issues of this assignee.
    assignee(into Id) => "assignee_id";
    /// Only issues that changed at this time or later: a `SystemTime`, or RFC 3339.
    updated_since(into Timestamp) => "updated_since";
}

/// The fields that an issue is created with, or that an update changes. Fields that are not set stay as they are.
///
/// ```
/// use kiket_runtime::api::IssueFields;
/// use serde_json::{Value, json, to_value};
///
/// let fields = IssueFields::default().project(7).priority("high").field("assignee_id", Value::Null);
/// assert_eq!(to_value(fields)?, json!({ "project_id": 7, "priority": "high", "assignee_id": null }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use = "fields change nothing until they are given to `create` or `update`"]
pub struct IssueFields(Map<String, Value>);

impl IssueFields {
    /// The labels. They replace those that the issue has.
    pub fn labels<L: Into<String>>(self, labels: impl IntoIterator<Item = L>) -> Self {
        self.field("labels", labels.into_iter().map(Into::into).collect::<Vec<String>>())
    }

    /// A field that has no setter. `Value::Null` clears it.
    pub fn field(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name, Some(value))
    }

    fn set(mut self, name: impl Into<String>, value: Option<impl Into<Value>>) -> Self {
        let name = name.into();
        self.0.remove(&name);
        self.0.extend(value.map(|value| (name, value.into())));
        self
    }
}

setters! {
    IssueFields:
    /// The title.
    title(into String) => "title";
    /// The description.
    description(into String) => "description";
    /// The project. It must not be blank.
    project(into Id) => "project_id";
    /// The type, like `Task`.
    issue_type(into String) => "issue_type";
    /// The priority, like `high`.
    priority(into String) => "priority";
    /// The assignee.
    assignee(into Id) => "assignee_id";
}

impl Issues {
    /// The issues that `filter` matches: one page of them.
    pub async fn list(&self, filter: IssueFilter) -> Result<Vec<Issue>, ClientError> {
        self.stream(filter).first().await
    }

    /// The issues that `filter` matches, through all pages.
    pub fn stream(&self, mut filter: IssueFilter) -> Paginator<Issue> {
        let mut request = Request::get(&["ext", "issues"]);
        if let Some((_, project)) = filter.0.iter_mut().find(|(name, _)| name == "project_id") {
            *project = project.trim().to_owned();
            request = request.named(project, "the project");
        }
        self.client.pages(request.params(filter))
    }

    /// The issue, by its key or its id.
    pub async fn get(&self, issue: impl Into<IssueRef<'_>>) -> Result<Issue, ClientError> {
        self.client.one(Request::get(&["ext", "issues", issue.into().as_str()])).await
    }

    /// Creates an issue and returns it.
    pub async fn create(&self, title: impl Into<String>, fields: IssueFields) -> Result<Issue, ClientError> {
        let request = Request::post(&["ext", "issues"]);
        self.client.one(with_fields(request, &fields.title(title.into()))).await
    }

    /// Changes the fields of an issue that `fields` has, and returns the issue.
    pub async fn update(
        &self,
        issue: impl Into<IssueRef<'_>>,
        fields: IssueFields,
    ) -> Result<Issue, ClientError> {
        let request = Request::new(Method::PATCH, &["ext", "issues", issue.into().as_str()]);
        self.client.one(with_fields(request, &fields)).await
    }

    /// Comments on an issue.
    pub async fn comment(
        &self,
        issue: impl Into<IssueRef<'_>>,
        body: impl Into<String>,
    ) -> Result<Comment, ClientError> {
        let comment = json!({ "comment": { "body": body.into() } });
        self.client.one(below(&issue.into(), "comments", &comment)).await
    }

    /// Moves an issue along a transition of its workflow, and returns the issue.
    ///
    /// # Errors
    ///
    /// Also with 422 when the workflow does not allow the transition.
    pub async fn transition(
        &self,
        issue: impl Into<IssueRef<'_>>,
        transition: impl Into<String>,
    ) -> Result<Issue, ClientError> {
        let transition = json!({ "transition": transition.into() });
        self.client.one(below(&issue.into(), "transitions", &transition)).await
    }
}

fn with_fields(mut request: Request, fields: &IssueFields) -> Request {
    if let Some(Value::String(project)) = fields.0.get("project_id") {
        request = request.named(project, "the project");
    }
    request.json(&json!({ "issue": fields })).idempotent()
}

fn below(issue: &IssueRef<'_>, what: &str, body: &Value) -> Request {
    Request::post(&["ext", "issues", issue.as_str(), what]).json(body).idempotent()
}
