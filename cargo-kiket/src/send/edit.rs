//! Changes of a body on the command line: `issue.title=X`.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

use crate::exit::{Error, Exit, Result};

/// A place in JSON.
///
/// ```text
/// place = name *( "." name )   like issue.labels.0
///       / pointer              like /issue/custom.field, a JSON pointer
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(Vec<String>);

/// A place and its new value: JSON, or else a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assignment {
    place: Place,
    value: Value,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let names: Vec<_> = match text.strip_prefix('/') {
            Some(pointer) => {
                pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
            }
            None => text.split('.').map(str::to_owned).collect(),
        };
        if names.iter().any(String::is_empty) {
            return Err("expected names, like `issue.title`".to_owned());
        }
        Ok(Self(names))
    }
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (place, value) =
            text.split_once('=').ok_or("expected a place and its value, like `issue.title=X`")?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok(Self { place: place.parse()?, value })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl Assignment {
    /// Sets the value. Objects on the way to it are made.
    pub(super) fn apply(&self, json: &mut Value) -> Result<()> {
        let mut at = json;
        for name in &self.place.0 {
            if at.is_null() {
                *at = Map::new().into();
            }
            at = match at {
                Value::Object(members) => members.entry(name).or_insert(Value::Null),
                Value::Array(elements) => element(elements, name).ok_or_else(|| self.refused(name))?,
                _ => return Err(self.refused(name)),
            };
        }
        *at = self.value.clone();
        Ok(())
    }

    fn refused(&self, name: &str) -> Error {
        let what = format!("`{}` cannot be set: nothing can have a `{name}` there", self.place);
        Error::new(Exit::Usage, what).help("elements of a list have numbers, and the next one may be added")
    }
}

/// The element of a number, or a new one behind the last.
fn element<'e>(elements: &'e mut Vec<Value>, number: &str) -> Option<&'e mut Value> {
    let number: usize = number.parse().ok()?;
    if number == elements.len() {
        elements.push(Value::Null);
    }
    elements.get_mut(number)
}

impl Place {
    /// Removes what is there, if something is.
    pub(super) fn remove(&self, json: &mut Value) {
        let Some((last, way)) = self.0.split_last() else { return };
        let above = way.iter().try_fold(json, |at, name| match at {
            Value::Object(members) => members.get_mut(name),
            Value::Array(elements) => elements.get_mut(name.parse::<usize>().ok()?),
            _ => None,
        });
        match above {
            Some(Value::Object(members)) => drop(members.remove(last)),
            Some(Value::Array(elements)) => {
                if let Some(number) = last.parse().ok().filter(|number: &usize| *number < elements.len()) {
                    elements.remove(number);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_set_wherever_it_is() {
        #[track_caller]
        fn check(assignment: &str, expected: &Value) {
            let mut json = json!({ "issue": { "title": "A", "labels": ["x"] } });
            assignment.parse::<Assignment>().unwrap().apply(&mut json).unwrap();
            assert_eq!(&json, expected, "{assignment}");
        }
        check("issue.title=B=C", &json!({ "issue": { "title": "B=C", "labels": ["x"] } }));
        check("issue.title=7", &json!({ "issue": { "title": 7, "labels": ["x"] } }));
        check("issue.title=\"7\"", &json!({ "issue": { "title": "7", "labels": ["x"] } }));
        check("issue.title=", &json!({ "issue": { "title": "", "labels": ["x"] } }));
        check("issue.labels.0=y", &json!({ "issue": { "title": "A", "labels": ["y"] } }));
        check("issue.labels.1=y", &json!({ "issue": { "title": "A", "labels": ["x", "y"] } }));
        check("issue={\"id\":1}", &json!({ "issue": { "id": 1 } }));
        check("a.b=1", &json!({ "issue": { "title": "A", "labels": ["x"] }, "a": { "b": 1 } }));
        check("/a.b=1", &json!({ "issue": { "title": "A", "labels": ["x"] }, "a.b": 1 }));
        check("/a~1b=1", &json!({ "issue": { "title": "A", "labels": ["x"] }, "a/b": 1 }));
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for place in ["issue.labels.2=x", "issue.labels.x=y", "issue.title.a=b"] {
            let mut json = json!({ "issue": { "title": "A", "labels": ["x"] } });
            let refused = place.parse::<Assignment>().unwrap().apply(&mut json).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{place}: {refused}");
        }
        for text in ["issue", "=x", ".=x", "a..b=x", "/=x"] {
            assert!(text.parse::<Assignment>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_member_is_removed_if_it_is_there() {
        let mut json = json!({ "issue": { "title": "A", "labels": ["x", "y"] }, "a.b": 1 });
        for place in ["issue.title", "issue.labels.0", "/a.b", "issue.no.where", "issue.labels.9", "x"] {
            place.parse::<Place>().unwrap().remove(&mut json);
        }
        assert_eq!(json, json!({ "issue": { "labels": ["y"] } }));
    }
}
