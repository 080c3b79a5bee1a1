//! A request on its way to its endpoint, and how endpoints read it.

use serde_json::{Value, json};

use super::{
    call::Call,
    collection::Item,
    response::{Outcome, Response},
};

pub(super) struct Request<'r> {
    pub(super) call: &'r Call,
    /// What is in the path, by the names in the pattern.
    pub(super) arguments: Vec<(&'r str, &'r str)>,
    pub(super) organization: &'r str,
    pub(super) now: u64,
}

impl<'r> Request<'r> {
    /// What is in the path where the pattern has `{name}`; empty where it has no such name.
    pub(super) fn path(&self, name: &str) -> &'r str {
        self.arguments.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| *value)
    }

    /// A parameter of the query that must not be blank.
    pub(super) fn required(&self, name: &str) -> Result<&'r str, Response> {
        let value = self.call.query_value(name).filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| Response::invalid(&[(name, "can't be blank")]))
    }

    /// The project in the query: any id that can be written.
    pub(super) fn project(&self) -> Result<&'r str, Response> {
        self.required("project_id")
    }

    /// A number in the query, greater than 0.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Response> {
        let Some(text) = self.call.query_value(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| Response::invalid(&[(name, "must be a number greater than 0")]))
    }

    /// The body: a JSON object.
    pub(super) fn object(&self) -> Result<Item, Response> {
        let kind = self.call.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Response::error(415, "unsupported_media_type", "the body must be application/json"));
        }
        match serde_json::from_slice(self.call.body()) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Response::error(400, "malformed_json", "the body must be a JSON object")),
            Err(_) => Err(Response::error(400, "malformed_json", "the body is not JSON")),
        }
    }

    /// The object that the body has under `name`.
    pub(super) fn inner(&self, name: &str) -> Result<Item, Response> {
        match self.object()?.remove(name) {
            Some(Value::Object(inner)) => Ok(inner),
            _ => Err(Response::invalid(&[(name, "must be an object")])),
        }
    }

    /// `items`, or the page of them that `limit` and `page` ask for:
    ///
    /// ```text
    /// {"data":[…],"meta":{"page":1,"next_page":2,"total":5}}      next_page is null on the last one
    /// ```
    ///
    /// A page has at most `largest` items; without `limit` and `largest` all are on the first.
    pub(super) fn page(&self, items: &[Value], largest: Option<usize>) -> Outcome {
        let limit = self.number("limit")?;
        let page = self.number("page")?.unwrap_or(1);
        let size = limit.into_iter().chain(largest).min().unwrap_or(items.len()).max(1);
        let start = page.saturating_sub(1).saturating_mul(size);
        let data: Vec<_> = items.iter().skip(start).take(size).collect();
        let more = start.saturating_add(data.len()) < items.len() && !data.is_empty();
        let next = more.then(|| page.saturating_add(1));
        let meta = json!({ "page": page, "next_page": next, "total": items.len() });
        Ok(Response::json(200, &json!({ "data": data, "meta": meta })))
    }

    /// The page of `items` that `page` and `per_page` (25 unless given, 100 at most) ask for, in the platform's other
    /// spelling of pages:
    ///
    /// ```text
    /// {"anchors":[…],"pagination":{"page":1,"per_page":25,"total":30,"total_pages":2}}
    /// ```
    pub(super) fn counted_page(&self, name: &str, items: &[Value]) -> Outcome {
        let size = self.number("per_page")?.unwrap_or(25).min(100);
        let page = self.number("page")?.unwrap_or(1);
        let start = page.saturating_sub(1).saturating_mul(size);
        let found: Vec<_> = items.iter().skip(start).take(size).collect();
        let (total, pages) = (items.len(), items.len().div_ceil(size));
        let pagination = json!({ "page": page, "per_page": size, "total": total, "total_pages": pages });
        Ok(Response::json(200, &json!({ name: found, "pagination": pagination })))
    }
}
