//! A line that the extension printed: of its log, or of anything else.

use kiket_testing::__private::Keyring;
use serde::Serialize;
use serde_json::{Map, Value};

use super::body::whole;

/// A line, without secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// The time, as it is written.
    pub(crate) time: Option<String>,
    /// The level, in small letters.
    pub(crate) level: Option<String>,
    /// The message, or the whole line.
    pub(crate) text: String,
    /// The other fields.
    pub(crate) fields: Vec<(String, String)>,
    /// The delivery that it belongs to.
    #[serde(skip)]
    pub(crate) of: Option<Of>,
}

/// The span `delivery` around a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Of {
    pub(crate) delivery_id: Option<String>,
    pub(crate) event: String,
    pub(crate) handler: Option<String>,
}

/// How much of a text is kept, in bytes.
const LONGEST: usize = 2048;
/// How many fields are kept.
const FIELDS: usize = 24;

impl Line {
    pub(crate) fn read(text: &str, keyring: &Keyring) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_str(text) else {
            return Self { text: shown(text.trim_end(), keyring), ..Self::default() };
        };
        let mut own = |name: &str| match members.remove(name)? {
            Value::String(text) => Some(shown(&text, keyring)),
            _ => None,
        };
        let (time, level, message) = (own("timestamp"), own("level"), own("message"));
        let of = of_delivery(&members, keyring);
        members.retain(|name, _| name != "span" && name != "spans");
        let fields = members.iter().take(FIELDS).map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (shown(name, keyring), shown(&value, keyring))
        });
        let fields = fields.collect();
        let level = level.map(|level| level.to_ascii_lowercase());
        Self { time, level, text: message.unwrap_or_default(), fields, of }
    }

    /// Its size in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        128 + self.text.len()
            + self.fields.iter().map(|(name, value)| 48 + name.len() + value.len()).sum::<usize>()
    }

    pub(crate) fn is_warning(&self) -> bool {
        matches!(self.level.as_deref(), Some("warn" | "error"))
    }
}

fn of_delivery(members: &Map<String, Value>, keyring: &Keyring) -> Option<Of> {
    let around = members.get("spans").and_then(Value::as_array).into_iter().flatten();
    let mut spans = around.chain(members.get("span"));
    let span = spans.find(|span| span.get("name").is_some_and(|name| name == "delivery"))?;
    let text = |name: &str| match span.get(name)? {
        Value::String(text) => Some(shown(text, keyring)),
        other => Some(other.to_string()),
    };
    Some(Of { delivery_id: text("delivery_id"), event: text("event")?, handler: text("handler") })
}

fn shown(text: &str, keyring: &Keyring) -> String {
    let mut text = keyring.redact(text);
    if text.len() > LONGEST {
        text.truncate(whole(&text, LONGEST));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Line {
        Line::read(text, &Keyring::new([("STRIPE".to_owned(), "sk_known".into())]))
    }

    #[test]
    fn a_line_of_the_log_names_its_delivery() {
        let line = read(
            r#"{"timestamp":"2026-01-01T00:00:00.1Z","level":"INFO","message":"paid sk_known","cents":5,"span":{"name":"charge"},
               "spans":[{"name":"delivery","delivery_id":"evt_1","event":"issue.created","handler":"crm::on"},{"name":"charge"}]}"#,
        );
        let of = Of {
            delivery_id: Some("evt_1".into()),
            event: "issue.created".into(),
            handler: Some("crm::on".into()),
        };
        assert_eq!((line.text.as_str(), line.level.as_deref()), ("paid <redacted:STRIPE>", Some("info")));
        assert_eq!((line.of, line.fields), (Some(of), vec![("cents".to_owned(), "5".to_owned())]));
    }

    #[test]
    fn any_other_text_is_a_line_and_bounded() {
        for text in ["hello sk_known", "{", "[1]", "7"] {
            assert_eq!(read(text).text, text.replace("sk_known", "<redacted:STRIPE>"));
        }
        let long = read(&"é".repeat(LONGEST));
        assert!(long.text.len() <= LONGEST + 3 && long.weight() > LONGEST);
        assert!(read(r#"{"level":7,"span":[],"spans":{}}"#).of.is_none());
    }
}
