//! An extension with traces beside a library that brings both HTTP clients.

use kiket::prelude::*;
use opentelemetry_otlp as _;

#[kiket::webhook("spans.burst", version = "v1")]
async fn burst(payload: Payload) {
    for number in 0..payload["spans"].as_u64().unwrap_or_default() {
        tracing::info_span!("one", number).in_scope(|| {});
    }
}

kiket::main!(init = kiket_otel::init);
