//! What the console asks of `dev`: to send, to save, and what is known of the extension.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, mpsc::sync_channel},
    thread,
    time::Duration,
};

use kiket_runtime::Secret;
use kiket_testing::Capture;
use serde::Deserialize;
use serde_json::Value;

use super::{
    observer::{Observer, Own},
    platform::Platform,
    sender,
    upstream::LONGEST_HELD,
};
use crate::{
    console::{DeliveryId, Handler, Inbox, Outgoing},
    extension::Program,
    inbox::Glances,
    known,
};

/// The folder of captures.
const CAPTURES: &str = "captures";
/// The folder of bodies.
const BODIES: &str = "deliveries";
/// How many bodies are read, and how large each may be, in bytes.
const MOST_BODIES: (usize, u64) = (200, 1 << 20);
/// How much longer than the proxy one waits for a delivery to arrive.
const MORE: Duration = Duration::from_secs(5);

pub(super) struct Control {
    /// The folder of the package.
    folder: PathBuf,
    /// Where deliveries are sent to.
    address: SocketAddr,
    secret: Secret,
    platform: Option<Arc<Platform>>,
    observer: Arc<Observer>,
    handlers: Arc<RwLock<Vec<Handler>>>,
    /// Files are made one after the other.
    saving: Mutex<()>,
    inbox: Glances,
}

impl Control {
    pub(super) fn new(
        folder: PathBuf,
        address: SocketAddr,
        secret: Secret,
        platform: Option<Arc<Platform>>,
        observer: Arc<Observer>,
    ) -> Self {
        Self {
            folder,
            address,
            secret,
            platform,
            observer,
            handlers: Arc::default(),
            saving: Mutex::default(),
            inbox: Glances::default(),
        }
    }

    /// Asks a program that serves about its handlers, in a thread.
    pub(super) fn ask(&self, program: Program) {
        #[derive(Deserialize)]
        struct Reply {
            handlers: Vec<Handler>,
        }
        let handlers = Arc::clone(&self.handlers);
        thread::spawn(move || {
            let Ok((_, reply)) = program.ask("handlers") else { return };
            if let Ok(Reply { handlers: found }) = serde_json::from_value(reply) {
                *handlers.write().unwrap_or_else(PoisonError::into_inner) = found;
            }
        });
    }
}

impl crate::console::Control for Control {
    fn send(&self, outgoing: Outgoing) -> Result<DeliveryId, String> {
        let Outgoing { target, headers, body, origin } = outgoing;
        let (send, arrived) = sync_channel(1);
        let (failed, address, observer) = (send.clone(), self.address, Arc::clone(&self.observer));
        let (refuse, refused) = sync_channel(1);
        thread::spawn(move || {
            let connected = |end| observer.expect(end, Own { origin, arrived: Some(send) });
            if let Err(error) = sender::send(address, &target, &headers, &body, connected) {
                let _ = refuse.try_send(error.to_string());
            }
            drop(failed);
        });
        arrived.recv_timeout(LONGEST_HELD + MORE).map_err(|_| {
            refused.try_recv().unwrap_or_else(|_| "the extension does not serve, so that it waits".to_owned())
        })
    }

    fn webhook_secret(&self) -> Option<Secret> {
        Some(self.secret.clone())
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        let own = || (name == "KIKET_WEBHOOK_SECRET").then(|| self.secret.clone());
        known::secret(name).or_else(own)
    }

    fn runtime_token(&self, scopes: &[String]) -> Option<Secret> {
        self.platform.as_ref()?.runtime_token(scopes)
    }

    fn handlers(&self) -> Vec<Handler> {
        self.handlers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn bodies(&self) -> Vec<(String, Value)> {
        let listed = fs::read_dir(self.folder.join(BODIES)).into_iter().flatten().flatten();
        let files =
            listed.map(|entry| entry.path()).filter(|file| file.extension().is_some_and(|it| it == "json"));
        let (most, largest) = MOST_BODIES;
        let mut files: Vec<_> = files.take(most).collect();
        files.sort();
        let bodies = files.into_iter().filter_map(|file| {
            let is_small = fs::metadata(&file).is_ok_and(|about| about.len() <= largest);
            let text = is_small.then(|| fs::read(&file).ok()).flatten()?;
            Some((file.file_stem()?.to_str()?.to_owned(), serde_json::from_slice(&text).ok()?))
        });
        bodies.collect()
    }

    fn inbox(&self) -> Option<Inbox> {
        self.inbox.look()
    }

    fn move_on(&self, row: Option<i64>) -> Result<u64, String> {
        self.inbox.move_on(row).map_err(|error| error.what)
    }

    fn save(&self, name: &str, capture: &Capture) -> Result<PathBuf, String> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.folder.join(CAPTURES).join(format!("{}.json", name.trim_end_matches(".json")));
        write_new(&file, capture)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
        Ok(file)
    }
}

/// Writes a capture into a file that is not there yet.
pub(super) fn write_new(file: &std::path::Path, capture: &Capture) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(file))?;
    File::create_new(file)?.write_all(capture.to_text().as_bytes())
}
