//! Decides what is built, started, replaced and ended; everything else sends it events.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use kiket_runtime::Secret;
use kiket_testing::delivery;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, sleep},
};

use super::{
    build::Build,
    control::Control,
    event::{Built, Event, Events, Number, Variables},
    keys::Keys,
    lines::{harmless, without_colours},
    log::{self, Line},
    observer::{Delivered, Last, Observer, Own},
    open,
    platform::Platform,
    process::{Process, await_ready},
    proxy::Ended,
    screen::{Screen, Tone},
    sender,
    upstream::{Upstream, Upstreams},
    watch::Watched,
};
use crate::{
    console::{self, Level, State},
    exit::{Error, Exit},
    extension::{Program, Target},
    send::body::{Body, fresh_id},
    time,
};

/// How long requests to a process that was replaced may take before it is asked to end; it drains the rest.
const REQUESTS: Duration = Duration::from_secs(10);
/// How long a process may take to end: longer than the grace period of an extension.
const GRACE: Duration = Duration::from_secs(30);
/// How long a process serves until its crash counts as the first one.
const STEADY: Duration = Duration::from_secs(30);
/// How long after a build a changed `Cargo.lock` is that of the build.
const LOCKED: Duration = Duration::from_secs(5);
/// How long after the first signal another one counts: supervisors signal a process, and then its group.
const APART: Duration = Duration::from_secs(2);
/// The shortest and the longest time until a crashed process is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What does not change while `dev` runs.
pub(super) struct Setup {
    pub(super) target: Target,
    /// The folder in which cargo runs.
    pub(super) here: PathBuf,
    /// The folder of the package.
    pub(super) folder: PathBuf,
    pub(super) variables: Variables,
    pub(super) secret: Secret,
    /// Where deliveries are sent to.
    pub(super) address: SocketAddr,
    /// The address of the page of the console, as a browser opens it.
    pub(super) console: Option<String>,
    /// Changes what is watched; `None` where nothing is.
    pub(super) watch: Option<mpsc::Sender<Watched>>,
    /// What is watched whatever the compiler reads.
    pub(super) watched: Watched,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) observer: Arc<Observer>,
    pub(super) control: Arc<Control>,
    pub(super) platform: Option<Arc<Platform>>,
    pub(super) events: Events,
}

/// The state of everything that runs.
pub(super) struct Supervisor {
    setup: Setup,
    screen: Screen,
    keys: Option<Keys>,
    build: Option<Build>,
    /// The files of the build that runs, and whether more changed since it began.
    changed: Vec<PathBuf>,
    is_stale: bool,
    /// When the last build ended.
    built_at: Option<Instant>,
    /// Whether the last build failed.
    has_failed: bool,
    program: Option<Program>,
    processes: Number,
    serving: Option<Serving>,
    starting: Option<Starting>,
    /// Processes that were replaced, or asked to end.
    leaving: Vec<Process>,
    /// A program to start when the process before has ended, because its code sets the port.
    waiting: Option<Program>,
    has_fixed_port: bool,
    crashes: u32,
    deliveries: u64,
    failures: u64,
    /// The status to end with, once everything ended.
    ending: Option<Exit>,
    /// When a key or a signal asked for it.
    ends_since: Option<Instant>,
}

struct Serving {
    process: Process,
    since: Instant,
}

struct Starting {
    process: Process,
    began: Instant,
}

impl Supervisor {
    pub(super) fn new(setup: Setup, screen: Screen, keys: Option<Keys>) -> Self {
        Self {
            setup,
            screen,
            keys,
            build: None,
            changed: Vec::new(),
            is_stale: false,
            built_at: None,
            has_failed: false,
            program: None,
            processes: 0,
            serving: None,
            starting: None,
            leaving: Vec::new(),
            waiting: None,
            has_fixed_port: false,
            crashes: 0,
            deliveries: 0,
            failures: 0,
            ending: None,
            ends_since: None,
        }
    }

    /// Builds and serves until a key or a signal ends it.
    pub(super) async fn run(mut self, mut events: Receiver<Event>) -> Exit {
        self.begin_build();
        while !self.has_ended() {
            self.show_status();
            match events.recv().await {
                Some(event) => self.take(event),
                None => break,
            }
        }
        let exit = self.ending.unwrap_or(Exit::Done);
        self.screen.say(&json!({ "type": "ended", "status": exit as u8 }), Tone::Plain, "ended", "");
        exit
    }

