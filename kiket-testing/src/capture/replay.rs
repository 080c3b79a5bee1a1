//! Captures as tests: the delivery again, at its time, with the responses that its calls had.

use std::{fmt, fs, path::Path, time::UNIX_EPOCH};

use kiket_runtime::{Clock, Extension, ExtensionBuilder};
use serde_json::{Value, json};

use super::{
    content::{CapturedCall, CapturedResponse},
    diff::diff,
    file::Capture,
    recording::Recording,
    redaction::{RUNTIME_TOKEN, placeholder},
};
use crate::{
    delivery::delivery,
    extension::TestExtension,
    platform::{Call, Failure, FakePlatform},
    response::TestResponse,
};

/// The extension that captures are replayed with: an [`ExtensionBuilder`], or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "captures are replayed with an `ExtensionBuilder`, not with `{Self}`",
    label = "not an `ExtensionBuilder`",
    note = "the function returns an `ExtensionBuilder`, or a `Result` of one"
)]
pub trait Replayed {
    /// The builder, or why there is none.
    ///
    /// # Errors
    ///
    /// That of the function.
    fn builder(self) -> Result<ExtensionBuilder, String>;
}

impl Replayed for ExtensionBuilder {
    fn builder(self) -> Result<ExtensionBuilder, String> {
        Ok(self)
    }
}

impl<E: fmt::Debug> Replayed for Result<ExtensionBuilder, E> {
    fn builder(self) -> Result<ExtensionBuilder, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// The variable that lets a test write what happens now into its file.
const UPDATE: &str = "KIKET_UPDATE";

/// The test of a file, whose text is `text`.
///
/// # Panics
///
/// When what happens differs from the capture.
#[track_caller]
pub fn replay<F: Future<Output: Replayed>>(
    file: &str,
    text: &str,
    extension: impl FnOnce(ExtensionBuilder) -> F,
) {
    let update = std::env::var_os(UPDATE).is_some_and(|value| value == "1");
    if let Err(why) = check(Path::new(file), text, update, extension) {
        panic!("{file}: {why}");
    }
}

/// The test of the files that were not there when the macro was expanded.
///
/// # Panics
///
/// When what happens differs from a capture.
#[track_caller]
pub fn replay_new<F: Future<Output: Replayed>>(
    folder: &str,
    (prefix, suffix): (&str, &str),
    known: &[&str],
    extension: impl Fn(ExtensionBuilder) -> F,
) {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = listed.filter_map(|entry| entry.file_name().into_string().ok());
    let matching = |name: &String| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(suffix))
            && !known.contains(&name.as_str())
    };
    let mut new: Vec<_> = names.filter(matching).collect();
    new.sort();
    for name in new {
        let file = format!("{folder}/{name}");
        match fs::read_to_string(&file) {
            Ok(text) => replay(&file, &text, &extension),
            Err(error) => panic!("{file}: {error}"),
        }
    }
}

/// Compares, or writes the file.
pub(super) fn check<F: Future<Output: Replayed>>(
    file: &Path,
    text: &str,
    update: bool,
    extension: impl FnOnce(ExtensionBuilder) -> F,
) -> Result<(), String> {
    let capture = Capture::parse(text).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let now = runtime.block_on(again(&capture, update, extension))?;
    let (before, after) = (shown(&capture, &capture), shown(&now, &capture));
    if update {
        // Calls that the recorder did not see are added where the response is right, too.
        let is_same = before == after && capture.calls.is_some();
        return if is_same { Ok(()) } else { now.save(file).map_err(|error| format!("{error:?}")) };
    }
    if before == after {
        return Ok(());
    }
    Err(format!(
        "the extension no longer does what was captured (`-` captured, `+` now)\n{}\
         `{UPDATE}=1 cargo test` writes what it does now into the file",
        diff(&before, &after)
    ))
}

/// What is compared of `capture`: the response, and the calls if `of` has some.
fn shown(capture: &Capture, of: &Capture) -> String {
    let calls = of.calls.as_ref().and(capture.calls.as_ref());
    let shown = json!({ "calls": calls, "response": capture.response });
    format!("{shown:#}\n")
}

