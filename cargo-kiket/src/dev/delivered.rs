//! A delivery that ended, as the terminal names it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{lines::harmless, proxy::Ended};

/// A delivery that ended, for the terminal.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) target: String,
    pub(super) body: Bytes,
    /// Whether it came through a tunnel.
    pub(super) is_outside: bool,
    pub(super) took: Duration,
    pub(super) end: Ended,
}

impl Delivered {
    /// The id in the body.
    pub(super) fn id(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        ["id", "delivery_id"].into_iter().find_map(|name| match body.get(name)? {
            Value::String(id) if !id.is_empty() => Some(short(id)),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        })
    }

    /// The event: that of the path, else that of the body.
    pub(super) fn event(&self) -> Option<String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let of_path =
            path.rsplit_once("/webhooks/").map(|(_, event)| event).filter(|event| !event.is_empty());
        let of_body = || {
            let body: Value = serde_json::from_slice(&self.body).ok()?;
            body.get("event")?.as_str().map(str::to_owned)
        };
        of_path.map(str::to_owned).or_else(of_body).map(|event| short(&event))
    }

    /// The status of the response; `None` where there is none.
    pub(super) fn status(&self) -> Option<u16> {
        match &self.end {
            Ended::Response { head, .. } => status_of(head),
            Ended::Nothing { .. } => None,
        }
    }
}

/// A text from outside that a terminal can show.
fn short(text: &str) -> String {
    let mut shown: String = harmless(text).chars().take(100).collect();
    if text.chars().nth(100).is_some() {
        shown.push('…');
    }
    shown
}

/// The status in the head of a response.
pub(super) fn status_of(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_has_names_that_a_terminal_can_show() {
        let delivered = |target: &str, body: &str| Delivered {
            target: target.to_owned(),
            body: body.to_owned().into(),
            is_outside: false,
            took: Duration::ZERO,
            end: Ended::Response { head: "HTTP/1.1 404 x\r\n".into(), body: Bytes::new(), by_proxy: false },
        };
        let plain = delivered("/kiket/v/v1/webhooks/issue.created?x=1", "{\"id\":7}");
        assert_eq!(
            (plain.event(), plain.id(), plain.status()),
            (Some("issue.created".into()), Some("7".into()), Some(404))
        );
        let hostile = delivered("/webhooks", "{\"id\":\"\\u001b[2J\",\"event\":\"own.event\"}");
        assert_eq!((hostile.event(), hostile.id()), (Some("own.event".into()), Some("\u{fffd}[2J".into())));
        let long = format!("{{\"id\":\"{}\"}}", "x".repeat(200));
        assert_eq!(delivered("/", &long).id().unwrap().chars().count(), 101);
        assert_eq!(delivered("/", "[").id(), None);
    }
}
