//! The panic hook: panics are printed once, redacted, with their place.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{PanicHookInfo, set_hook},
    sync::OnceLock,
    thread,
    time::Duration,
};

use super::{logging::is_subscribed, output};
use crate::{
    config::{Environment, secrets_of},
    delivery::{Delivery, recent_secrets},
    store::StoreError,
    types::{LONGEST_TEXT, Mutex, Redactor, message, note, shortened},
};

/// How long a panic waits until it is printed: it may end the process.
const PRINTING: Duration = Duration::from_millis(200);

/// The secrets of the extensions that were built since the hook was installed.
static REDACTOR: OnceLock<Mutex<Redactor>> = OnceLock::new();

/// Installs the panic hook of `kiket::main!`: a panic is printed once, with its place, and without the secrets of the
/// extensions that are built after this call, and before that without those of kiket's variables, like
/// `KIKET_SECRET_API_KEY`. Call it first in a `main` of your own.
///
/// A panic of a handler is in the log line of its delivery, where the secrets of the delivery are redacted, too. Any other
/// is printed to standard error, and with `RUST_BACKTRACE=1` its backtrace. The hook replaces the one that was installed
/// before, and `std::panic::set_hook` replaces this one.
///
/// ```
/// kiket_runtime::install_panic_hook();
/// assert!(std::thread::spawn(|| panic!("printed once")).join().is_err());
/// ```
pub fn install_panic_hook() {
    keep_redactors();
    set_hook(Box::new(print));
}

/// Keeps the redactors of the extensions that are built from now on.
pub(crate) fn keep_redactors() {
    REDACTOR.get_or_init(Mutex::default);
}

/// Redacts the secrets of an extension in the panics to come.
pub(crate) fn redact_panics(redactor: &Redactor) {
    if let Some(known) = REDACTOR.get() {
        known.lock().join(redactor);
    }
}

/// Redacts the secrets of a delivery that begins to run in the panics of its threads and tasks.
pub(crate) fn redact_panics_beside(delivery: &Delivery) {
    if REDACTOR.get().is_some() {
        delivery.keep_confidential();
    }
}

/// A text without the secrets of the extensions, of recent deliveries and of the environment, if they are kept.
pub(crate) fn without_secrets(text: &str) -> Option<String> {
    let known = REDACTOR.get()?.lock();
    // Now, for `init` and `setup` may change the environment.
    let secrets = [recent_secrets(), secrets_of(&Environment::Process)].concat();
    Some(known.with(&secrets).redact(text.to_owned()))
}

/// The same, cut.
pub(crate) fn redacted(text: &str) -> Option<String> {
    Some(shortened(without_secrets(text)?, LONGEST_TEXT).into_owned())
}

/// The error of a store or an inbox, which may be the user's, that panicked with `text`.
pub(crate) fn panicked(text: &str) -> StoreError {
    let text = redacted(text).map(|text| format!(": {text}")).unwrap_or_default();
    StoreError::new(format!("it panicked{text}"))
}

fn print(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let caught = note(|| place.clone());
    let backtrace = Backtrace::capture();
    let traced = backtrace.status() == BacktraceStatus::Captured;
    // With `panic = "abort"` there is no log line of the delivery.
    if caught && !traced && cfg!(panic = "unwind") && is_subscribed() {
        return;
    }
    let text = match redacted(message(panic.payload())) {
        Some(text) if !caught => text,
        _ => "the text may have secrets of the delivery: it is in the log line of the delivery, redacted"
            .to_owned(),
    };
    let thread = thread::current();
    let thread = thread.name().unwrap_or("<unnamed>");
    let trace = if traced { format!("{backtrace}\n") } else { String::new() };
    output::stderr().write(format!("thread '{thread}' panicked at {place}:\n{text}\n{trace}").as_bytes());
    output::flush(PRINTING);
}