/// Delivers it again, and records what happens.
async fn again<F: Future<Output: Replayed>>(
    capture: &Capture,
    update: bool,
    extension: impl FnOnce(ExtensionBuilder) -> F,
) -> Result<Capture, String> {
    let at = capture.recorded_at.to_system_time().ok_or("`recorded_at` is not a time")?;
    let at = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let clock = Clock::fixed(at);
    let platform = FakePlatform::builder().clock(clock.clone()).start().map_err(|error| error.to_string())?;
    if let Some(calls) = &capture.calls {
        for call in calls {
            serve(&platform, call);
        }
        if !update {
            let unknown = json!({ "error": "the capture has no such call" }).to_string();
            platform.fail(Failure::status(501).with_body(unknown).when(|call| !is_of_keys(call)));
        }
    }
    let builder = extension(Extension::builder()).await.builder()?;
    let builder = platform.extension(builder).clock(clock).telemetry(|telemetry| telemetry.enabled(false));
    let extension = TestExtension::new(builder).map_err(|error| error.to_string())?;
    let scopes = capture.body.body.as_ref().and_then(|body| body.pointer("/authentication/scopes"));
    let scopes = scopes.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let token = platform.runtime_token(scopes);
    // A verified token; the other placeholders are as good as secrets.
    let body = capture.filled(|name| (name == RUNTIME_TOKEN).then(|| token.as_str().into()));
    let mut sent = delivery(&capture.event, &capture.version, &()).path(capture.target()).body(body);
    for (name, value) in capture.headers.iter().filter(|(name, _)| *name != "content-type") {
        sent = sent.header(name, value);
    }
    let response = extension.deliver(sent).await;
    let mut now = record(capture, &platform, &response, token);
    if let (Some(before), Some(after)) = (&capture.calls, &mut now.calls) {
        arrange(before, after);
    }
    Ok(now)
}

/// Responds to the next call of this kind as it was responded to.
fn serve(platform: &FakePlatform, call: &CapturedCall) {
    let failure = match &call.response {
        None => Failure::close(),
        Some(CapturedResponse { status, headers, body }) => {
            let known = (200..600).contains(status);
            let failure = Failure::status(if known { *status } else { 500 }).with_body(body.to_bytes());
            headers.iter().fold(failure, |failure, (name, value)| failure.header(name, value))
        }
    };
    let (method, path) = (call.method.clone(), decoded(&call.path));
    platform.fail(failure.times(1).when(move |call| {
        let target = format!("{}?{}", call.path(), call.query());
        call.method() == method && decoded(target.trim_end_matches('?')) == path
    }));
}

/// Path and query without their encoding, which a placeholder does not have.
fn decoded(target: &str) -> String {
    percent_encoding::percent_decode_str(&target.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn is_of_keys(call: &Call) -> bool {
    call.path().ends_with("/jwks.json")
}

fn record(capture: &Capture, platform: &FakePlatform, response: &TestResponse, token: String) -> Capture {
    let headers = response.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)));
    let mut recording = Recording::redacted(&capture.event, &capture.version, &capture.body.to_bytes())
        .responded(response.status(), headers, response.text().as_bytes())
        .calls(&platform.calls())
        .secret(RUNTIME_TOKEN, token.into());
    for name in capture.placeholders() {
        // Calls may have it percent-encoded, or in base64.
        recording = recording.secret(name.clone(), placeholder(&name).into());
    }
    let now = recording.capture();
    // What was delivered stays as it is.
    Capture { calls: now.calls, response: now.response, redacted: now.redacted, ..capture.clone() }
}

/// Brings the calls into the order in which they were captured, as far as they are the same: calls that are made at the same
/// time arrive in any order. A `timestamp` in the body of a call becomes that of the captured one.
fn arrange(before: &[CapturedCall], after: &mut Vec<CapturedCall>) {
    let mut arranged = Vec::new();
    for captured in before {
        let is_same = |call: &CapturedCall| {
            call.method == captured.method && decoded(&call.path) == decoded(&captured.path)
        };
        let Some(at) = after.iter().position(is_same) else { continue };
        let mut call = after.remove(at);
        // It got the captured response.
        call.path.clone_from(&captured.path);
        call.response.clone_from(&captured.response);
        let timestamp = |call: &CapturedCall| call.body.body.as_ref()?.get("timestamp").cloned();
        if let (Some(time), Some(place)) =
            (timestamp(captured), call.body.body.as_mut().and_then(|body| body.get_mut("timestamp")))
        {
            *place = time;
        }
        arranged.push(call);
    }
    arranged.append(after);
    *after = arranged;
}
