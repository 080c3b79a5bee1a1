//! What a span is before it leaves the process: without known secrets, with texts of bounded length.

use kiket_runtime::__private::traces::redacted;
use opentelemetry::{Array, Key, StringValue, Value, trace::SpanKind, trace::Status};
use opentelemetry_sdk::trace::SpanData;

/// Marks the span of a delivery, whose kind and name `tracing` cannot say.
pub(crate) const DELIVERY: Key = Key::from_static_str("kiket.otel.delivery");

/// The span as it is sent.
pub(crate) fn cleaned(mut span: SpanData) -> SpanData {
    let marks = span.attributes.len();
    span.attributes.retain(|attribute| attribute.key != DELIVERY);
    if span.attributes.len() < marks {
        span.span_kind = SpanKind::Server;
        let event = span.attributes.iter().find(|attribute| attribute.key.as_str() == "event");
        if let Some(event) = event {
            span.name = format!("delivery {}", event.value).into();
        }
    }
    if let Some(name) = redacted(&span.name) {
        span.name = name.into();
    }
    if let Status::Error { description } = &mut span.status
        && let Some(text) = redacted(description)
    {
        *description = text.into();
    }
    let events = span.events.events.iter_mut().flat_map(|event| &mut event.attributes);
    let links = span.links.links.iter_mut().flat_map(|link| &mut link.attributes);
    for attribute in span.attributes.iter_mut().chain(events).chain(links) {
        match &mut attribute.value {
            Value::String(text) => clean(text),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(clean),
            _ => {}
        }
    }
    span
}

fn clean(text: &mut StringValue) {
    if let Some(cleaned) = redacted(text.as_str()).filter(|cleaned| cleaned != text.as_str()) {
        *text = cleaned.into();
    }
}
