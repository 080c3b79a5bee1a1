//! The projects of the workspace: workflows, boards, people.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::{Id, or_default};
use crate::{
    client::{Client, Items, Request},
    error::ClientError,
};

/// How the projects of the workspace are set up, and who works in them.
///
/// ```
/// # use kiket_testing::{FakePlatform, context};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let platform = FakePlatform::start();
/// # platform.add_project(serde_json::json!({
/// #     "slug": "core", "id": 7, "workflows": [{ "name": "Delivery" }], "boards": [{ "name": "Team" }],
/// #     "members": [{ "id": 1, "email": "ada@example.com" }],
/// # }));
/// # let context = context("issue.created", "v1").client(platform.client()).build();
/// let projects = context.endpoints().projects();
/// assert_eq!(projects.workflows("core").await?[0].name, "Delivery");
/// assert_eq!(projects.boards("core").await?[0].name, "Team");
/// assert_eq!(projects.members(7).await?[0].email.as_deref(), Some("ada@example.com"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Projects {
    client: Client,
}

/// A workflow: the statuses that issues have, and how they go from one to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Workflow {
    /// Its id.
    #[serde(default)]
    pub id: Option<Id>,
    /// What definitions call it.
    #[serde(default)]
    pub key: Option<String>,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Its statuses: names, or objects as its definition has them.
    #[serde(default)]
    pub states: Value,
    /// How issues go from status to status, as its definition has it.
    #[serde(default)]
    pub transitions: Value,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A board: issues in columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Board {
    /// Its id.
    #[serde(default)]
    pub id: Option<Id>,
    /// What definitions call it.
    #[serde(default)]
    pub key: Option<String>,
    /// What people call it.
    pub name: String,
    /// Its columns: names, or objects as its definition has them.
    #[serde(default, deserialize_with = "or_default")]
    pub columns: Vec<Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Somebody who works in a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The id of the person.
    pub id: Id,
    /// How the person is called.
    #[serde(default)]
    pub name: Option<String>,
    /// The address of the person.
    #[serde(default)]
    pub email: Option<String>,
    /// What the person may do, like `admin`.
    #[serde(default)]
    pub role: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Projects {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The workflows of the project that paths call `slug`.
    ///
    /// # Errors
    ///
    /// When `slug` is empty, `.` or `..`, or the call fails.
    pub async fn workflows(&self, slug: &str) -> Result<Vec<Workflow>, ClientError> {
        self.client.list(Request::new(Method::GET, &["ext", "projects", slug, "workflows"])?).await
    }

    /// The boards of the project that paths call `slug`.
    ///
    /// # Errors
    ///
    /// When `slug` is empty, `.` or `..`, or the call fails.
    pub async fn boards(&self, slug: &str) -> Result<Vec<Board>, ClientError> {
        self.client.list(Request::new(Method::GET, &["ext", "projects", slug, "boards"])?).await
    }

    /// Who works in a project; where Kiket sends pages, those on the first. `project` is any displayable id.
    ///
    /// # Errors
    ///
    /// When the project is blank, or the call fails.
    pub async fn members(&self, project: impl fmt::Display) -> Result<Vec<Member>, ClientError> {
        self.client.list(members(&project.to_string())?).await
    }

    /// Everybody who works in a project, page by page as they are asked for.
    pub fn stream_members(&self, project: impl fmt::Display) -> Items<Member> {
        Items::of(self.client.clone(), members(&project.to_string()))
    }
}

fn members(project: &str) -> Result<Request, ClientError> {
    Request::new(Method::GET, &["ext", "project", "members"])?.of_project(project)
}
