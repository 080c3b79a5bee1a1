//! Decides what is built, started, replaced and ended; everything else sends it events.

mod people;
mod processes;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, SystemTime},
};

use kiket_runtime::Secret;
use serde_json::json;
use tokio::{sync::mpsc::Receiver, time::Instant};

use super::{
    build::Build,
    control::Control,
    event::{Built, Event, Events, Number, Variables},
    keys::Keys,
    lines::{harmless, without_colours},
    observer::Observer,
    platform::Platform,
    process::Process,
    screen::{Screen, Tone},
    upstream::Upstreams,
    watch::Watched,
};
use crate::{
    console,
    exit::{Error, Exit},
    extension::{Program, Target},
};

/// How long after a build a changed `Cargo.lock` is that of the build.
const LOCKED: Duration = Duration::from_secs(5);
/// How long after the first signal another one counts: supervisors signal a process, and then its group.
const APART: Duration = Duration::from_secs(2);
/// The same for Ctrl-C, which a person presses a second time.
const PRESSED_APART: Duration = Duration::from_millis(250);

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
    /// Changes what is watched, and since when; `None` where nothing is.
    pub(super) watch: Option<mpsc::Sender<(Watched, SystemTime)>>,
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
    /// When the last build began.
    began: SystemTime,
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
            began: SystemTime::now(),
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
        self.began = SystemTime::now();
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
            let _ = watch.send((watched, self.began));
        }
    }

    /// Nothing serves, and only a change helps. Where one is being built, requests wait for that.
    fn give_up(&mut self, why: &str) {
        if self.build.is_some() || self.is_stale {
            self.setup.upstreams.hold();
            return;
        }
        self.setup.upstreams.refuse(why);
        if self.setup.watch.is_none() {
            self.end_with(Exit::Build);
        } else {
            self.note(Tone::Plain, "waits for a change");
        }
    }

    fn end(&mut self, why: &str) {
        if let Some(since) = self.ends_since {
            if since.elapsed() >= if why == "SIGINT" { PRESSED_APART } else { APART } {
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
        for number in leaving {
            self.stop(number);
        }
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

/// The error of a port that is taken.
pub(super) fn cannot_listen(port: u16, error: &std::io::Error) -> Error {
    let error = Error::input(format!("port {port} of this machine cannot be listened on: {error}"));
    error.help("end the program that listens there, perhaps another `cargo run`, or name another port: `--port PORT`")
}
