//! The projects: their workflows, boards and members, which only a seed or a test makes.

use serde_json::Value;

use super::{
    collection::{Item, text},
    request::Request,
    response::Outcome,
    state::State,
};

/// The fields by which queries and issues name a project. In paths it is the slug alone.
pub(super) const NAMES: [&str; 2] = ["id", "slug"];

/// Adds a project, or replaces the one with its slug.
pub(super) fn add(state: &mut State, mut project: Item, now: u64) {
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
