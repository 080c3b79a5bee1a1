//! Which values of a document are secrets.

use std::collections::HashSet;

use super::{
    kind::is_secret_kind,
    node::{Content, Entry, Map, Mark, Node},
    similar::closest,
};

/// The secrets of a document, by their places.
#[derive(Default)]
pub(super) struct Secrets<'a> {
    /// The secrets themselves.
    pub(super) nodes: Vec<&'a Node>,
    /// The marks of the keys that announce a secret. A value of the wrong shape behind such a key may still be one.
    pub(super) keys: Vec<Mark>,
    written: HashSet<usize>,
}

impl<'a> Secrets<'a> {
    /// Finds the values of keys that name a secret (`delivery_secret`, `secret`, `bot_token`, …), the defaults of secret
    /// settings, and the values below `secrets`. The `true` of `secret: true` is no secret.
    pub(super) fn of(root: &'a Node) -> Self {
        let mut secrets = Self::default();
        secrets.search(root, false);
        secrets.written = secrets.nodes.iter().map(|node| node.written.start).collect();
        secrets
    }

    /// Whether `node` is a secret, also through an alias.
    pub(super) fn contains(&self, node: &Node) -> bool {
        !node.written.is_empty() && self.written.contains(&node.written.start)
    }

    /// `among` is whether `node` is below a key `secrets`, where every setting is secret.
    fn search(&mut self, node: &'a Node, among: bool) {
        match &node.content {
            Content::List(items) => items.iter().for_each(|item| self.search(item, among)),
            Content::Map(map) => {
                let marked = among || is_marked_secret(map);
                for entry in &map.0 {
                    let key = meant(&entry.key);
                    let is_list = key == "secrets";
                    let value = marked && (key == "default" || key == "value");
                    if names_a_secret(key) || value || (is_list && entry.value.as_list().is_none()) {
                        self.hide(entry);
                    }
                    if is_list
                        && let Some(named) = entry.value.as_map().filter(|map| map.get("fields").is_none())
                    {
                        let plain = named.0.iter().filter(|entry| entry.value.as_map().is_none());
                        plain.for_each(|entry| self.hide(entry));
                    }
                    self.search(&entry.value, among || is_list);
                }
            }
            _ => {}
        }
    }

    fn hide(&mut self, entry: &'a Entry) {
        self.keys.push(entry.mark);
        self.scalars(&entry.value);
    }

    /// Adds the texts and numbers of `node`. It descends only into lists: the values of a mapping have keys of their own.
    fn scalars(&mut self, node: &'a Node) {
        match &node.content {
            Content::Text(_) | Content::Number(..) => self.nodes.push(node),
            Content::List(items) => items.iter().for_each(|item| self.scalars(item)),
            Content::Nothing | Content::Truth(..) | Content::Map(_) => {}
        }
    }
}

/// Whether a setting is a secret. In doubt it is: `secret: yes` is a mistake, and reported, but the report must not print
/// the default.
pub(super) fn is_marked_secret(setting: &Map) -> bool {
    let said = |node: &Node| {
        !node.is_nothing() && node.as_written().is_none_or(|text| !text.eq_ignore_ascii_case("false"))
    };
    setting.0.iter().any(|entry| match meant(&entry.key) {
        "secret" => said(&entry.value),
        "type" => entry.value.as_written().is_some_and(|kind| is_secret_kind(&kind)),
        _ => false,
    })
}

/// The key of a secret that `key` is a misspelling of, else `key`: what stands behind `delivery_secert` is a secret.
pub(super) fn meant(key: &str) -> &str {
    const KEYS: [&str; 5] = ["delivery_secret", "secret", "secrets", "default", "value"];
    if KEYS.contains(&key) { key } else { closest(key, KEYS.iter()).unwrap_or(key) }
}

/// The words that name secrets.
pub(super) const WORDS: [&str; 6] = ["secret", "token", "password", "api_key", "apikey", "private_key"];

/// Whether a key in snake case names a secret.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    WORDS.iter().any(|word| key.ends_with(word))
}
