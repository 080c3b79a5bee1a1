//! The issues with their comments, and the projects with the workflows by which issues change their status.

use serde_json::{Value, json};

use super::{
    collection::{By, Item, text, touch, written},
    fields::{
        Rule::{MaybeTexts, Text},
        check,
    },
    request::Request,
    response::{Outcome, Response},
    state::State,
};

/// What the platform decides, and no body.
const OWN_FIELDS: [&str; 4] = ["id", "key", "created_at", "updated_at"];

pub(super) fn list(state: &mut State, request: &Request<'_>) -> Outcome {
    let filters = [
        ("updated_since", By::Since("updated_at")),
        ("project_id", By::Text),
        ("status", By::Text),
        ("assignee_id", By::Text),
    ];
    request.page(&state.issues.picked(&[], request.call, &filters)?, None)
}

pub(super) fn get(state: &mut State, request: &Request<'_>) -> Outcome {
    Ok(Response::json(200, &json!(state.issues.find(&[], request.path("key"))?)))
}

pub(super) fn create(state: &mut State, request: &Request<'_>) -> Outcome {
    let body = request.inner("issue")?;
    check(&body, &[("title", Text), ("labels", MaybeTexts)])?;
    let mut issue = Item::new();
    change(&mut issue, body);
    Ok(Response::json(201, &state.issues.add(&[], issue, request.now)))
}

/// Changes the fields that are given; the others stay.
pub(super) fn update(state: &mut State, request: &Request<'_>) -> Outcome {
    let issue = state.issues.find_mut(&[], request.path("key"))?;
    let body = request.inner("issue")?;
    let rules = [("labels", MaybeTexts), ("title", Text)];
    check(&body, if body.contains_key("title") { &rules } else { &rules[..1] })?;
    change(issue, body);
    touch(issue, request.now);
    Ok(Response::json(200, &json!(issue)))
}

/// Sets what a body sets: the assignee is written as an id, and shown as an object.
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

/// Adds a comment to an issue.
pub(super) fn add_comment(state: &mut State, key: &str, comment: Item, now: u64) -> Result<Value, Response> {
    let issue = written(&state.issues.find(&[], key)?["id"]);
    Ok(state.comments.add(&[&issue], comment, now))
}

pub(super) fn comments(state: &State, key: &str) -> Vec<Value> {
    let issue = state.issues.find(&[], key).map(|issue| written(&issue["id"]));
    issue.map(|issue| state.comments.values(&[&issue])).unwrap_or_default()
}

pub(super) fn comment(state: &mut State, request: &Request<'_>) -> Outcome {
    let key = request.path("key");
    state.issues.find(&[], key)?;
    let mut body = request.inner("comment")?;
    check(&body, &[("body", Text)])?;
    body.retain(|field, _| field == "body");
    Ok(Response::json(201, &add_comment(state, key, body, request.now)?))
}

/// Moves an issue on, where the workflows of its project allow it.
pub(super) fn transition(state: &mut State, request: &Request<'_>) -> Outcome {
    let issue = state.issues.find_mut(&[], request.path("key"))?;
    let body = request.object()?;
    check(&body, &[("transition", Text)])?;
    let (project, status) = (written(&issue["project_id"]), written(&issue["status"]));
    let project = state.projects.find_by(&NAMES, &[], &project).ok();
    let Some(next) = next_status(project, &status, text(&body, "transition")) else {
        return Err(Response::invalid(&[("transition", &format!("is not possible from {status}"))]));
    };
    issue.insert("status".into(), next.into());
    touch(issue, request.now);
    Ok(Response::json(200, &json!(issue)))
}

/// Where `transition`, by its name or its end, leads an issue of a project. A project without workflows allows
/// everything, and its transitions are called like the statuses that they lead to.
fn next_status(project: Option<&Item>, status: &str, transition: &str) -> Option<String> {
    let workflows = project.and_then(|project| project.get("workflows")?.as_array());
    let Some(workflows) = workflows.filter(|workflows| !workflows.is_empty()) else {
        return Some(transition.to_owned());
    };
    let starts = |step: &Value| match step.get("from") {
        Some(Value::Array(from)) => from.iter().any(|from| from == status),
        Some(from) => from == status,
        None => true,
    };
    let steps = workflows.iter().filter_map(|workflow| workflow.get("transitions")?.as_array()).flatten();
    let mut ends = steps.filter(|step| starts(step)).filter_map(|step| {
        let to = step.get("to")?.as_str()?;
        (to == transition || step.get("name").is_some_and(|name| name == transition)).then_some(to)
    });
    ends.next().map(str::to_owned)
}

/// The fields by which queries and issues name a project. In paths it is the slug alone.
const NAMES: [&str; 2] = ["id", "slug"];

/// Adds a project, or replaces the one with its slug.
pub(super) fn add_project(state: &mut State, mut project: Item, now: u64) {
    let _ = state.projects.remove(&[], text(&project, "slug"));
    project.entry("id").or_insert(Value::Null);
    state.projects.add(&[], project, now);
}

pub(super) fn workflows(state: &mut State, request: &Request<'_>) -> Outcome {
    page(state.projects.find(&[], request.path("slug"))?, "workflows", request)
}

pub(super) fn boards(state: &mut State, request: &Request<'_>) -> Outcome {
    page(state.projects.find(&[], request.path("slug"))?, "boards", request)
}

pub(super) fn members(state: &mut State, request: &Request<'_>) -> Outcome {
    page(state.projects.find_by(&NAMES, &[], request.project()?)?, "members", request)
}

fn page(project: &Item, part: &str, request: &Request<'_>) -> Outcome {
    let list = project.get(part).and_then(Value::as_array);
    request.page(list.map(Vec::as_slice).unwrap_or_default(), None)
}
