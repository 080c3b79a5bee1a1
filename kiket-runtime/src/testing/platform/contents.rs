//! What a test puts into the platform, and finds in it, of forms, issues and projects.

use serde_json::Value;

use super::{Platform, object, pages::written};

impl Platform {
    /// Adds an intake form, like `{"key":"bug-report","public":true}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When `form` is not an object.
    #[track_caller]
    pub fn add_intake_form(&self, project: impl Into<Value>, form: Value) -> Value {
        let (project, now) = (written(&project.into()), self.clock().unix_seconds());
        self.shared.state().intake_forms.add(&project, object(form), now)
    }

    /// Adds what somebody sent in through the form `key`, like `{"data":{"title":"No login"}}`; what it lacks, it gets.
    /// Returns it.
    ///
    /// # Panics
    ///
    /// When there is no such form, or `submission` is not an object.
    #[track_caller]
    pub fn add_submission(&self, project: impl Into<Value>, key: &str, submission: Value) -> Value {
        let (project, now) = (written(&project.into()), self.clock().unix_seconds());
        let made = self.shared.state().intake_forms.add_submission(&project, key, object(submission), now);
        made.unwrap_or_else(|| panic!("there is no form `{key}` in the project {project}"))
    }

    /// What was sent in through the form `key`, in all projects.
    pub fn submissions(&self, key: &str) -> Vec<Value> {
        self.shared.state().intake_forms.submissions(key)
    }

    /// Adds an issue, like `{"title":"No login","project_id":7}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When `issue` is not an object.
    #[track_caller]
    pub fn add_issue(&self, issue: Value) -> Value {
        self.shared.state().issues.add(object(issue), self.clock().unix_seconds())
    }

    /// The issues, in the order of their making.
    pub fn issues(&self) -> Vec<Value> {
        self.shared.state().issues.all()
    }

    /// Adds what somebody said about the issue `key`, like `{"body":"Me, too"}`; what it lacks, it gets. Returns it.
    ///
    /// # Panics
    ///
    /// When there is no such issue, or `comment` is not an object.
    #[track_caller]
    pub fn add_comment(&self, key: &str, comment: Value) -> Value {
        let made = self.shared.state().issues.add_comment(key, object(comment), self.clock().unix_seconds());
        made.unwrap_or_else(|| panic!("there is no issue `{key}`"))
    }

    /// What was said about the issue `key`.
    pub fn comments(&self, key: &str) -> Vec<Value> {
        self.shared.state().issues.comments(key)
    }

    /// Adds a project, or replaces the one with its slug: `slug`, `id`, and the lists `workflows`, `boards` and
    /// `members`, as calls shall find them.
    ///
    /// The transitions of workflows, like `{"name":"finish","from":"open","to":"done"}`, are what the issues of the
    /// project can do; without workflows, everything is possible.
    ///
    /// # Panics
    ///
    /// When `project` is not an object with a `slug`.
    #[track_caller]
    pub fn add_project(&self, project: Value) {
        let project = object(project);
        assert!(project.get("slug").is_some_and(Value::is_string), "a project has a `slug`");
        self.shared.state().projects.add(project);
    }

    /// The events that were tracked, as they were sent.
    pub fn analytics_events(&self) -> Vec<Value> {
        self.shared.state().reports.analytics.clone()
    }

    /// The e-mails that were accepted, as they were sent, with their `id` and `status`.
    pub fn inbound_emails(&self) -> Vec<Value> {
        self.shared.state().inbound_emails.all()
    }

    /// The address that it gives out for an action.
    pub fn webhook_url(&self, action: &str) -> String {
        self.shared.state().webhook_urls.url(action)
    }
}
