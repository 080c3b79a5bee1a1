//! The issues of the workspace.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::issue_fields::IssueFields;
use crate::types::{Id, or_default};
use crate::{
    client::{Client, Items, Request, Wrapped},
    error::ClientError,
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
/// issues.update(&issue.key, IssueFields::default().priority("high")).await?;
/// issues.comment(&issue.key, "It is the certificate.").await?;
/// let done = issues.transition(&issue.key, "done").await?;
/// assert_eq!(done.status.as_deref(), Some("done"));
///
/// assert_eq!(issues.get(&issue.key).await?.priority.as_deref(), Some("high"));
/// let open = issues.list(IssueFilter::default().project("core").status("open").limit(10)).await?;
/// assert!(open.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Issues {
    client: Client,
}

/// Which issues are asked for: all of them, until something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter filters nothing until it is given to `list`"]
pub struct IssueFilter {
    project: Option<String>,
    pairs: Vec<(String, String)>,
}

impl IssueFilter {
    /// Those of one project. It must not be blank.
    pub fn project(mut self, project: impl fmt::Display) -> Self {
        self.project = Some(project.to_string());
        self
    }

    /// Those in one status, like `in_progress`.
    pub fn status(self, status: impl fmt::Display) -> Self {
        self.pair("status", status)
    }

    /// Those of one person.
    pub fn assignee(self, id: impl fmt::Display) -> Self {
        self.pair("assignee_id", id)
    }

    /// Those that changed then or later: a time as RFC 3339 writes it, like `2026-01-17T10:30:00Z`.
    pub fn updated_since(self, time: impl fmt::Display) -> Self {
        self.pair("updated_since", time)
    }

    /// At most so many; in a stream, so many a page.
    pub fn limit(self, limit: u32) -> Self {
        self.pair("limit", limit)
    }

    /// A pair of the query that has no method of its own, like `label` and `login`. The last value of a name counts.
    pub fn pair(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        let name = name.into();
        self.pairs.retain(|(own, _)| *own != name);
        self.pairs.push((name, value.to_string()));
        self
    }
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issue {
    /// Its id.
    pub id: Id,
    /// What people and paths call it, like `CORE-42`.
    pub key: String,
    /// Its project.
    #[serde(default)]
    pub project_id: Option<Id>,
    /// What it is about, in a line.
    pub title: String,
    /// What it is about, at length.
    #[serde(default)]
    pub description: Option<String>,
    /// Where it is in its workflow.
    #[serde(default)]
    pub status: Option<String>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Option<String>,
    /// What kind of issue it is.
    #[serde(default)]
    pub issue_type: Option<String>,
    /// Who works on it, as Kiket tells it: an object with `id`, `name` and `email`, an id, or null.
    #[serde(default)]
    pub assignee: Value,
    /// Its labels.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: Vec<String>,
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

impl Wrapped for Issue {
    const NAME: &'static str = "issue";
}

/// What somebody said about an issue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IssueComment {
    /// Its id.
    pub id: Id,
    /// What was said.
    pub body: String,
    /// Who said it, as Kiket tells it: an object with `id`, `name` and `email`, an id, or null.
    #[serde(default)]
    pub author: Value,
    /// When it was said, as Kiket writes it.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it was changed last, as Kiket writes it.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Wrapped for IssueComment {
    const NAME: &'static str = "comment";
}

impl Issues {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The issues that `filter` lets through.
    ///
    /// # Errors
    ///
    /// When the filter has a blank project, or the call fails.
    pub async fn list(&self, filter: IssueFilter) -> Result<Vec<Issue>, ClientError> {
        self.client.list(listing(filter)?).await
    }

    /// All issues that `filter` lets through, page by page as they are asked for.
    pub fn stream(&self, filter: IssueFilter) -> Items<Issue> {
        Items::of(self.client.clone(), listing(filter))
    }

    /// The issue `key`.
    ///
    /// # Errors
    ///
    /// When `key` is empty, `.` or `..`, or the call fails.
    pub async fn get(&self, key: &str) -> Result<Issue, ClientError> {
        self.client.one(Request::new(Method::GET, &["ext", "issues", key])?).await
    }

    /// Makes an issue, and tells what it became.
    ///
    /// # Errors
    ///
    /// When `fields` has a blank project, or the call fails.
    pub async fn create(&self, title: &str, fields: IssueFields) -> Result<Issue, ClientError> {
        let request = Request::new(Method::POST, &["ext", "issues"])?;
        self.client.one(with_fields(request, &fields.title(title))?).await
    }

    /// Changes the fields of the issue `key` that `fields` has, and tells what it became.
    ///
    /// # Errors
    ///
    /// When `key` is empty, `.` or `..`, `fields` has a blank project, or the call fails.
    pub async fn update(&self, key: &str, fields: IssueFields) -> Result<Issue, ClientError> {
        self.client.one(with_fields(Request::new(Method::PATCH, &["ext", "issues", key])?, &fields)?).await
    }

    /// Says something about the issue `key`.
    ///
    /// # Errors
    ///
    /// When `key` is empty, `.` or `..`, or the call fails.
    pub async fn comment(&self, key: &str, body: &str) -> Result<IssueComment, ClientError> {
        self.client.one(below(key, "comments", &json!({ "comment": { "body": body } }))?).await
    }

    /// Moves the issue `key` on in its workflow, and tells what it became.
    ///
    /// # Errors
    ///
    /// When `key` is empty, `.` or `..`, or the call fails; Kiket refuses with 422 what the workflow does not allow.
    pub async fn transition(&self, key: &str, transition: &str) -> Result<Issue, ClientError> {
        self.client.one(below(key, "transitions", &json!({ "transition": transition }))?).await
    }
}

fn listing(filter: IssueFilter) -> Result<Request, ClientError> {
    let IssueFilter { project, pairs } = filter;
    let mut request = Request::new(Method::GET, &["ext", "issues"])?;
    if let Some(project) = project {
        request = request.of_project(&project)?;
    }
    Ok(pairs.iter().fold(request, |request, (name, value)| request.query(name, value)))
}

fn with_fields(request: Request, fields: &IssueFields) -> Result<Request, ClientError> {
    if fields.has_blank_project() {
        return Err(request.invalid("the project is blank"));
    }
    Ok(request.json(&json!({ "issue": fields }))?.idempotent())
}

fn below(key: &str, what: &str, body: &Value) -> Result<Request, ClientError> {
    Ok(Request::new(Method::POST, &["ext", "issues", key, what])?.json(body)?.idempotent())
}
