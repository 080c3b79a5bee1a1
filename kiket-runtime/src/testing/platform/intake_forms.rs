//! The intake forms, and what was sent in through them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    call::Call,
    fields::{self, Fields},
    items::{Item, fill, is_called, is_since, next_id, stamp, touch},
    pages::{flag, page, project, since, word},
};
use crate::types::rfc3339;

#[derive(Default)]
pub(super) struct IntakeForms(Vec<Form>);

struct Form {
    project: String,
    own: Item,
    submissions: Vec<Item>,
}

/// What may be decided about a submission.
#[derive(Clone, Copy)]
pub(super) enum Decision {
    Approve,
    Reject,
}

const STATUSES: [&str; 4] = ["pending", "approved", "rejected", "converted"];

/// How long the periods of statistics are, in seconds.
const PERIODS: [(&str, u64); 3] = [("day", 86_400), ("week", 7 * 86_400), ("month", 30 * 86_400)];

impl Form {
    /// A form may be asked for by its id, too.
    fn is(&self, project: &str, key: &str) -> bool {
        self.project == project && is_called(&self.own, &["key", "id"], key)
    }

    /// As answers show it.
    fn shown(&self) -> Value {
        let mut form = self.own.clone();
        form.insert("submissions_count".into(), self.submissions.len().into());
        form.into()
    }

    /// The fields without which nothing may be sent in, and which `data` does not have.
    fn missing(&self, data: &Item) -> Vec<&str> {
        let fields = self.own.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let required = fields.iter().filter(|field| field.get("required") == Some(&Value::Bool(true)));
        let keys = required.filter_map(|field| field.get("key")?.as_str());
        let blank =
            |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        keys.filter(|key| data.get(*key).is_none_or(blank)).collect()
    }

    fn add(&mut self, mut submission: Item, now: u64) -> Value {
        let form_id = self.own.get("id").cloned().unwrap_or_default();
        fill(
            &mut submission,
            [
                ("id", next_id(self.submissions.iter()).into()),
                ("intake_form_id", form_id),
                ("status", json!("pending")),
                ("data", json!({})),
                ("metadata", json!({})),
                ("submitted_by_email", Value::Null),
                ("reviewed_by", Value::Null),
                ("reviewed_at", Value::Null),
                ("notes", Value::Null),
            ],
        );
        stamp(&mut submission, now);
        self.submissions.push(submission.clone());
        submission.into()
    }
}

impl IntakeForms {
    /// Adds a form; what it lacks, it gets.
    pub(super) fn add(&mut self, project: &str, mut form: Item, now: u64) -> Value {
        let id = next_id(self.0.iter().map(|form| &form.own));
        fill(&mut form, [("id", id.into()), ("key", format!("form-{id}").into())]);
        let key = form.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
        fill(
            &mut form,
            [
                ("form_url", format!("https://kiket.test/forms/{key}").into()),
                ("name", key.into()),
                ("description", Value::Null),
                ("active", true.into()),
                ("public", false.into()),
                ("fields", json!([])),
                ("embed_allowed", false.into()),
            ],
        );
        stamp(&mut form, now);
        self.0.push(Form { project: project.to_owned(), own: form, submissions: Vec::new() });
        self.0.last().map(Form::shown).unwrap_or_default()
    }

    /// Adds a submission to the form `key` of a project, whatever the form asks for; none where there is no such form.
    pub(super) fn add_submission(
        &mut self,
        project: &str,
        key: &str,
        submission: Item,
        now: u64,
    ) -> Option<Value> {
        Some(self.form_mut(project, key).ok()?.add(submission, now))
    }

    /// What was sent in through the forms that are called `key`, in all projects.
    pub(super) fn submissions(&self, key: &str) -> Vec<Value> {
        let forms = self.0.iter().filter(|form| is_called(&form.own, &["key"], key));
        forms.flat_map(|form| form.submissions.iter().cloned().map(Value::Object)).collect()
    }

    pub(super) fn list(&self, call: &Call) -> Result<Answer, Answer> {
        let (project, active, public) = (project(call)?, flag(call, "active")?, flag(call, "public")?);
        let is = |form: &Form, field, wanted: Option<bool>| {
            wanted.is_none_or(|wanted| form.own.get(field) == Some(&Value::Bool(wanted)))
        };
        let found = self.0.iter().filter(|form| {
            form.project == project && is(form, "active", active) && is(form, "public", public)
        });
        page(call, &found.map(Form::shown).collect::<Vec<_>>(), None)
    }

