//! The form of a manifest, and the sections that this form has.

use std::borrow::Cow;

use super::{
    node::{Entry, Map, Mark},
    report::{Report, found, quoted},
};
use crate::error::ProblemId;

/// The three ways to write a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// `id` and `version` at the top level.
    Flat,
    /// Everything under `extension:`.
    Canonical,
    /// `apiVersion: kiket.dev/v1` and `kind: Extension`.
    Adapter,
}

/// A manifest as it is written: its form, and its sections.
pub(super) struct Written<'a> {
    pub(super) form: Form,
    /// The key that the form is known by, or under which the identity is.
    pub(super) marked_at: Mark,
    /// The section with `name` and `version`.
    pub(super) identity: Option<Section<'a>>,
    /// The sections with everything else, the inner one first: most keys may also be at the top level.
    pub(super) sections: Vec<Section<'a>>,
}

/// A mapping, and the prefix of its keys in messages.
#[derive(Clone)]
pub(super) struct Section<'a> {
    pub(super) map: &'a Map,
    prefix: String,
}

impl<'a> Section<'a> {
    /// The full name of `key` in backticks.
    pub(super) fn name(&self, key: &str) -> String {
        quoted(&format!("{}{key}", self.prefix))
    }

    /// The mapping at `key`. A value of another kind is a problem.
    pub(super) fn inner(&self, key: &str, report: &mut Report<'_>) -> Option<Section<'a>> {
        let entry = self.map.entry(key)?;
        if !entry.value.is_nothing() && entry.value.as_map().is_none() {
            let what = format!("{} is a mapping, found {}", self.name(key), entry.value.describe());
            report.wrong(entry, what, "write its keys indented below it, or remove it");
        }
        self.inner_if_mapping(key)
    }

    /// The mapping at `key`, when it is one.
    pub(super) fn inner_if_mapping(&self, key: &str) -> Option<Section<'a>> {
        let map = self.map.get(key)?.as_map()?;
        Some(Section { map, prefix: format!("{}{key}.", self.prefix) })
    }

    /// The text of a scalar that is not blank, as it is written: `1.0` stays `1.0`.
    pub(super) fn text(&self, entry: &Entry, report: &mut Report<'_>) -> Option<String> {
        let name = self.name(&entry.key);
        let written = match entry.value.as_written() {
            Some(written) => written,
            None if entry.value.is_nothing() => Cow::Borrowed(""),
            None => {
                let what = format!("{name} is text, found {}", entry.value.describe());
                report.wrong(entry, what, "write one line of text, in quotes if need be");
                return None;
            }
        };
        if written.trim().is_empty() {
            report.wrong(entry, format!("{name} is blank"), "write a value, or remove the line");
        } else if written.trim() != written {
            let what = format!("{name} has white space at an end");
            report.wrong(entry, what, "write it on one line, without white space around it");
        } else {
            return Some(written.into_owned());
        }
        None
    }
}

impl<'a> Written<'a> {
    /// Finds the form by the keys at the top.
    pub(super) fn new(root: &'a Map, report: &mut Report<'_>) -> Self {
        let top = Section { map: root, prefix: String::new() };
        let is_adapter = check_adapter_marks(root, report);
        if let Some(entry) = root.entry("extension") {
            if is_adapter {
                report.problem(
                    ProblemId::ManifestForm,
                    entry.mark,
                    "a manifest with `apiVersion` and `kind` keeps everything under `metadata` and `spec`, found `extension`",
                    "remove `extension`, or remove `apiVersion` and `kind`",
                );
            }
            if entry.value.is_nothing() {
                let mend = "write `id` and `version` indented below it";
                report.wrong(entry, "`extension` is a mapping, found nothing", mend);
            }
            let body = top.inner("extension", report);
            let sections = body.iter().cloned().chain([top]).collect();
            return Self { form: Form::Canonical, marked_at: entry.mark, identity: body, sections };
        }
        if is_adapter {
            let identity = top.inner("metadata", report);
            let sections = top.inner("spec", report).into_iter().chain([top]).collect();
            let marked_at = ["metadata", "apiVersion", "kind"].iter().find_map(|key| root.entry(key));
            let marked_at = marked_at.map(|entry| entry.mark).unwrap_or_default();
            return Self { form: Form::Adapter, marked_at, identity, sections };
        }
        Self {
            form: Form::Flat,
            marked_at: Mark::default(),
            identity: Some(top.clone()),
            sections: vec![top],
        }
    }
}

/// Whether the manifest has a key of the adapter form; a wrong value is a problem.
fn check_adapter_marks(root: &Map, report: &mut Report<'_>) -> bool {
    const MARKS: [(&str, &str); 2] = [("apiVersion", "kiket.dev/v1"), ("kind", "Extension")];
    match MARKS.map(|(key, _)| root.entry(key)) {
        [None, None] => return false,
        [Some(entry), None] | [None, Some(entry)] => {
            let missing = if entry.key == "kind" { "apiVersion: kiket.dev/v1" } else { "kind: Extension" };
            let what = format!("`apiVersion` and `kind` come together, found only `{}`", entry.key);
            report.problem(
                ProblemId::ManifestForm,
                entry.mark,
                what,
                format!("add `{missing}`, or remove `{}`", entry.key),
            );
        }
        [Some(_), Some(_)] => {}
    }
    for (key, expected) in MARKS {
        let Some(entry) = root.entry(key) else { continue };
        if entry.value.as_written().as_deref() != Some(expected) {
            let what = format!("`{key}` is `{expected}`, found {}", found(&entry.value));
            report.problem(ProblemId::ManifestForm, entry.spot(), what, format!("write `{key}: {expected}`"));
        }
    }
    true
}
