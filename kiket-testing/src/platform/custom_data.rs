//! The tables of custom data. Every table of every module exists, and is empty at first.

use serde_json::{Value, json};

use super::{
    collection::Item,
    request::Request,
    response::{Outcome, Response},
    state::State,
};

/// Module, table and project of a request.
fn scope<'r>(request: &Request<'r>) -> Result<[&'r str; 3], Response> {
    Ok([request.path("module"), request.path("table"), request.project()?])
}

pub(super) fn list(state: &mut State, request: &Request<'_>) -> Outcome {
    let (scope, filters) = (scope(request)?, filters(request)?);
    let mut found = state.records.within(&scope);
    found.retain(|record| filters.iter().all(|(field, value)| record.get(field) == Some(value)));
    let found: Vec<_> = found.into_iter().cloned().map(Value::Object).collect();
    request.page(&found, state.page_size)
}

/// The fields that a record must have, as one JSON object in text.
fn filters(request: &Request<'_>) -> Result<Item, Response> {
    let Some(text) = request.call.query_value("filters").filter(|text| !text.is_empty()) else {
        return Ok(Item::new());
    };
    serde_json::from_str(text).map_err(|_| Response::invalid(&[("filters", "must be a JSON object")]))
}

pub(super) fn get(state: &mut State, request: &Request<'_>) -> Outcome {
    let record = state.records.find(&scope(request)?, request.path("id"))?;
    Ok(Response::json(200, &json!({ "data": record })))
}

pub(super) fn create(state: &mut State, request: &Request<'_>) -> Outcome {
    let scope = scope(request)?;
    let mut record = request.inner("record")?;
    record.remove("id");
    Ok(Response::json(201, &json!({ "data": state.records.add(&scope, record, request.now) })))
}

/// Changes the fields that are given; the others stay.
pub(super) fn update(state: &mut State, request: &Request<'_>) -> Outcome {
    let record = state.records.find_mut(&scope(request)?, request.path("id"))?;
    let mut changes = request.inner("record")?;
    changes.remove("id");
    record.extend(changes);
    Ok(Response::json(200, &json!({ "data": record })))
}

pub(super) fn delete(state: &mut State, request: &Request<'_>) -> Outcome {
    state.records.remove(&scope(request)?, request.path("id"))?;
    Ok(Response::empty(204))
}
