//! The tables of custom data. Every table of every module exists, and is empty at first.

use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    call::Call,
    fields,
    items::{is_called, next_id},
    pages::{page, project},
};

#[derive(Default)]
pub(super) struct CustomData {
    rows: Vec<Row>,
    /// The most records on a page.
    pub(super) page_size: Option<usize>,
}

struct Row {
    project: String,
    table: Table,
    record: Map<String, Value>,
}

/// A table by module and name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Table {
    module: String,
    name: String,
}

impl Table {
    pub(super) fn new(module: &str, name: &str) -> Self {
        Self { module: module.to_owned(), name: name.to_owned() }
    }
}

impl Row {
    fn has_id(&self, id: &str) -> bool {
        is_called(&self.record, &["id"], id)
    }
}

impl CustomData {
    /// The records of a table in all projects, in the order of their making.
    pub(super) fn records(&self, table: &Table) -> Vec<Value> {
        let rows = self.rows.iter().filter(|row| row.table == *table);
        rows.map(|row| Value::Object(row.record.clone())).collect()
    }

    /// Adds a record; without an id it gets the next number of its table.
    pub(super) fn add(&mut self, project: &str, table: Table, mut record: Map<String, Value>) -> Value {
        if !record.contains_key("id") {
            let rows = self.rows.iter().filter(|row| row.table == table);
            record.insert("id".into(), next_id(rows.map(|row| &row.record)).into());
        }
        let made = Value::Object(record.clone());
        self.rows.push(Row { project: project.to_owned(), table, record });
        made
    }

    pub(super) fn list(&self, table: &Table, call: &Call) -> Result<Answer, Answer> {
        let project = project(call)?;
        let filters = filters(call)?;
        let rows = self.rows.iter().filter(|row| row.project == project && row.table == *table);
        let found =
            rows.filter(|row| filters.iter().all(|(field, value)| row.record.get(field) == Some(value)));
        let found: Vec<_> = found.map(|row| Value::Object(row.record.clone())).collect();
        page(call, &found, self.page_size)
    }

    pub(super) fn get(&self, table: &Table, id: &str, call: &Call) -> Result<Answer, Answer> {
        let place = self.place(table, id, call)?;
        let row = self.rows.get(place).ok_or_else(unknown)?;
        Ok(Answer::json(200, &json!({ "data": row.record })))
    }

    pub(super) fn create(&mut self, table: Table, call: &Call) -> Result<Answer, Answer> {
        let project = project(call)?;
        let mut record = fields::inner(call, "record")?;
        record.remove("id");
        Ok(Answer::json(201, &json!({ "data": self.add(project, table, record) })))
    }

    /// Changes the fields that are given; the others stay.
    pub(super) fn update(&mut self, table: &Table, id: &str, call: &Call) -> Result<Answer, Answer> {
        let place = self.place(table, id, call)?;
        let mut changes = fields::inner(call, "record")?;
        changes.remove("id");
        let row = self.rows.get_mut(place).ok_or_else(unknown)?;
        row.record.extend(changes);
        Ok(Answer::json(200, &json!({ "data": row.record })))
    }

    pub(super) fn delete(&mut self, table: &Table, id: &str, call: &Call) -> Result<Answer, Answer> {
        let place = self.place(table, id, call)?;
        self.rows.remove(place);
        Ok(Answer::empty(204))
    }

    fn place(&self, table: &Table, id: &str, call: &Call) -> Result<usize, Answer> {
        let project = project(call)?;
        let is_it = |row: &Row| row.project == project && row.table == *table && row.has_id(id);
        self.rows.iter().position(is_it).ok_or_else(unknown)
    }
}

fn unknown() -> Answer {
    Answer::not_found("record")
}

/// The fields that a record must have, as one JSON object in text.
fn filters(call: &Call) -> Result<Map<String, Value>, Answer> {
    let Some(text) = call.query_value("filters").filter(|text| !text.is_empty()) else {
        return Ok(Map::new());
    };
    serde_json::from_str(text).map_err(|_| Answer::invalid(&[("filters", "must be a JSON object")]))
}
