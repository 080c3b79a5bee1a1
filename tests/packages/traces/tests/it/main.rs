//! Traces as a collector sees them, and what is said about those that it does not see.

#![cfg(unix)]

mod counts;
mod spans;

use extension_process::{Ended, Program};
use serde_json::Value;

/// A program with traces that go to `collector`. It calls no one else.
fn traced(collector: &str) -> Program {
    sending(env!("CARGO_BIN_EXE_traced"), collector)
}

fn sending(program: &str, collector: &str) -> Program {
    Program::new(program)
        .env("KIKET_SDK_TELEMETRY_OPTOUT", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .env("OTEL_SERVICE_NAME", "tested")
}

/// What the log says at the end: how many spans were exported, and how many lost.
#[track_caller]
fn counted(ended: &Ended) -> (u64, u64) {
    let log = ended.log();
    let last = log
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("traces ended")));
    let lines: Vec<&Value> = last.collect();
    assert_eq!(lines.len(), 1, "{}", ended.stdout);
    let count = |name: &str| lines[0][name].as_u64().unwrap_or_else(|| panic!("no `{name}`: {}", lines[0]));
    (count("exported"), count("lost"))
}
