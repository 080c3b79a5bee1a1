//! The issues, and what is said about them.

use serde_json::{Value, json};

use super::{
    answer::Answer,
    call::Call,
    fields::{self, Fields},
    items::{Item, fill, is_called, is_since, next_id, stamp, touch},
    pages::{page, since, written},
    projects::Projects,
};

#[derive(Default)]
pub(super) struct Issues(Vec<Issue>);

struct Issue {
    fields: Item,
    comments: Vec<Item>,
}

/// What the platform decides, and no body.
const OWN_FIELDS: [&str; 4] = ["id", "key", "created_at", "updated_at"];

impl Issue {
    fn add_comment(&mut self, mut comment: Item, now: u64) -> Value {
        fill(&mut comment, [("id", next_id(self.comments.iter()).into()), ("author", Value::Null)]);
        stamp(&mut comment, now);
        self.comments.push(comment.clone());
        comment.into()
    }

    fn shown(&self) -> Value {
        self.fields.clone().into()
    }
}

impl Issues {
    /// Adds an issue; what it lacks, it gets.
    pub(super) fn add(&mut self, mut issue: Item, now: u64) -> Value {
        let id = next_id(self.0.iter().map(|issue| &issue.fields));
        fill(
            &mut issue,
            [
                ("id", id.into()),
                ("key", format!("ISSUE-{id}").into()),
                ("project_id", Value::Null),
                ("title", format!("Issue {id}").into()),
                ("description", Value::Null),
                ("status", "open".into()),
                ("priority", Value::Null),
                ("issue_type", "Task".into()),
                ("assignee", Value::Null),
                ("labels", json!([])),
            ],
        );
        stamp(&mut issue, now);
        self.0.push(Issue { fields: issue.clone(), comments: Vec::new() });
        issue.into()
    }

    /// Adds a comment to the issue `key`; none where there is no such issue.
    pub(super) fn add_comment(&mut self, key: &str, comment: Item, now: u64) -> Option<Value> {
        Some(self.issue_mut(key).ok()?.add_comment(comment, now))
    }

    pub(super) fn all(&self) -> Vec<Value> {
        self.0.iter().map(Issue::shown).collect()
    }

    pub(super) fn comments(&self, key: &str) -> Vec<Value> {
        let comments = self.issue(key).map(|issue| issue.comments.as_slice()).unwrap_or_default();
        comments.iter().cloned().map(Value::Object).collect()
    }

    pub(super) fn list(&self, call: &Call) -> Result<Answer, Answer> {
        let since = since(call, "updated_since")?;
        let is = |issue: &Item, field, own: Option<&Value>| {
            let wanted: Option<&str> = call.query_value(field);
            wanted.is_none_or(|wanted| own.or(issue.get(field)).is_some_and(|own| written(own) == wanted))
        };
        let found = self.0.iter().map(|issue| &issue.fields).filter(|issue| {
            let assignee = issue.get("assignee").and_then(|assignee| assignee.get("id"));
            is(issue, "project_id", None)
                && is(issue, "status", None)
                && is(issue, "assignee_id", assignee)
                && since.is_none_or(|since| is_since(issue, "updated_at", since))
        });
        page(call, &found.cloned().map(Value::Object).collect::<Vec<_>>(), None)
    }

    pub(super) fn get(&self, key: &str) -> Result<Answer, Answer> {
        Ok(Answer::json(200, &self.issue(key)?.shown()))
    }

    pub(super) fn create(&mut self, call: &Call, now: u64) -> Result<Answer, Answer> {
        let body = fields::inner(call, "issue")?;
        Fields::of(&body).text("title").maybe_texts("labels").finish()?;
        let mut issue = Item::new();
        change(&mut issue, body);
        Ok(Answer::json(201, &self.add(issue, now)))
    }

    /// Changes the fields that are given; the others stay.
    pub(super) fn update(&mut self, key: &str, call: &Call, now: u64) -> Result<Answer, Answer> {
        let issue = self.issue_mut(key)?;
        let body = fields::inner(call, "issue")?;
        let check = Fields::of(&body).maybe_texts("labels");
        if body.contains_key("title") { check.text("title") } else { check }.finish()?;
        change(&mut issue.fields, body);
        touch(&mut issue.fields, now);
        Ok(Answer::json(200, &issue.shown()))
    }

    pub(super) fn comment(&mut self, key: &str, call: &Call, now: u64) -> Result<Answer, Answer> {
        let issue = self.issue_mut(key)?;
        let mut body = fields::inner(call, "comment")?;
        Fields::of(&body).text("body").finish()?;
        body.retain(|field, _| field == "body");
        Ok(Answer::json(201, &issue.add_comment(body, now)))
    }

    /// Moves an issue on, where the workflows of its project allow it.
    pub(super) fn transition(
        &mut self,
        key: &str,
        call: &Call,
        projects: &Projects,
        now: u64,
    ) -> Result<Answer, Answer> {
        let issue = self.issue_mut(key)?;
        let body = fields::object(call)?;
        Fields::of(&body).text("transition").finish()?;
        let transition = body.get("transition").and_then(Value::as_str).unwrap_or_default();
        let project = issue.fields.get("project_id").map(written).unwrap_or_default();
        let status = issue.fields.get("status").map(written).unwrap_or_default();
        let Some(next) = projects.next_status(&project, &status, transition) else {
            return Err(Answer::invalid(&[("transition", &format!("is not possible from {status}"))]));
        };
        issue.fields.insert("status".into(), next.into());
        touch(&mut issue.fields, now);
        Ok(Answer::json(200, &issue.shown()))
    }

    fn issue(&self, key: &str) -> Result<&Issue, Answer> {
        self.0.iter().find(|issue| is_called(&issue.fields, &["key", "id"], key)).ok_or_else(unknown)
    }

    fn issue_mut(&mut self, key: &str) -> Result<&mut Issue, Answer> {
        self.0.iter_mut().find(|issue| is_called(&issue.fields, &["key", "id"], key)).ok_or_else(unknown)
    }
}

/// Sets what a body sets: who works on it is written as an id, and shown as an object.
fn change(issue: &mut Item, body: Item) {
    for (field, value) in body {
        match field.as_str() {
            "assignee_id" if value.is_null() => issue.insert("assignee".into(), value),
            "assignee_id" => issue.insert("assignee".into(), json!({ "id": value })),
            own if OWN_FIELDS.contains(&own) => None,
            _ => issue.insert(field, value),
        };
    }
}

fn unknown() -> Answer {
    Answer::not_found("issue")
}
