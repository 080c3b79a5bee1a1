//! `dev`: builds, runs and watches the extension behind a proxy that keeps its port, with a fake platform and a console beside it.

mod build;
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
mod screen;
mod sender;
mod signals;
mod supervisor;
mod upstream;
mod watch;

use std::{
    path::{PathBuf, absolute},
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use serde_json::json;

use self::{
    event::{Event, Events, MOST_EVENTS, Variables},
    keys::Keys,
    observer::Observer,
    proxy::Proxy,
    screen::{Screen, Tone},
    supervisor::{Setup, Supervisor, cannot_listen},
    upstream::{LONGEST_HELD, Upstreams},
    watch::{Watched, Watcher},
};
use crate::{
    environment,
    exit::{Error, Exit, Result},
    extension::Target,
    known, secret,
    shell::Shell,
};

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
    let platform = if args.no_platform || own.is_some() {
        None
    } else {
        let calls = events.clone();
        let observe = move |call: &kiket_testing::Call| {
            let (method, path) = (call.method().to_owned(), call.path().to_owned());
            let _ = calls.try_send(Event::Called { method, path, status: call.status() });
        };
        Some(platform::start(args.platform_port, seed.as_deref(), &secret, observe)?)
    };
    variables.extend(platform.as_ref().map(platform::variables).into_iter().flatten());
    if known::secret("KIKET_METRICS_ADDR").is_some() {
        // Two processes run for a moment.
        variables.push(("KIKET_METRICS_ADDR".to_owned(), "127.0.0.1:0".into()));
    }

    let observer = Arc::new(Observer::new(events.clone()));
    let upstreams = Arc::new(Upstreams::new(LONGEST_HELD));
    let port = args.port.map_or_else(usual_port, Ok)?;
    let proxy = Proxy::bind(port, Arc::clone(&upstreams), Arc::clone(&observer));
    let proxy = proxy.map_err(|error| cannot_listen(port, &error))?;
    let address = proxy.address()?;
    let serving = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("kiket-proxy".to_owned()).spawn(move || serving.block_on(proxy.serve()))?;

    let platform_url = platform.as_ref().map(|platform| platform.url().to_owned());
    let json = json!({ "type": "listening", "url": format!("http://{address}"), "platform": platform_url,
        "secret": if is_drawn { "drawn" } else { "configured" } });
    screen.say(&json, Tone::Good, "listening", &format!("on http://{address}"));
    match (&platform_url, own) {
        (Some(url), _) => screen.say(
            &json!({ "type": "platform", "url": url }),
            Tone::Good,
            "platform",
            &format!("a fake one on {url}"),
        ),
        (None, Some(name)) => screen.say(
            &json!({ "type": "platform", "url": null }),
            Tone::Plain,
            "platform",
            &format!("your own: `{name}` is set"),
        ),
        (None, None) => {}
    }
    if is_drawn {
        let text =
            "there is no webhook secret: one was drawn, which only this process and the extension know";
        screen.say(&json!({ "type": "note", "text": text }), Tone::Doubtful, "note", text);
    }

    let watched = Watched {
        folders: [folder.clone()].into(),
        named: seed.into_iter().chain(named).collect(),
        ..Watched::default()
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
        console: None,
        watch,
        watched,
        upstreams,
        observer,
        events: events.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        signals::pass_on(&events)?;
        drop(events);
        Ok(Supervisor::new(setup, screen, keys).run(received).await)
    });
    drop(platform);
    exit
}

/// Watches files in a thread, which takes what else to watch.
fn watch(watched: Watched, events: &Events) -> std::io::Result<mpsc::Sender<Watched>> {
    let (send, receive) = mpsc::channel();
    let events = events.clone();
    thread::Builder::new().name("kiket-watch".to_owned()).spawn(move || {
        let mut watcher = Watcher::new(watched);
        let mut pause = Watcher::pause(Instant::now());
        loop {
            match receive.recv_timeout(pause) {
                Ok(watched) => {
                    watcher.watch(watched);
                    watcher.forget_locks();
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let began = Instant::now();
                    if let Some(changed) = watcher.changes()
                        && events.blocking_send(Event::Changed(changed)).is_err()
                    {
                        return;
                    }
                    pause = Watcher::pause(began);
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
        Error::input(format!("`PORT` is not a port: `{port}`")).help("or name one: `--port PORT`")
    })
}
