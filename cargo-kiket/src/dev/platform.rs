//! The fake platform beside the extension, unless the extension has a Kiket of its own.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kiket_runtime::{Secret, StartupError};
use kiket_testing::{Call, FakePlatform, FakePlatformBuilder};

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

/// The fake platform, which can begin anew on its port.
pub(super) struct Platform {
    /// What is in it at the start.
    seed: Option<PathBuf>,
    secret: Secret,
    store: Option<Store>,
    events: Events,
    url: String,
    /// `None` only where it could not begin anew.
    running: Mutex<Option<FakePlatform>>,
}

impl Platform {
    /// Starts it.
    pub(super) fn start(
        port: u16,
        seed: Option<PathBuf>,
        secret: Secret,
        store: Option<Store>,
        events: Events,
    ) -> Result<Self> {
        let mut platform =
            Self { seed, secret, store, events, url: String::new(), running: Mutex::default() };
        let running = platform.run(port)?;
        running.url().clone_into(&mut platform.url);
        platform.running = Mutex::new(Some(running));
        Ok(platform)
    }

    fn run(&self, port: u16) -> Result<FakePlatform> {
        let observe = observer(self.store.clone(), self.events.clone());
        let builder = FakePlatform::builder().port(port).webhook_secret(self.secret.clone()).on_call(observe);
        self.seed
            .iter()
            .fold(builder, FakePlatformBuilder::seed_file)
            .start()
            .map_err(|error| refused(&error))
    }

    /// Begins anew with what the seed says now. With a seed that is wrong it stays as it is.
    pub(super) fn begin_anew(&self) -> Result<()> {
        drop(self.run(0)?);
        let mut running = self.running();
        let port = running.take().map_or(0, |before| before.address().port());
        *running = Some(self.run(port)?);
        Ok(())
    }

    /// Whether a file is its seed.
    pub(super) fn is_seed(&self, file: &Path) -> bool {
        self.seed.as_deref() == Some(file)
    }

    /// Its address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A runtime token with these scopes.
    pub(super) fn runtime_token(&self, scopes: &[String]) -> Option<Secret> {
        Some(self.running().as_ref()?.runtime_token(scopes.iter().cloned()).into())
    }

    /// The variables that point the extension at it.
    pub(super) fn variables(&self) -> Variables {
        let running = self.running();
        let values = running.as_ref().map(|running| [running.url(), running.token(), running.api_key()]);
        let named = values.into_iter().flat_map(|values| OWN.into_iter().zip(values));
        named.map(|(name, value)| (name.to_owned(), value.into())).collect()
    }

    fn running(&self) -> MutexGuard<'_, Option<FakePlatform>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What passes the calls on to the console and the terminal.
fn observer(store: Option<Store>, events: Events) -> impl Fn(&Call) + Send + Sync + 'static {
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

/// The error of a seed that is wrong, or of a port that is taken.
fn refused(error: &StartupError) -> Error {
    let problems = error.problems();
    let what = problems.iter().map(|problem| match &problem.place {
        Some(place) => format!("{}: {}", place.to_string().trim_start_matches("  --> "), problem.what),
        None => problem.what.clone(),
    });
    let error = Error::input(what.collect::<Vec<_>>().join("; "));
    match problems.iter().find_map(|problem| problem.help.as_ref()) {
        Some(help) => error.help(help),
        None => error,
    }
}
