//! The projects of the workspace: workflows, boards, members.

use std::fmt;

use serde_json::Value;

use super::bodies::bodies;
use crate::{
    client::{Client, Paginator, Request},
    error::ClientError,
    model::Member,
    types::{Id, or_default},
};

/// The projects of the workspace: their workflows, boards and members.
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
///
/// # Errors
///
/// Its functions fail when a slug is empty, `.` or `..`; when the project is blank; and when the call fails.
#[derive(Debug, Clone)]
pub struct Projects {
    pub(super) client: Client,
}

bodies! {
    /// A workflow: the statuses of issues, and the transitions between them.
    pub struct Workflow = "workflow", "workflows" {
        /// The id of the workflow.
        pub id: Option<Id>,
        /// The key in definitions.
        pub key: Option<String>,
        /// The name to show.
        pub name: String,
        /// The description.
        pub description: Option<String>,
        /// The statuses: names, or objects as in the definition.
        #[serde(default)]
        pub states: Value,
        /// The transitions, as in the definition.
        #[serde(default)]
        pub transitions: Value,
    }

    /// A board of issues in columns.
    pub struct Board = "board", "boards" {
        /// The id of the board.
        pub id: Option<Id>,
        /// The key in definitions.
        pub key: Option<String>,
        /// The name to show.
        pub name: String,
        /// The columns: names, or objects as in the definition.
        #[serde(default, deserialize_with = "or_default")]
        pub columns: Vec<Value>,
    }
}

impl Projects {
    /// The workflows of the project with this slug.
    pub async fn workflows(&self, slug: &str) -> Result<Vec<Workflow>, ClientError> {
        self.client.pages(Request::get(&["ext", "projects", slug, "workflows"])).first().await
    }

    /// The boards of the project with this slug.
    pub async fn boards(&self, slug: &str) -> Result<Vec<Board>, ClientError> {
        self.client.pages(Request::get(&["ext", "projects", slug, "boards"])).first().await
    }

    /// The members of a project: one page of them.
    pub async fn members(&self, project: impl fmt::Display) -> Result<Vec<Member>, ClientError> {
        self.stream_members(project).first().await
    }

    /// The members of a project, through all pages.
    pub fn stream_members(&self, project: impl fmt::Display) -> Paginator<Member> {
        self.client.pages(Request::get(&["ext", "project", "members"]).of_project(&project.to_string()))
    }
}
