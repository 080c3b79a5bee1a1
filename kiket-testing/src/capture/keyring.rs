//! The secrets that were seen so far, for texts that come later: the one rule of captures, delivery after delivery.

use kiket_runtime::{Secret, internals::Redactions};
use serde_json::Value;

use super::{
    content::{CapturedCall, Content},
    recording::{captured, of_call},
    redaction::{Named, by_value, escape, of_content, redactions},
};
use crate::platform::Call;

/// Secrets by name: those that were known at the start, and the last ones that stood in a place of secrets.
#[allow(missing_debug_implementations)] // it has secrets
pub struct Keyring {
    named: Named,
    /// What redacts each of them.
    redactions: Vec<Redactions>,
    /// Their places, the longest first: a secret may contain another.
    by_length: Vec<usize>,
    /// How many were known at the start, and stay.
    known: Option<usize>,
}

/// How many of the secrets that were seen are kept: each delivery may bring a token of its own.
const SEEN: usize = 64;

impl Keyring {
    /// One that knows these.
    pub fn new(known: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let mut ring = Self { named: Vec::new(), redactions: Vec::new(), by_length: Vec::new(), known: None };
        ring.add(known.into_iter().collect());
        ring.known = Some(ring.named.len());
        ring
    }

    /// The content of a body, whose secrets are learned by their positions and redacted.
    pub fn content(&mut self, body: &[u8]) -> Content {
        self.redacted(Content::of(body))
    }

    /// The same for the body of a delivery, which may be sent again: what looks like a placeholder is escaped.
    pub fn delivery(&mut self, body: &[u8]) -> Content {
        let mut content = Content::of(body);
        escape(&mut content);
        self.redacted(content)
    }

    fn redacted(&mut self, mut content: Content) -> Content {
        self.learn(|found| of_content(&mut content, found));
        self.hide(&mut content);
        content
    }

    /// The same for a call with its response.
    pub fn call(&mut self, call: &Call) -> CapturedCall {
        let mut call = captured(call);
        self.learn(|found| of_call(&mut call, found));
        call.path = self.redact(&call.path);
        self.hide(&mut call.body);
        if let Some(response) = &mut call.response {
            self.hide(&mut response.body);
            response.headers.values_mut().for_each(|value| *value = self.redact(value));
        }
        call
    }

    /// The text without the secrets.
    pub fn redact(&self, text: &str) -> String {
        self.by_length.iter().fold(text.to_owned(), |text, place| self.redactions[*place].redact(&text))
    }

    fn learn(&mut self, find: impl FnOnce(&mut Named)) {
        // Those that are known give their names to what is found.
        let before = self.named.len();
        find(&mut self.named);
        let found = self.named.split_off(before);
        self.add(found);
    }

    fn add(&mut self, found: Named) {
        for (name, secret) in found {
            if self.named.iter().any(|(_, known)| known.expose() == secret.expose()) {
                continue;
            }
            self.redactions.push(redactions([(name.clone(), secret.clone())]));
            self.named.push((name, secret));
            if let Some(known) = self.known.filter(|known| self.named.len() > known + SEEN) {
                self.named.remove(known);
                self.redactions.remove(known);
            }
        }
        self.by_length = (0..self.named.len()).collect();
        self.by_length.sort_by_key(|place| std::cmp::Reverse(self.named[*place].1.expose().len()));
    }

    fn hide(&self, content: &mut Content) {
        if let Some(text) = &mut content.text {
            *text = self.redact(text);
        }
        let Some(json) = &mut content.body else { return };
        let mut texts = String::new();
        join(json, &mut texts);
        // Few of the secrets are in a body, and only these are looked for in each of its texts.
        for place in &self.by_length {
            if self.redactions[*place].redact(&texts) != texts {
                by_value(json, &self.redactions[*place]);
            }
        }
    }
}

/// All texts of a value, one after the other.
fn join(value: &Value, texts: &mut String) {
    match value {
        Value::String(text) => texts.push_str(text),
        Value::Number(number) => texts.push_str(&number.to_string()),
        Value::Array(elements) => elements.iter().for_each(|element| join(element, texts)),
        Value::Object(members) => {
            for (key, value) in members {
                texts.push_str(key);
                texts.push('\0');
                join(value, texts);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    texts.push('\0');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_seen_is_redacted_later() {
        let mut ring = Keyring::new([("STRIPE".to_owned(), "sk_known".into())]);
        let body = br#"{"secrets":{"slack.token":"xoxb-1"},"a":["xoxb-1","sk_known"],"sk_known":1}"#;
        let content = ring.content(body).to_bytes();
        assert_eq!(
            String::from_utf8(content).unwrap(),
            r#"{"<redacted:STRIPE>":1,"a":["<redacted:SLACK_TOKEN>","<redacted:STRIPE>"],"secrets":{"slack.token":"<redacted:SLACK_TOKEN>"}}"#
        );
        assert_eq!(ring.redact("a xoxb-1 b"), "a <redacted:SLACK_TOKEN> b");
        let later = ring.content(br#"{"token":"xoxb-1","more":"eG94Yi0x"}"#);
        assert_eq!(later.body.unwrap()["token"], "<redacted:SLACK_TOKEN>");
    }

    #[test]
    fn the_last_ones_are_kept_and_the_known_ones_always() {
        let mut ring = Keyring::new([("STRIPE".to_owned(), "sk_known".into())]);
        for number in 0..200 {
            let token = format!("token_{number:04}");
            ring.content(format!(r#"{{"authentication":{{"runtime_token":"{token}"}}}}"#).as_bytes());
            assert_eq!(ring.redact(&token), "<redacted:KIKET_RUNTIME_TOKEN>");
        }
        assert_eq!((ring.named.len(), ring.redactions.len()), (1 + SEEN, 1 + SEEN));
        assert_eq!(ring.redact("sk_known token_0000"), "<redacted:STRIPE> token_0000");
    }

    #[test]
    fn a_secret_in_another_is_redacted_behind_it() {
        let ring = Keyring::new([("A".to_owned(), "sh_1".into()), ("B".to_owned(), "sh_123".into())]);
        assert_eq!(ring.redact("sh_123 sh_1"), "<redacted:B> <redacted:A>");
    }
}
