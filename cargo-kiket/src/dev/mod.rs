//! `dev`: builds, runs and watches the extension behind a proxy that keeps its port, with a fake platform and a console beside it.

mod build;
mod control;
mod delivered;
mod event;
mod exchange;
mod framing;
mod keys;
mod lines;
mod log;
mod observer;
mod open;
mod platform;
mod process;
mod proxy;
mod record;
mod screen;
mod sender;
mod signals;
mod supervisor;
mod system;
mod upstream;
mod watch;

use std::{
    path::{Path, PathBuf, absolute},
    sync::{Arc, mpsc},
    thread,
    time::SystemTime,
};

use kiket_runtime::{Clock, Secret, internals};
use serde_json::json;

use self::{
    control::Control,
    event::{Event, Events, MOST_EVENTS, Variables},
    keys::Keys,
    observer::Observer,
    platform::Platform,
    proxy::Proxy,
    screen::{Screen, Tone},
    supervisor::{Setup, Supervisor, cannot_listen},
    upstream::{LONGEST_HELD, Upstreams},
    watch::{Watched, Watcher},
};
use crate::{
    console::{self, Console, Secrets, Store},
    environment,
    exit::{Error, Exit, Result},
    extension::Target,
    known, secret,
    shell::Shell,
};

#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are independent")]
/// Builds and runs the extension, again at each change, with a fake platform and a console beside it
///
/// A proxy keeps the port: no delivery is lost when the extension is built anew, and a build that fails leaves the process
/// before in place.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket dev
  cargo kiket dev --open                     # the console in the browser, too
  cargo kiket dev --record captures          # each delivery becomes a test
  cargo kiket dev --no-watch --port 8123     # for tests and debuggers
  cargo kiket dev --json                     # a line of JSON for everything that happens

Deliveries come from `cargo kiket send`, from the console, or from Kiket through a tunnel of your choice to the port.
Keys on a terminal: r sends the last delivery again, o opens the console, b builds, q quits.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The port for deliveries, on this machine alone; without one `PORT`, or 8000. 0 is any free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Builds once
    #[arg(long)]
    no_watch: bool,
    /// Watches this file or folder, too
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// Records each delivery as a capture in this folder, without secrets; those with a wrong signature are left out
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// The port of the console, on this machine alone; without one the port after that for deliveries, or any free one
    #[arg(long, value_name = "PORT")]
    console_port: Option<u16>,
    /// Runs no console
    #[arg(long, conflicts_with_all = ["console_port", "open"])]
    no_console: bool,
    /// Opens the console in the browser
    #[arg(long)]
    open: bool,
    /// Runs no fake platform
    #[arg(long)]
    no_platform: bool,
    /// The port of the fake platform; any free one unless set
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    platform_port: u16,
    /// What is in the fake platform at the start, in place of `kiket.dev.yaml`
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    #[command(flatten)]
    secret: secret::Source,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let here = std::env::current_dir()?;
    let folder = args.target.folder();
    if !folder.join("Cargo.toml").is_file() {
        return Err(Error::new(Exit::Usage, format!("there is no `Cargo.toml` in `{}`", folder.display()))
            .help("go to the folder of an extension, `cargo kiket new NAME` makes one, or name it: `--package NAME`"));
    }
    let seed = args.seed.as_deref().map(absolute).transpose()?;
    let record = args.record.as_deref().map(absolute).transpose()?;
    let named = args.watch.iter().map(absolute).collect::<std::io::Result<Vec<_>>>()?;
    // The manifest, cargo's `[env]` and captures are looked for where the extension will run.
    std::env::set_current_dir(&folder)?;
    let mut variables: Variables =
        environment::of_cargo(&folder).into_iter().map(|(name, value)| (name, value.into())).collect();

    let (events, received) = tokio::sync::mpsc::channel(MOST_EVENTS);
    let mut screen = Screen::new(shell.is_json());
    let (secret, is_drawn) = args.secret.secret_or_drawn(shell)?;
    if is_drawn {
        variables.push(("KIKET_WEBHOOK_SECRET".to_owned(), secret.clone()));
    }
    let seed = platform::seed(seed, &folder);
    let own = platform::own();
    let has_store = !args.no_console || args.record.is_some();
    let store = has_store.then(|| console::open_store(secrets(&secret, &variables), Clock::system()));
    if let (Some(store), Some(folder)) = (&store, &record) {
        record::begin(store, folder.clone(), &events);
    }
    let platform = if args.no_platform || own.is_some() {
        None
    } else {
        let (seed, store) = (seed.clone(), store.clone());
        let started = Platform::start(args.platform_port, seed, secret.clone(), store, events.clone());
        Some(Arc::new(started?))
    };
    variables.extend(platform.as_deref().map(Platform::variables).into_iter().flatten());
    if known::secret("KIKET_METRICS_ADDR").is_some() {
        // Two processes run for a moment.
        variables.push(("KIKET_METRICS_ADDR".to_owned(), "127.0.0.1:0".into()));
    }

    let platform_url = platform.as_ref().map(|platform| platform.url().to_owned());
    let port = args.port.map_or_else(usual_port, Ok)?;
    let listener = proxy::listen(port).map_err(|error| cannot_listen(port, &error))?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}");
    let observer = Observer::new(events.clone(), store.clone(), url.clone(), platform_url.clone());
    let (observer, upstreams) = (Arc::new(observer), Arc::new(Upstreams::new(LONGEST_HELD)));
    let proxy = Proxy::new(listener, Arc::clone(&upstreams), Arc::clone(&observer));
    let serving = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("kiket-proxy".to_owned()).spawn(move || serving.block_on(proxy.serve()))?;
    let control =
        Control::new(folder.clone(), address, secret.clone(), platform.clone(), Arc::clone(&observer));
    let control = Arc::new(control);
    let console = match store.filter(|_| !args.no_console) {
        Some(store) => Some(console(&store, &control, args.console_port, address.port(), &folder)?),
        None => None,
    };
    let console_url = console.as_ref().map(Console::url);

    announce(&mut screen, &url, console_url.as_deref(), platform_url.as_deref(), own, is_drawn);
    if let Some(url) = console_url.as_deref().filter(|_| args.open)
        && let Err(error) = open::open(url)
    {
        let text = format!("no browser can be opened: {error}");
        screen.say(&json!({ "type": "note", "text": text }), Tone::Doubtful, "note", &text);
    }

    let watched = Watched {
        folders: [folder.clone()].into(),
        named: seed.into_iter().chain(named).collect(),
        ignored: record.into_iter().collect(),
    };
    let watch = (!args.no_watch).then(|| watch(watched.clone(), &events)).transpose()?;
    let keys = (!screen.is_json()).then(|| Keys::read(&events)).flatten();
    let setup = Setup {
        target: args.target.clone(),
        here,
        folder,
        variables,
        secret,
        address,
        console: console_url,
        watch,
        watched,
        upstreams,
        observer,
        control,
        platform,
        events: events.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        signals::pass_on(&events)?;
        drop(events);
        Ok(Supervisor::new(setup, screen, keys).run(received).await)
    });
    drop(console);
    exit
}

