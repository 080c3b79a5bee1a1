//! A body without secrets: as it was sent if that is possible, and an excerpt of a large one.

use std::{collections::HashSet, fmt};

use kiket_testing::{
    __private::{Keyring, escaped},
    Content,
};
use serde::{
    Deserialize, Serialize,
    de::{Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// The largest body that is kept whole, in bytes.
pub(crate) const EXCERPT: usize = 64 << 10;
/// The longest secret of which a half may be at the end of what broke off, in bytes.
const LONGEST_HALF: usize = 4 << 10;
/// The largest body that is looked into, in bytes.
const LARGEST: usize = 4 << 20;

/// A body as the page shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Body {
    /// How many bytes were sent.
    pub(crate) size: usize,
    /// Whether it is JSON.
    pub(crate) json: bool,
    /// Its text, with placeholders in place of secrets; that of a delivery has `<redacted:>` for `<redacted:`.
    pub(crate) text: String,
    /// Whether the text is what was sent, byte for byte, but for the placeholders.
    pub(crate) exact: bool,
    /// Whether the text is only the beginning.
    pub(crate) cut: bool,
}

/// The end of the longest beginning that has at most so many bytes, and no half of a letter.
pub(crate) fn whole(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default()
}

impl Body {
    /// Reads a body. What is a secret by its position is known to the keyring from then on.
    pub(crate) fn read(bytes: &[u8], keyring: &mut Keyring) -> Self {
        Self::of(bytes, keyring, Keyring::content, str::to_owned)
    }

    /// The same for the body of a delivery, which may be sent again.
    pub(crate) fn delivery(bytes: &[u8], keyring: &mut Keyring) -> Self {
        Self::of(bytes, keyring, Keyring::delivery, escaped)
    }

    fn of(
        bytes: &[u8],
        keyring: &mut Keyring,
        content: impl FnOnce(&mut Keyring, &[u8]) -> Content,
        escaped: impl FnOnce(&str) -> String,
    ) -> Self {
        let size = bytes.len();
        if size > LARGEST {
            return Self { size, cut: true, ..Self::default() };
        }
        let content = content(keyring, bytes);
        let (json, (text, exact)) = match (content.body, content.text) {
            (Some(json), _) => (true, shown(bytes, &json, |raw| keyring.redact(&escaped(raw)))),
            (None, text) => {
                let text = text.unwrap_or_default();
                let exact = text.as_bytes() == bytes;
                (false, (text, exact))
            }
        };
        let mut body = Self { size, json, text, exact, cut: false };
        if body.text.len() > EXCERPT {
            // After the redaction: half a secret would not be found.
            let end = whole(&body.text, EXCERPT);
            body.text.truncate(end);
            body.text.shrink_to_fit();
            body.cut = true;
        }
        body
    }

    /// There was more of it. Without its end, where half a secret may be that was not found.
    pub(crate) fn breaks_off(&mut self) {
        let end = whole(&self.text, self.text.len().saturating_sub(LONGEST_HALF));
        self.text.truncate(end);
        self.cut = true;
    }

    /// The member of a JSON object, if the body is one and whole.
    pub(crate) fn value(&self) -> Option<Value> {
        (self.json && !self.cut).then(|| serde_json::from_str(&self.text).ok()).flatten()
    }
}

/// The text as it was sent, where it says the same as the JSON without its secrets, or else that JSON.
fn shown(bytes: &[u8], json: &Value, redacted: impl FnOnce(&str) -> String) -> (String, bool) {
    let raw = std::str::from_utf8(bytes).ok().map(|raw| redacted(raw.trim_start_matches('\u{feff}')));
    let same = raw.filter(|raw| {
        let says_the_same = serde_json::from_str::<Value>(raw).is_ok_and(|value| value == *json);
        // Of a member that is there twice, the first has no position.
        says_the_same && serde_json::from_str::<Once>(raw).is_ok()
    });
    same.map_or_else(|| (json.to_string(), false), |raw| (raw, true))
}

/// JSON in which each member is there once.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with each member once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Self)) = map.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("a member is there twice"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Body {
        Body::read(bytes, &mut Keyring::new([("STRIPE".to_owned(), "sk_known".into())]))
    }

    #[test]
    fn a_body_is_shown_as_it_was_sent() {
        let text = r#"{ "b": 12345678901234567890,  "a": 1.50, "note": "sk_known" }"#;
        let body = read(text.as_bytes());
        assert_eq!(body.text, text.replace("sk_known", "<redacted:STRIPE>"));
        assert!(body.json && body.exact && !body.cut && body.size == text.len());
        assert_eq!(body.value().unwrap()["a"], 1.5);
        assert_eq!(read(b""), Body { exact: true, ..Body::default() });
    }

    #[test]
    fn no_spelling_of_a_secret_is_shown() {
        for text in [
            r#"{"secrets":{"A":"canary_1"}}"#,
            // Escaped as no program escapes it, too short to be found by its value, there twice.
            r#"{"secrets":{"A":"can\u0061ry_1"}}"#,
            r#"{"secrets":{"A":"canary_1"},"note":"c\u0061nary_1"}"#,
            r#"{"secrets":{"A":"cnr"}}"#,
            r#"{"secrets":{"A":"canary_1"},"secrets":{"A":"canary_2"}}"#,
            r#"{"secrets":{"A":"canary_1","A":"canary_2"}}"#,
            r#"{"a":[{"secrets":{"A":"canary_1"},"secrets":7}]}"#,
            r#"{"secrets":{"A":"canary_1"},"#,
            "token=canary_1",
        ] {
            let body = read(text.as_bytes());
            let found = ["canary", "cnr", "\\u0061"].iter().any(|canary| body.text.contains(canary));
            assert!(!found && body.text.contains("<redacted:"), "{text}: {body:?}");
        }
    }

    #[test]
    fn what_a_delivery_says_itself_is_escaped() {
        let mut keyring = Keyring::new([("STRIPE".to_owned(), "sk_known".into())]);
        for (sent, text, exact) in [
            (
                r#"{ "a": "<redacted:HOME> sk_known" }"#,
                r#"{ "a": "<redacted:>HOME> <redacted:STRIPE>" }"#,
                true,
            ),
            (r#"{"<redacted:HOME>":"sk_known"}"#, r#"{"<redacted:>HOME>":"<redacted:STRIPE>"}"#, true),
            // As no program but an attacker's writes it.
            (r#"{ "a": "\u003credacted:HOME>" }"#, r#"{"a":"<redacted:>HOME>"}"#, false),
            ("<redacted:HOME> sk_known", "<redacted:>HOME> <redacted:STRIPE>", false),
        ] {
            let body = Body::delivery(sent.as_bytes(), &mut keyring);
            assert_eq!((&*body.text, body.exact), (text, exact), "{sent}");
        }
    }

    #[test]
    fn a_large_body_is_an_excerpt() {
        let text = format!(r#"{{"a":"{}"}}"#, "é".repeat(40_000));
        let body = read(text.as_bytes());
        assert!(body.cut && body.text.len() <= EXCERPT && body.text.len() > EXCERPT - 4);
        assert_eq!((body.size, body.value()), (text.len(), None));
        // A secret at the border is not half there.
        let text = format!(r#"{{"a":"{}sk_known"}}"#, "x".repeat(EXCERPT - 12));
        assert!(read(text.as_bytes()).text.ends_with("<redac"));
        let body = read(&vec![b'x'; LARGEST + 1]);
        assert!(body.cut && body.text.is_empty() && body.size > LARGEST);
    }
}
