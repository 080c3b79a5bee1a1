//! The intake forms and their submissions.

use jiff::Timestamp;
use kiket_runtime::internals::rfc3339;
use serde_json::{Value, json};

use super::{
    collection::{By, Item, NOT_LISTED, text, time, touch, written},
    fields::{
        self,
        Rule::{MaybeObject, MaybeText, Object},
        check, is_blank,
    },
    request::Request,
    response::{Outcome, Response},
    state::State,
};

const STATUSES: [&str; 4] = ["pending", "approved", "rejected", "converted"];

/// How long the periods of statistics are, in seconds.
const PERIODS: [(&str, u64); 3] = [("day", 86_400), ("week", 7 * 86_400), ("month", 30 * 86_400)];

pub(super) fn list(state: &mut State, request: &Request<'_>) -> Outcome {
    let filters = [("active", By::Flag), ("public", By::Flag)];
    request.page(&state.forms.picked(&[request.project()?], request.call, &filters)?, None)
}

pub(super) fn get(state: &mut State, request: &Request<'_>) -> Outcome {
    Ok(Response::json(200, &json!(state.forms.find(&[request.project()?], request.path("form"))?)))
}

/// The scope of the submissions to the form that a request names.
fn scope<'r>(state: &State, request: &Request<'r>) -> Result<(&'r str, String), Response> {
    let project = request.project()?;
    Ok((project, written(&state.forms.find(&[project], request.path("form"))?["id"])))
}

pub(super) fn stats(state: &mut State, request: &Request<'_>) -> Outcome {
    let (project, form) = scope(state, request)?;
    let mut counted = state.submissions.within(&[project, &form]);
    let period = request.call.query_value("period");
    if let Some(period) = period {
        let known = PERIODS.iter().find(|(name, _)| *name == period);
        let (_, seconds) = known.ok_or_else(|| Response::invalid(&[("period", NOT_LISTED)]))?;
        let start = i64::try_from(request.now.saturating_sub(*seconds)).unwrap_or_default();
        let start = Timestamp::from_second(start).ok();
        counted.retain(|own| time(text(own, "created_at")) >= start);
    }
    let count = |status: &str| counted.iter().filter(|own| text(own, "status") == status).count();
    let mut body = json!({ "total_submissions": counted.len(), "period": period });
    for status in STATUSES {
        body[status] = count(status).into();
    }
    Ok(Response::json(200, &body))
}

pub(super) fn list_submissions(state: &mut State, request: &Request<'_>) -> Outcome {
    let (project, form) = scope(state, request)?;
    let filters = [("status", By::Word(&STATUSES)), ("since", By::Since("created_at"))];
    request.page(&state.submissions.picked(&[project, &form], request.call, &filters)?, None)
}

pub(super) fn submission(state: &mut State, request: &Request<'_>) -> Outcome {
    let (project, form) = scope(state, request)?;
    Ok(Response::json(200, &json!(state.submissions.find(&[project, &form], request.path("id"))?)))
}

pub(super) fn submit(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut body = request.object()?;
    let (project, key) = (fields::project(&body)?, request.path("form"));
    let form = state.forms.find(&[&project], key)?;
    check(&body, &[("data", Object), ("metadata", MaybeObject)])?;
    if form["active"] != true {
        return Err(Response::invalid(&[("form", "is not active")]));
    }
    let fields = form["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let required = fields.iter().filter(|field| field["required"] == true);
    let keys = required.filter_map(|field| field.get("key")?.as_str());
    let missing: Vec<_> =
        keys.filter(|key| is_blank(&body["data"][*key])).map(|key| (key, "can't be blank")).collect();
    if !missing.is_empty() {
        return Err(Response::invalid(&missing));
    }
    body.retain(|field, value| ["data", "metadata"].contains(&field.as_str()) && !value.is_null());
    Ok(Response::json(201, &add_submission(state, &project, key, body, request.now)?))
}

/// Adds a submission to a form, whatever the form asks for.
pub(super) fn add_submission(
    state: &mut State,
    project: &str,
    key: &str,
    mut submission: Item,
    now: u64,
) -> Result<Value, Response> {
    let form = state.forms.find_mut(&[project], key)?;
    let scope = [project, &written(&form["id"])];
    submission.entry("intake_form_id").or_insert_with(|| form["id"].clone());
    let submission = state.submissions.add(&scope, submission, now);
    form.insert("submissions_count".into(), state.submissions.within(&scope).len().into());
    Ok(submission)
}

/// The submissions to the forms with this key, in all projects.
pub(super) fn submissions(state: &State, key: &str) -> Vec<Value> {
    let forms = state.forms.scoped().iter().filter(|(_, form)| text(form, "key") == key);
    let of = |(scope, form): &(Vec<String>, Item)| {
        let project = scope.first().map(String::as_str).unwrap_or_default();
        state.submissions.values(&[project, &written(&form["id"])])
    };
    forms.flat_map(of).collect()
}

pub(super) fn approve(state: &mut State, request: &Request<'_>) -> Outcome {
    decide(state, request, "approved")
}

pub(super) fn reject(state: &mut State, request: &Request<'_>) -> Outcome {
    decide(state, request, "rejected")
}

fn decide(state: &mut State, request: &Request<'_>, status: &str) -> Outcome {
    let mut body = request.object()?;
    let project = fields::project(&body)?;
    let form = written(&state.forms.find(&[&project], request.path("form"))?["id"]);
    let submission = state.submissions.find_mut(&[&project, &form], request.path("id"))?;
    check(&body, &[("notes", MaybeText)])?;
    let decided = text(submission, "status");
    if !matches!(decided, "" | "pending") {
        return Err(Response::invalid(&[("status", &format!("is already {decided}"))]));
    }
    submission.insert("status".into(), status.into());
    submission.insert("notes".into(), body.remove("notes").unwrap_or_default());
    submission.insert("reviewed_at".into(), rfc3339(request.now).into());
    touch(submission, request.now);
    Ok(Response::json(200, &json!(submission)))
}