    fn has_ended(&self) -> bool {
        self.ending.is_some() && self.leaving.is_empty()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Changed(files) => self.change(files),
            Event::Compiler(line) => {
                let json = json!({ "type": "compiler", "line": without_colours(&line) });
                self.screen.print_error(&json, &line);
            }
            Event::Built(built) => self.built(built),
            Event::Printed { process, line, is_error } => self.printed(process, &line, is_error),
            Event::Ready { process, in_time } => self.ready(process, in_time),
            Event::Exited { process, status } => self.exited(process, status),
            Event::Again => {
                let program = self.program.clone();
                if let (Some(program), None, None, None) =
                    (program, &self.serving, &self.starting, self.ending)
                {
                    self.start(program);
                }
            }
            Event::Drained(process) => self.stop(process),
            Event::Overdue(process) => self.overdue(process),
            Event::Delivered(delivered) => self.delivered(&delivered),
            Event::Recorded(file) => {
                let file = file.strip_prefix(&self.setup.folder).unwrap_or(&file).display().to_string();
                let json = json!({ "type": "recorded", "file": file });
                self.screen.say(&json, Tone::Plain, "recorded", &harmless(&file));
            }
            Event::Called { method, path, status } => {
                let shown = status.map_or("none".to_owned(), |status| status.to_string());
                let json = json!({ "type": "call", "method": method, "path": path, "status": status });
                let text = format!("{} {} {shown}", harmless(&method), harmless(&path));
                self.screen.say(&json, Tone::Plain, "call", &text);
            }
            Event::Note(text) => self.note(Tone::Doubtful, &text),
            Event::Key(key) => self.key(key),
            Event::Suspend => {
                if let Some(keys) = &self.keys {
                    self.screen.clear();
                    keys.suspend();
                }
            }
            Event::Signal(name) => self.end(name),
        }
    }

    // Builds.

    fn change(&mut self, mut files: Vec<PathBuf>) {
        // A build may write it.
        if self.build.is_some() || self.built_at.is_some_and(|at| at.elapsed() < LOCKED) {
            files.retain(|file| file.file_name().is_none_or(|name| name != "Cargo.lock"));
            if files.is_empty() {
                return;
            }
        }
        let named = files.iter().map(|file| file.strip_prefix(&self.setup.folder).unwrap_or(file));
        let named: Vec<_> = named.map(|file| harmless(&file.to_string_lossy())).collect();
        let more = if named.len() > 3 { format!(" and {} more", named.len() - 3) } else { String::new() };
        let text = format!("{}{more}", named[..named.len().min(3)].join(", "));
        self.screen.say(&json!({ "type": "changed", "files": named }), Tone::Plain, "changed", &text);
        if let Some(platform) =
            self.setup.platform.clone().filter(|it| files.iter().any(|file| it.is_seed(file)))
        {
            match platform.begin_anew() {
                Ok(()) => self.note(Tone::Plain, "the fake platform begins anew with its seed"),
                Err(error) => self.note(Tone::Bad, &format!("the fake platform stays as it is: {error}")),
            }
        }
        self.changed.extend(files);
        if self.build.is_some() { self.is_stale = true } else { self.begin_build() }
    }

    fn begin_build(&mut self) {
        if self.ending.is_some() {
            return;
        }
        if self.serving.is_none() && self.starting.is_none() {
            self.setup.upstreams.hold();
        }
        self.screen.say(&json!({ "type": "building" }), Tone::Plain, "building", "");
        match Build::start(
            &self.setup.target,
            &self.setup.here,
            self.screen.has_colours(),
            &self.setup.events,
        ) {
            Ok(build) => self.build = Some(build),
            Err(error) => {
                self.built(Built { program: Err(error), took: Duration::ZERO, output: String::new() });
            }
        }
    }

    fn built(&mut self, Built { program, took, output }: Built) {
        (self.build, self.built_at) = (None, Some(Instant::now()));
        let changed = std::mem::take(&mut self.changed);
        if self.ending.is_some() {
            return;
        }
        self.has_failed = program.is_err();
        let (ok, error) = (program.is_ok(), program.as_ref().err().map(|error| error.what.clone()));
        let json = json!({ "type": "built", "ok": ok, "took_ms": milliseconds(took), "error": error,
            "output": if ok { "" } else { &output } });
        self.setup.observer.built(console::Build {
            ok,
            took,
            output: if ok { String::new() } else { output },
        });
        match program {
            Ok(program) => {
                self.screen.say(&json, Tone::Good, "built", &format!("in {took:.1?}"));
                self.watch(&program);
                let is_running = self.serving.is_some() || self.starting.is_some();
                if is_running && program.is_fresh && !changed.iter().any(|file| is_read_at_the_start(file)) {
                    self.note(Tone::Plain, "the program is the same as before");
                } else {
                    self.crashes = 0;
                    self.start(program.clone());
                }
                self.program = Some(program);
            }
            Err(error) => {
                let help = error.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
                self.screen.say(&json, Tone::Bad, "failed", &format!("{}{help}", error.what));
                if self.serving.is_none() && self.starting.is_none() {
                    self.give_up("the extension does not build");
                } else {
                    self.note(Tone::Plain, "the process before goes on");
                }
            }
        }
        if std::mem::take(&mut self.is_stale) {
            self.begin_build();
        }
    }

    /// Watches what the compiler read.
    fn watch(&mut self, program: &Program) {
        if let Some(watch) = &self.setup.watch {
            let mut watched = self.setup.watched.clone();
            watched.folders.insert(program.folder.clone());
            watched.add_sources(&program.executable);
            let _ = watch.send(watched);
        }
    }

    /// Nothing serves, and only a change helps.
    fn give_up(&mut self, why: &str) {
        self.setup.upstreams.refuse(why);
        if self.setup.watch.is_none() {
            self.end_with(Exit::Build);
        } else {
            self.note(Tone::Plain, "waits for a change");
        }
    }

    // Processes.

    fn start(&mut self, program: Program) {
        if let Some(Starting { process, .. }) = self.starting.take() {
            self.leave(process);
        }
        if self.has_fixed_port && (self.serving.is_some() || !self.leaving.is_empty()) {
            self.waiting = Some(program);
            if let Some(Serving { process, .. }) = self.serving.take() {
                let number = process.number;
                self.leaving.push(process);
                match self.setup.upstreams.hold() {
                    Some(before) => self.stop_when_drained(number, before),
                    None => self.stop(number),
                }
            }
            return;
        }
        self.processes += 1;
        let (number, began) = (self.processes, Instant::now());
        match Process::start(number, program, &self.setup.variables, &self.setup.events) {
            Ok(process) => {
                let json = json!({ "type": "started", "process": number, "pid": process.id() });
                let pid = process.id().map(|id| format!(" with the id {id}")).unwrap_or_default();
                self.screen.say(&json, Tone::Plain, "started", &format!("process {number}{pid}"));
                tokio::spawn(await_ready(number, process.address, self.setup.events.clone()));
                self.starting = Some(Starting { process, began });
            }
            Err(error) => {
                self.note(Tone::Bad, &format!("the extension cannot be started: {error}"));
                if self.serving.is_none() {
                    self.give_up("the extension cannot be started");
                }
            }
        }
    }

    fn printed(&mut self, process: Number, line: &str, is_error: bool) {
        self.setup.observer.printed(line, is_error);
        if is_error {
            let json = json!({ "type": "log", "process": process, "stderr": true, "line": line });
            return self.screen.print_error(&json, line);
        }
        match Line::read(line) {
            Line::Listening(log) => {
                self.listens(process, log.get("addresses").and_then(Value::as_str));
                let of = |name: &str| log.get(name).and_then(Value::as_str).map(harmless).unwrap_or_default();
                self.setup.observer.is_extension(&of("extension_id"), &of("extension_version"));
                let json = json!({ "type": "log", "process": process, "line": log });
                if self.screen.is_json() {
                    self.screen.print(&json, "");
                }
            }
            Line::Log(log) => {
                if self.screen.is_json() || !log::is_said_elsewhere(&log) {
                    let text = log::text(&log);
                    self.screen.print(&json!({ "type": "log", "process": process, "line": log }), &text);
                }
            }
            Line::Own(line) => {
                self.screen.print(&json!({ "type": "log", "process": process, "line": line }), &line);
            }
        }
    }

    /// It says where it listens, which is elsewhere if its code sets the port.
    fn listens(&mut self, number: Number, addresses: Option<&str>) {
        let Some(Starting { process, .. }) = self.starting.as_mut().filter(|it| it.process.number == number)
        else {
            return;
        };
        let addresses = addresses.into_iter().flat_map(|all| all.split(", "));
        let addresses: Vec<SocketAddr> =
            addresses.filter_map(|it| it.strip_prefix("http://")?.parse().ok()).collect();
        if let Some(first) = addresses.first().filter(|_| !addresses.contains(&process.address)) {
            process.address = *first;
            tokio::spawn(await_ready(number, *first, self.setup.events.clone()));
            let text = format!(
                "the code of the extension sets the address {first}, so that a new process has to wait for the end of the \
                 one before: leave the address to `HOST` and `PORT`"
            );
            if !std::mem::replace(&mut self.has_fixed_port, true) {
                self.note(Tone::Doubtful, &text);
            }
        }
    }

    fn ready(&mut self, number: Number, in_time: bool) {
        let Some(starting) = self.starting.take_if(|it| it.process.number == number) else { return };
        if !in_time && self.serving.is_some() {
            self.note(Tone::Bad, "the new process is not ready in time: the one before goes on");
            return self.leave(starting.process);
        }
        if !in_time {
            self.note(Tone::Bad, "the extension is not ready in time: requests go to it all the same");
        }
        self.setup.control.ask(starting.process.program.clone());
        let (took, address) = (starting.began.elapsed(), starting.process.address);
        let before = self.setup.upstreams.serve(Arc::new(Upstream::new(address)));
        let replaced = self.serving.replace(Serving { process: starting.process, since: Instant::now() });
        if let Some(Serving { process, .. }) = replaced {
            let number = process.number;
            self.leaving.push(process);
            match before {
                Some(before) => self.stop_when_drained(number, before),
                None => self.stop(number),
            }
        }
        let json = json!({ "type": "ready", "process": number, "address": address.to_string(),
            "took_ms": milliseconds(took) });
        self.screen.say(&json, Tone::Good, "ready", &format!("process {number} serves after {took:.1?}"));
    }

    fn exited(&mut self, number: Number, status: ExitStatus) {
        if let Some(at) = self.leaving.iter().position(|process| process.number == number) {
            self.leaving.swap_remove(at);
            if !status.success() {
                self.note(Tone::Doubtful, &format!("process {number} ended with {}", Shown(status)));
                self.ending = self.ending.map(|exit| if exit == Exit::Done { Exit::Problems } else { exit });
            }
            if self.leaving.is_empty()
                && self.ending.is_none()
                && let Some(program) = self.waiting.take()
            {
                self.start(program);
            }
            return;
        }
        if self.starting.take_if(|it| it.process.number == number).is_some() {
            let text = format!("process {number} ended before it was ready, with {}", Shown(status));
            match (&self.serving, self.crashes) {
                (Some(_), _) => {
                    self.crashed(number, status, None, &format!("{text}: the one before goes on"));
                }
                (None, 0) => {
                    self.crashed(number, status, None, &text);
                    self.give_up("the extension does not start");
                }
                (None, _) => self.start_again(number, status, &text),
            }
        } else if let Some(serving) = self.serving.take_if(|it| it.process.number == number) {
            self.setup.upstreams.hold();
            if serving.since.elapsed() > STEADY {
                self.crashes = 0;
            }
            let text = format!("process {number} ended by itself, with {}", Shown(status));
            // A new one may be on its way.
            if self.starting.is_some() || self.waiting.is_some() {
                self.crashed(number, status, None, &text);
            } else {
                self.start_again(number, status, &text);
            }
        }
    }

    /// Starts the program again after a time that grows with each crash.
    fn start_again(&mut self, number: Number, status: ExitStatus, text: &str) {
        let (shortest, longest) = BACKOFF;
        let after = shortest.saturating_mul(1 << self.crashes.min(10)).min(longest);
        self.crashes += 1;
        self.crashed(number, status, Some(after), &format!("{text}: it is started again in {after:?}"));
        self.later(after, Event::Again);
    }

    fn crashed(&mut self, number: Number, status: ExitStatus, again: Option<Duration>, text: &str) {
        let json = json!({ "type": "crashed", "process": number, "status": Shown(status).to_string(),
            "again_in_ms": again.map(milliseconds) });
        self.screen.say(&json, Tone::Bad, "crashed", text);
        self.setup.observer.noted(Level::Error, text);
    }

    fn stop_when_drained(&self, number: Number, upstream: Arc<Upstream>) {
        let events = self.setup.events.clone();
        tokio::spawn(async move {
            upstream.is_drained(REQUESTS).await;
            let _ = events.send(Event::Drained(number)).await;
        });
    }

    fn leave(&mut self, process: Process) {
        let number = process.number;
        self.leaving.push(process);
        self.stop(number);
    }

    /// Asks a process that leaves to end.
    fn stop(&self, number: Number) {
        if let Some(process) = self.leaving.iter().find(|process| process.number == number) {
            process.stop();
            self.later(GRACE, Event::Overdue(number));
        }
    }

    fn overdue(&mut self, number: Number) {
        if let Some(process) = self.leaving.iter().find(|process| process.number == number) {
            process.kill();
            self.note(Tone::Bad, &format!("process {number} did not end within {GRACE:?}, and is killed"));
        }
    }

    fn later(&self, after: Duration, event: Event) {
        let events = self.setup.events.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let _ = events.send(event).await;
        });
    }

    // The end.

    fn end(&mut self, why: &str) {
        if let Some(since) = self.ends_since {
            if since.elapsed() >= APART {
                self.note(Tone::Bad, &format!("{why} again: processes are killed"));
                self.leaving.iter().for_each(Process::kill);
            }
            return;
        }
        self.ends_since = Some(Instant::now());
        self.screen.say(
            &json!({ "type": "ending", "why": why }),
            Tone::Plain,
            "ending",
            &format!("by {why}"),
        );
        self.end_with(Exit::Done);
    }

    fn end_with(&mut self, exit: Exit) {
        self.ending = Some(exit);
        self.waiting = None;
        if let Some(build) = self.build.take() {
            build.end();
        }
        self.setup.upstreams.refuse("it ends");
        let starting = self.starting.take().map(|starting| starting.process);
        for process in starting.into_iter().chain(self.serving.take().map(|serving| serving.process)) {
            self.leaving.push(process);
        }
        let leaving: Vec<_> = self.leaving.iter().map(|process| process.number).collect();
        leaving.into_iter().for_each(|number| self.stop(number));
    }

    // What people see and do.

    fn key(&mut self, key: u8) {
        match key {
            b'r' => match self.setup.observer.last() {
                Some(last) => self.replay(last),
                None => self.note(
                    Tone::Plain,
                    "there was no delivery yet: `cargo kiket send issue.created` sends one",
                ),
            },
            b'o' => match &self.setup.console {
                Some(console) => {
                    if let Err(error) = open::open(console) {
                        self.note(
                            Tone::Doubtful,
                            &format!("no browser can be opened: {error}; the console is {console}"),
                        );
                    }
                }
                None => self.note(Tone::Plain, "there is no console"),
            },
            b'b' => self.change(vec![PathBuf::from("key b")]),
            // Ctrl-D ends the input.
            b'q' | 4 => self.end("the key q"),
            _ => {}
        }
    }

    /// Sends a delivery again with a new id, signed now.
    fn replay(&mut self, last: Last) {
        let (origin, observer) = (last.origin(), Arc::clone(&self.setup.observer));
        let body = Body::new(last.body.to_vec()).with_id(Some(fresh_id()));
        let signed =
            delivery("", "", &()).path(last.target).body(body).sign(self.setup.secret.expose(), time::now());
        let (address, events) = (self.setup.address, self.setup.events.clone());
        thread::spawn(move || {
            let connected = |end| observer.expect(end, Own { origin, arrived: None });
            if let Err(error) = sender::send(address, &signed.path, &signed.headers, &signed.body, connected)
            {
                let _ = events.blocking_send(Event::Note(format!("the delivery was not sent: {error}")));
            }
        });
    }

    fn delivered(&mut self, delivered: &Delivered) {
        let status = delivered.status();
        self.deliveries += 1;
        let tone = match status {
            Some(200..=299) => Tone::Good,
            Some(400..=499) => Tone::Doubtful,
            _ => Tone::Bad,
        };
        self.failures += u64::from(tone != Tone::Good);
        let (event, id) = (delivered.event(), delivered.id());
        let by_proxy = matches!(delivered.end, Ended::Response { by_proxy: true, .. });
        let why = match &delivered.end {
            Ended::Nothing { why, .. } => Some(*why),
            Ended::Response { .. } if by_proxy => Some("without the extension"),
            Ended::Response { .. } => None,
        };
        let json = json!({ "type": "delivery", "event": event, "id": id, "status": status,
            "took_ms": delivered.took.as_secs_f64() * 1000.0, "outside": delivered.is_outside,
            "by_proxy": by_proxy, "why": why });
        let mut text = event.unwrap_or_else(|| "delivery".to_owned());
        for more in [id, Some(format!("in {:.1?}", delivered.took))].into_iter().flatten() {
            text = text + " " + &more;
        }
        if delivered.is_outside {
            text += " from outside";
        }
        if let Some(why) = why {
            text = text + ": " + why;
        }
        let word = status.map_or("none".to_owned(), |status| status.to_string());
        self.screen.say(&json, tone, &word, &text);
    }

    fn note(&mut self, tone: Tone, text: &str) {
        self.screen.say(&json!({ "type": "note", "text": text }), tone, "note", text);
        match tone {
            Tone::Plain | Tone::Good => {}
            Tone::Doubtful => self.setup.observer.noted(Level::Warning, text),
            Tone::Bad => self.setup.observer.noted(Level::Error, text),
        }
    }

    fn show_status(&mut self) {
        let (tone, state) = match (&self.serving, &self.build, self.has_failed) {
            _ if self.ending.is_some() => (Tone::Plain, "ends".to_owned()),
            (None, Some(_), _) => (Tone::Plain, "builds".to_owned()),
            (None, None, _) if self.starting.is_some() => (Tone::Plain, "starts".to_owned()),
            (None, None, true) => (Tone::Bad, "does not build".to_owned()),
            (None, None, false) => (Tone::Bad, "does not run".to_owned()),
            (Some(_), Some(_), _) => (Tone::Good, "serves, and builds".to_owned()),
            (Some(_), None, true) => (Tone::Doubtful, "serves as before: the build failed".to_owned()),
            (Some(_), None, false) => (Tone::Good, "serves".to_owned()),
        };
        let mut parts = vec![state, format!("http://{}", self.setup.address)];
        parts.push(match self.failures {
            0 => format!("{} deliveries", self.deliveries),
            failures => format!("{} deliveries, {failures} failed", self.deliveries),
        });
        if self.keys.is_some() {
            let console = self.setup.console.is_some();
            let keys = [("r replay", true), ("o console", console), ("b build", true), ("q quit", true)];
            parts.extend(keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key.to_owned()));
        }
        self.screen.status(tone, &parts);
        self.setup.observer.state(match (&self.serving, &self.build) {
            (None, None) if self.starting.is_none() => State::Stopped,
            (None, _) => State::Starting,
            (Some(_), Some(_)) => State::Building,
            (Some(_), None) if self.has_failed => State::Failed,
            (Some(_), None) => State::Running,
        });
    }
}

/// Whether a process reads a file when it starts, so that a change needs another process and no other program.
fn is_read_at_the_start(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    file.extension().is_none_or(|ending| ending != "rs") && name != "Cargo.toml" && name != "Cargo.lock"
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How a process ended, for people.
struct Shown(ExitStatus);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&self.0) {
            return write!(f, "signal {signal}");
        }
        match self.0.code() {
            Some(code) => write!(f, "status {code}"),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The error of a port that is taken.
pub(super) fn cannot_listen(port: u16, error: &std::io::Error) -> Error {
    let error = Error::input(format!("port {port} of this machine cannot be listened on: {error}"));
    error.help("end the program that listens there, perhaps another `cargo run`, or name another port: `--port PORT`")
}