/// Says where everything is.
fn announce(
    screen: &mut Screen,
    url: &str,
    console: Option<&str>,
    platform: Option<&str>,
    own: Option<&str>,
    is_drawn: bool,
) {
    let json = json!({ "type": "listening", "url": url, "platform": platform, "console": console,
        "secret": if is_drawn { "drawn" } else { "configured" } });
    screen.say(&json, Tone::Good, "listening", &format!("on {url}"));
    if !screen.is_json() {
        let said = [
            console.map(|url| ("console", url.to_owned())),
            platform.map(|url| ("platform", format!("a fake one on {url}"))),
            own.map(|name| ("platform", format!("your own: `{name}` is set"))),
        ];
        for (word, text) in said.into_iter().flatten() {
            screen.say(&json!(null), Tone::Good, word, &text);
        }
    }
    if is_drawn {
        let text =
            "there is no webhook secret: one was drawn, which only this process and the extension know";
        screen.say(&json!({ "type": "note", "text": text }), Tone::Doubtful, "note", text);
    }
}

/// What the console must show nothing of.
fn secrets(secret: &Secret, variables: &Variables) -> Secrets {
    let own = variables.iter().filter(|(name, _)| internals::names_a_secret(name)).cloned();
    Secrets {
        webhook: vec![secret.clone()],
        retired: known::secret("KIKET_WEBHOOK_SECRET_PREVIOUS").into_iter().collect(),
        named: known::secrets().into_iter().chain(own).collect(),
    }
}

/// The console on its port.
fn console(
    store: &Store,
    control: &Arc<Control>,
    port: Option<u16>,
    next_to: u16,
    folder: &Path,
) -> Result<Console> {
    // Pages that are open go on after a restart of `dev`.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    let token = console::token(&target.join("kiket/console-token")).ok();
    let serve = |port| {
        let control: Arc<dyn console::Control> = Arc::clone(control) as Arc<dyn console::Control>;
        Console::serve(store.clone(), control, console::Options { port, token: token.clone() })
    };
    match port {
        Some(port) => serve(port).map_err(|error| cannot_listen(port, &error)),
        None => Ok(serve(next_to.saturating_add(1)).or_else(|_| serve(0))?),
    }
}

/// Watches files in a thread, which takes what else to watch, and since when.
fn watch(watched: Watched, events: &Events) -> std::io::Result<mpsc::Sender<(Watched, SystemTime)>> {
    let (send, receive) = mpsc::channel();
    let (events, since) = (events.clone(), SystemTime::now());
    thread::Builder::new().name("kiket-watch".to_owned()).spawn(move || {
        let mut looking = Watcher::new(watched, since);
        loop {
            match receive.recv_timeout(looking.pause()) {
                Ok((watched, since)) => looking.watch(watched, since),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if let Some(changed) = looking.changes()
                        && events.blocking_send(Event::Changed(changed)).is_err()
                    {
                        return;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    Ok(send)
}

/// The port without `--port`.
fn usual_port() -> Result<u16> {
    let Some(port) = known::secret("PORT") else { return Ok(8000) };
    let port = port.expose().trim();
    port.parse().map_err(|_| {
        Error::input("`PORT` is not a port: expected 0 to 65535").help("or name one: `--port PORT`")
    })
}
