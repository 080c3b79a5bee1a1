//! A list in pages, and the query that asks for one.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{answer::Answer, call::Call};

/// `items`, or the page of them that `limit` and `page` ask for:
///
/// ```text
/// {"data":[…],"meta":{"page":1,"next_page":2,"total":5}}      next_page is null on the last one
/// ```
///
/// A page has at most `largest` items; without `limit` and `largest` all are on the first.
pub(super) fn page(call: &Call, items: &[Value], largest: Option<usize>) -> Result<Answer, Answer> {
    let limit = positive(call, "limit")?;
    let page = positive(call, "page")?.unwrap_or(1);
    let size = limit.into_iter().chain(largest).min().unwrap_or(items.len()).max(1);
    let start = page.saturating_sub(1).saturating_mul(size);
    let data: Vec<_> = items.iter().skip(start).take(size).collect();
    let more = start.saturating_add(data.len()) < items.len() && !data.is_empty();
    let next = more.then(|| page.saturating_add(1));
    let meta = json!({ "page": page, "next_page": next, "total": items.len() });
    Ok(Answer::json(200, &json!({ "data": data, "meta": meta })))
}

/// The page of `items` that `page` and `per_page` (25 unless told, 100 at most) ask for, in the platform's other
/// spelling of pages:
///
/// ```text
/// {"anchors":[…],"pagination":{"page":1,"per_page":25,"total":30,"total_pages":2}}
/// ```
pub(super) fn counted_page(call: &Call, name: &str, items: &[Value]) -> Result<Answer, Answer> {
    let size = positive(call, "per_page")?.unwrap_or(25).min(100);
    let page = positive(call, "page")?.unwrap_or(1);
    let found: Vec<_> = items.iter().skip(page.saturating_sub(1).saturating_mul(size)).take(size).collect();
    let (total, pages) = (items.len(), items.len().div_ceil(size));
    let pagination = json!({ "page": page, "per_page": size, "total": total, "total_pages": pages });
    Ok(Answer::json(200, &json!({ name: found, "pagination": pagination })))
}

/// A number in the query, greater than 0.
pub(super) fn positive(call: &Call, name: &'static str) -> Result<Option<usize>, Answer> {
    let Some(text) = call.query_value(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(Answer::invalid(&[(name, "must be a number greater than 0")])),
    }
}

/// Whether the query asks for what is so, or for what is not.
pub(super) fn flag(call: &Call, name: &str) -> Result<Option<bool>, Answer> {
    call.query_value(name)
        .map(str::parse)
        .transpose()
        .map_err(|_| Answer::invalid(&[(name, "must be true or false")]))
}

/// Which of some words the query asks for.
pub(super) fn word<'c>(call: &'c Call, name: &str, words: &[&str]) -> Result<Option<&'c str>, Answer> {
    match call.query_value(name) {
        Some(word) if !words.contains(&word) => {
            Err(Answer::invalid(&[(name, "is not included in the list")]))
        }
        word => Ok(word),
    }
}

/// From when on, as RFC 3339 writes it.
pub(super) fn since(call: &Call, name: &str) -> Result<Option<Timestamp>, Answer> {
    let time = call.query_value(name).map(str::parse).transpose();
    time.map_err(|_| Answer::invalid(&[(name, "is not an RFC 3339 time")]))
}

/// The project that a call is about: any id that can be written, and not a blank one.
pub(super) fn project(call: &Call) -> Result<&str, Answer> {
    let project = call.query_value("project_id").unwrap_or_default();
    if project.trim().is_empty() {
        Err(Answer::invalid(&[("project_id", "can't be blank")]))
    } else {
        Ok(project)
    }
}

/// An id as a path or a query writes it: `7` and `"7"` are one.
pub(super) fn written(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
