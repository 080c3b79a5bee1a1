//! The body to send: that of a documented event, of a file, or of a capture.

use std::path::Path;

use kiket_testing::{Fixture, fixture, fixtures};
use serde_json::Value;

use crate::{
    exit::{Error, Exit, Result},
    input,
    shell::Shell,
};

/// A body, as JSON if it is some.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    json: Option<Value>,
    /// Whether `json` differs from `bytes`.
    edited: bool,
}

/// A delivery id that no other delivery has.
pub(crate) fn fresh_id() -> String {
    format!("evt_{:016x}", fastrand::u64(..))
}

impl Body {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let json = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
        Self { bytes, json, edited: false }
    }

    /// The body of a file, or of standard input.
    pub(super) fn read(file: &Path, shell: &Shell) -> Result<Self> {
        input::read(Some(file), shell).map(Self::new)
    }

    /// The body of a documented event, in its usual shape or in another one.
    pub(super) fn documented(event: &str, shape: Option<&str>) -> Result<Self> {
        let usual = fixture(event).ok_or_else(|| unknown(event))?;
        let Some(shape) = shape else { return Ok(Self::new(usual.to_string().into_bytes())) };
        let shapes: Vec<_> = fixtures().iter().filter(|fixture| fixture.event() == event).collect();
        let found = shapes.iter().find(|fixture| fixture.shape() == shape);
        let found = found.ok_or_else(|| {
            let names: Vec<_> = shapes.iter().map(|fixture| format!("`{}`", fixture.shape())).collect();
            let help = if names.is_empty() {
                format!("`{event}` is another name: take the event it stands for")
            } else {
                format!("the shapes of `{event}` are {}", names.join(", "))
            };
            Error::new(Exit::Usage, format!("`{event}` has no shape `{shape}`")).help(help)
        })?;
        Ok(Self::new(found.text().as_bytes().to_vec()))
    }

    /// Changes the JSON.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
        let before = self.json.clone();
        let Some(json) = &mut self.json else {
            // A change of nothing is one of anything.
            let mut probe = Value::Null;
            change(&mut probe)?;
            return if probe.is_null() { Ok(()) } else { Err(not_an_object()) };
        };
        change(json)?;
        self.edited |= self.json != before;
        Ok(())
    }

    /// Whether it says which delivery it is.
    pub(super) fn has_id(&self) -> bool {
        let is_id = |value: &Value| !value.is_null() && value != "";
        let json = self.json.as_ref();
        json.is_some_and(|json| ["id", "delivery_id"].iter().any(|name| json.get(name).is_some_and(is_id)))
    }

    /// The bytes with an id; without one, as they are.
    pub(crate) fn with_id(&self, id: Option<String>) -> Vec<u8> {
        match (id, &self.json) {
            (Some(id), Some(json)) => {
                let mut json = json.clone();
                let name = if json.get("id").is_none() && json.get("delivery_id").is_some() {
                    "delivery_id"
                } else {
                    "id"
                };
                json[name] = id.into();
                json.to_string().into_bytes()
            }
            (None, Some(json)) if self.edited => json.to_string().into_bytes(),
            _ => self.bytes.clone(),
        }
    }
}

fn not_an_object() -> Error {
    Error::input("the body is not a JSON object, so that nothing in it can be set")
}

/// The error for an event that is not documented, with the nearest ones.
fn unknown(event: &str) -> Error {
    let mut names: Vec<_> = fixtures().iter().map(Fixture::event).filter(|name| name.contains('.')).collect();
    names.dedup();
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(event, name);
    let mut near: Vec<_> = names.iter().map(|name| (likeness(name), *name)).collect();
    near.retain(|(likeness, _)| *likeness >= 0.6);
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let near: Vec<_> = near.iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    let help = "for an event of your own give a body: `--file FILE`, or `--file -` for standard input";
    let help =
        if near.is_empty() { help.to_owned() } else { format!("did you mean {}? {help}", near.join(", ")) };
    Error::new(Exit::Usage, format!("no document has an event `{event}`")).help(help)
}
