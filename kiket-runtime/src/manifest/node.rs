//! A document as a tree of values with their places.

use std::{borrow::Cow, ops::Range};

use serde_json::{Number, Value};

/// One value of the document.
///
/// It has no `Debug`, because it may hold a secret.
pub(super) struct Node {
    /// The value itself.
    pub(super) content: Content,
    /// The place where the value is used: for an alias, the place of the alias.
    pub(super) mark: Mark,
    /// The range of its text in bytes: for an alias, of the text at the anchor. Empty for lists and mappings.
    pub(super) written: Range<usize>,
}

/// A line and a column, both from 1; the default is the whole file.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The value of a [`Node`].
pub(super) enum Content {
    /// Nothing, `~` or `null`.
    Nothing,
    /// `true` or `false`, and its text: `True` is one, too; `yes` and `on` are text.
    Truth(bool, String),
    /// A number, and its text: `1.0` and `1.00` are one number and two versions.
    Number(Number, String),
    /// Text.
    Text(String),
    /// `[…]` or lines with dashes.
    List(Vec<Node>),
    /// `{…}` or lines with colons.
    Map(Map),
}

/// The entries of a mapping in their order, shadowed duplicates included.
#[derive(Default)]
pub(super) struct Map(pub(super) Vec<Entry>);

/// A key with its value.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) value: Node,
    /// Whether the same key follows again: the last entry counts.
    pub(super) shadowed: bool,
}

impl Entry {
    /// The mark that a problem points at: a scalar itself, else the key.
    pub(super) fn spot(&self) -> Mark {
        if self.value.as_written().is_some() { self.value.mark } else { self.mark }
    }
}

impl Node {
    /// The text of a scalar as it is written, numbers and booleans included.
    pub(super) fn as_written(&self) -> Option<Cow<'_, str>> {
        match &self.content {
            Content::Truth(_, written) | Content::Number(_, written) => Some(Cow::Borrowed(written)),
            Content::Text(text) => Some(Cow::Borrowed(text)),
            Content::Nothing | Content::List(_) | Content::Map(_) => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&Map> {
        if let Content::Map(map) = &self.content { Some(map) } else { None }
    }

    pub(super) fn as_list(&self) -> Option<&[Node]> {
        if let Content::List(items) = &self.content { Some(items) } else { None }
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.content, Content::Nothing)
    }

    /// The kind of the value, for "expected text, found …". It shows no value but booleans.
    pub(super) fn describe(&self) -> &'static str {
        match self.content {
            Content::Nothing => "nothing",
            Content::Truth(true, _) => "`true`",
            Content::Truth(false, _) => "`false`",
            Content::Number(..) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }

    /// The value as JSON, with `null` for every scalar that `is_secret`.
    pub(super) fn to_json(&self, is_secret: &dyn Fn(&Node) -> bool) -> Value {
        self.with_scalars(&|scalar| match &scalar.content {
            _ if is_secret(scalar) => Value::Null,
            Content::Truth(truth, _) => Value::Bool(*truth),
            Content::Number(number, _) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::Nothing | Content::List(_) | Content::Map(_) => Value::Null,
        })
    }

    /// The value as JSON, with every number and boolean as the text that is written.
    pub(super) fn to_texts(&self) -> Value {
        self.with_scalars(&|scalar| scalar.as_written().map_or(Value::Null, Value::from))
    }

    fn with_scalars(&self, json: &dyn Fn(&Node) -> Value) -> Value {
        match &self.content {
            Content::List(items) => items.iter().map(|item| item.with_scalars(json)).collect(),
            Content::Map(map) => Value::Object(
                map.iter().map(|(key, value)| (key.to_owned(), value.with_scalars(json))).collect(),
            ),
            _ => json(self),
        }
    }
}

impl Map {
    /// The value of `key`; the last, if there are several.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`; the last, if there are several.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().rfind(|entry| entry.key == key)
    }

    /// The keys and values, without shadowed entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().filter(|entry| !entry.shadowed).map(|entry| (entry.key.as_str(), &entry.value))
    }
}