    pub(super) fn get(&self, key: &str, call: &Call) -> Result<Answer, Answer> {
        Ok(Answer::json(200, &self.form(project(call)?, key)?.shown()))
    }

    pub(super) fn stats(&self, key: &str, call: &Call, now: u64) -> Result<Answer, Answer> {
        let form = self.form(project(call)?, key)?;
        let period = word(call, "period", &PERIODS.map(|(name, _)| name))?;
        let seconds =
            PERIODS.iter().find(|(name, _)| Some(*name) == period).map_or(now, |(_, seconds)| *seconds);
        let start = i64::try_from(now.saturating_sub(seconds)).unwrap_or_default();
        let start = Timestamp::from_second(start).unwrap_or_default();
        let counted =
            form.submissions.iter().filter(|own| period.is_none() || is_since(own, "created_at", start));
        let counted: Vec<_> = counted.collect();
        let mut stats = Item::from_iter([
            ("total_submissions".to_owned(), counted.len().into()),
            ("period".to_owned(), period.into()),
        ]);
        for status in STATUSES {
            let count = counted.iter().filter(|own| is_called(own, &["status"], status)).count();
            stats.insert(status.to_owned(), count.into());
        }
        Ok(Answer::json(200, &stats.into()))
    }

    pub(super) fn list_submissions(&self, key: &str, call: &Call) -> Result<Answer, Answer> {
        let form = self.form(project(call)?, key)?;
        let (status, since) = (word(call, "status", &STATUSES)?, since(call, "since")?);
        let found = form.submissions.iter().filter(|own| {
            status.is_none_or(|status| is_called(own, &["status"], status))
                && since.is_none_or(|since| is_since(own, "created_at", since))
        });
        page(call, &found.cloned().map(Value::Object).collect::<Vec<_>>(), None)
    }

    pub(super) fn submission(&self, key: &str, id: &str, call: &Call) -> Result<Answer, Answer> {
        let form = self.form(project(call)?, key)?;
        let found = form.submissions.iter().find(|own| is_called(own, &["id"], id)).ok_or_else(unknown)?;
        Ok(Answer::json(200, &found.clone().into()))
    }

    pub(super) fn submit(&mut self, key: &str, call: &Call, now: u64) -> Result<Answer, Answer> {
        let mut body = fields::object(call)?;
        let form = self.form_mut(&fields::project(&body)?, key)?;
        Fields::of(&body).object("data").maybe_object("metadata").finish()?;
        if form.own.get("active") != Some(&Value::Bool(true)) {
            return Err(Answer::invalid(&[("form", "is not active")]));
        }
        let data = body.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
        let missing: Vec<_> = form.missing(&data).into_iter().map(|key| (key, "can't be blank")).collect();
        if !missing.is_empty() {
            return Err(Answer::invalid(&missing));
        }
        body.retain(|field, value| ["data", "metadata"].contains(&field.as_str()) && !value.is_null());
        Ok(Answer::json(201, &form.add(body, now)))
    }

    pub(super) fn decide(
        &mut self,
        key: &str,
        id: &str,
        decision: Decision,
        call: &Call,
        now: u64,
    ) -> Result<Answer, Answer> {
        let mut body = fields::object(call)?;
        let form = self.form_mut(&fields::project(&body)?, key)?;
        let found =
            form.submissions.iter_mut().find(|own| is_called(own, &["id"], id)).ok_or_else(unknown)?;
        Fields::of(&body).maybe_text("notes").finish()?;
        if let Some(decided) =
            found.get("status").and_then(Value::as_str).filter(|status| *status != "pending")
        {
            return Err(Answer::invalid(&[("status", &format!("is already {decided}"))]));
        }
        let status = match decision {
            Decision::Approve => "approved",
            Decision::Reject => "rejected",
        };
        found.insert("status".into(), status.into());
        found.insert("notes".into(), body.remove("notes").unwrap_or_default());
        found.insert("reviewed_at".into(), rfc3339(now).into());
        touch(found, now);
        Ok(Answer::json(200, &found.clone().into()))
    }

    fn form(&self, project: &str, key: &str) -> Result<&Form, Answer> {
        self.0.iter().find(|form| form.is(project, key)).ok_or_else(|| Answer::not_found("form"))
    }

    fn form_mut(&mut self, project: &str, key: &str) -> Result<&mut Form, Answer> {
        self.0.iter_mut().find(|form| form.is(project, key)).ok_or_else(|| Answer::not_found("form"))
    }
}

fn unknown() -> Answer {
    Answer::not_found("submission")
}
