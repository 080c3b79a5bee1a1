//! What other crates turn on changes nothing.

#![cfg(unix)]

use extension_process::{Program, signed};
use serde_json::json;
use traces::{Collector, Manner};

#[test]
fn both_clients_of_another_crate_do_no_harm() {
    let collector = Collector::start(Manner::Takes);
    let running = Program::new(env!("CARGO_BIN_EXE_clients"))
        .env("KIKET_SDK_TELEMETRY_OPTOUT", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .start();
    let burst = signed("spans.burst", "v1", &json!({ "id": "b", "spans": 5000 }));
    assert_eq!(running.ask(&burst).status, 200);
    collector.wait_for_spans(5001);
    let ended = running.stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert_eq!(collector.spans().len(), 5001, "{}", ended.stdout);
}
