//! The fake platform beside the extension, unless the extension has a Kiket of its own.

use std::path::{Path, PathBuf};

use kiket_runtime::Secret;
use kiket_testing::{Call, FakePlatform};

use super::event::{Event, Events, Variables};
use crate::{
    console::Store,
    exit::{Error, Result},
    known,
};

/// The variables that name a Kiket.
const OWN: [&str; 3] = ["KIKET_BASE_URL", "KIKET_WORKSPACE_TOKEN", "KIKET_EXTENSION_API_KEY"];

/// The file with what is in the fake platform at the start.
const SEED: &str = "kiket.dev.yaml";

/// The variable that names a Kiket of the extension's own.
pub(super) fn own() -> Option<&'static str> {
    OWN.into_iter().find(|name| known::secret(name).is_some())
}

/// The seed: a file that is named, or that of the folder.
pub(super) fn seed(named: Option<PathBuf>, folder: &Path) -> Option<PathBuf> {
    named.or_else(|| Some(folder.join(SEED)).filter(|file| file.is_file()))
}

/// What passes the calls on to the console and the terminal.
pub(super) fn observer(store: Option<Store>, events: Events) -> impl Fn(&Call) + Send + Sync + 'static {
    move |call| {
        if let Some(store) = &store {
            store.call(call);
        }
        // What kiket itself calls, for every delivery, says nothing about the handlers.
        let by_itself = ["telemetry", "jwks.json"].into_iter().any(|last| call.path().ends_with(last));
        if !by_itself {
            let (method, path) = (call.method().to_owned(), call.path().to_owned());
            let _ = events.try_send(Event::Called { method, path, status: call.status() });
        }
    }
}

/// Starts it. `observe` gets every call.
pub(super) fn start(
    port: u16,
    seed: Option<&Path>,
    secret: &Secret,
    observe: impl Fn(&Call) + Send + Sync + 'static,
) -> Result<FakePlatform> {
    let builder = FakePlatform::builder().port(port).webhook_secret(secret.clone()).on_call(observe);
    let builder = seed.into_iter().fold(builder, |builder, seed| builder.seed_file(seed));
    builder.start().map_err(|error| {
        let problems = error.problems();
        let what = problems.iter().map(|problem| match problem.place() {
            Some(place) => format!("{}: {}", place.to_string().trim_start_matches("  --> "), problem.what()),
            None => problem.what().to_owned(),
        });
        let what: Vec<_> = what.collect();
        let error = Error::input(what.join("; "));
        match problems.iter().find_map(|problem| problem.how_to_mend()) {
            Some(help) => error.help(help),
            None => error,
        }
    })
}

/// The variables that point the extension at it.
pub(super) fn variables(platform: &FakePlatform) -> Variables {
    let values = [platform.url(), platform.token(), platform.api_key()];
    OWN.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value.into())).collect()
}
