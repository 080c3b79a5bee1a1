//! The process around an extension: its outputs, its signals, what it installs, and what lives beside the deliveries (wire
//! contract, graceful-shutdown to panics).

#![cfg(unix)]

mod beside;
mod deferred;
mod log;
mod outputs;
mod panics;
mod signals;

use std::path::Path;

use extension_process::{Program, signed};
use serde_json::json;

/// A program that calls no one.
fn quiet(path: &str) -> Program {
    Program::new(path).env("KIKET_SDK_TELEMETRY_OPTOUT", "1")
}

fn served() -> Program {
    quiet(env!("CARGO_BIN_EXE_served"))
}

fn by_hand() -> Program {
    quiet(env!("CARGO_BIN_EXE_by_hand"))
}

/// The served extension with a wish for its `init` or `setup`.
fn wishing(wish: &str) -> Program {
    served().env("WISH", wish)
}

fn echo() -> Vec<u8> {
    signed("echo.strict", "v1", &json!({ "a": 1 }))
}

/// A delivery that runs until the file at `until` exists.
fn held(until: &Path) -> Vec<u8> {
    signed("work.held", "v1", &json!({ "id": "held", "until": until }))
}
