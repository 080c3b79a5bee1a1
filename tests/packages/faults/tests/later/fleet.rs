//! The processes of one extension, started and ended by the test.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use extension_process::{Program, Running};

use crate::{engine::Engine, micros};

/// Where senders find processes.
#[derive(Default)]
pub(crate) struct Places {
    places: Mutex<Vec<Option<Place>>>,
    is_abandoned: AtomicBool,
}

/// While it lives, a panic of its thread abandons the test: senders stop.
pub(crate) struct Watched<'t>(&'t Places);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.is_abandoned.store(true, Ordering::Relaxed);
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// Whether its process stands still.
    pub(crate) is_stopped: bool,
    /// The position of its build.
    pub(crate) build: usize,
}

impl Places {
    pub(crate) fn watch(&self) -> Watched<'_> {
        Watched(self)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// The process at a place, unless it is dead. No sender connects to its old port: another process may have it.
    pub(crate) fn at(&self, place: usize) -> Option<Place> {
        self.lock().get(place).copied().flatten()
    }

    fn set(&self, place: usize, process: Option<Place>) {
        let mut places = self.lock();
        let length = places.len().max(place + 1);
        places.resize(length, None);
        places[place] = process;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Place>>> {
        self.places.lock().expect("no thread panics with the lock")
    }
}

/// What happened to processes, in microseconds since 1970.
#[derive(Default)]
pub(crate) struct History {
    /// The numbers of processes that were killed, and when.
    pub(crate) killed: Vec<(usize, u64)>,
    /// Those that have ended themselves.
    pub(crate) aborted: usize,
    /// Those that stood still, from when until when.
    pub(crate) stopped: Vec<(usize, u64, u64)>,
    /// When connections were lost, from when until when: all, or those of one process.
    pub(crate) cut: Vec<(Option<usize>, u64, u64)>,
    pub(crate) connections_cut: usize,
    pub(crate) databases_killed: usize,
}

/// The processes; they are killed when it is dropped.
pub(crate) struct Fleet<'t> {
    places: &'t Places,
    running: Vec<Option<(usize, Running)>>,
    /// Since when a process stands still.
    stopped: Vec<Option<u64>>,
    pub(crate) history: History,
}

/// What a process is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    /// Its position among those of a test.
    pub(crate) number: usize,
    /// The events that it handles.
    pub(crate) handlers: &'static str,
    /// How long a handler may take.
    pub(crate) timeout: Duration,
}

/// The number of the next process, which no other has.
static STARTED: AtomicUsize = AtomicUsize::new(0);

impl<'t> Fleet<'t> {
    pub(crate) fn new(engine: &Engine, places: &'t Places) -> Self {
        let (running, stopped) = ((0..engine.places).map(|_| None).collect(), vec![None; engine.places]);
        Self { places, running, stopped, history: History::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Starts a process. One that is there goes on, and gets no deliveries any more; it is returned.
    pub(crate) fn start(&mut self, engine: &Engine, place: usize, build: Build) -> Option<Running> {
        let mut tries = 0;
        let (number, running) = loop {
            let number = STARTED.fetch_add(1, Ordering::Relaxed);
            let program = Program::new(env!("CARGO_BIN_EXE_deferring"))
                .env("KIKET_INBOX_URL", engine.url(place))
                .env("KIKET_SDK_TELEMETRY_OPTOUT", "1")
                .env("FAULTS_HANDLERS", build.handlers)
                .env("FAULTS_TIMEOUT_MS", build.timeout.as_millis().to_string())
                .env("FAULTS_EFFECTS", engine.steps())
                .env("FAULTS_PROCESS", number.to_string());
            match program.try_start() {
                Ok(running) => break (number, running),
                // Poison may end it before it listens: its workers have begun.
                Err(ended) => {
                    self.history.aborted += 1;
                    tries += 1;
                    assert!(ended.code.is_none() && tries < 10, "{}{}", ended.stdout, ended.stderr);
                }
            }
        };
        self.places
            .set(place, Some(Place { address: running.address(), is_stopped: false, build: build.number }));
        self.running[place].replace((number, running)).map(|(_, running)| running)
    }

    /// Kills a process in the middle of whatever it does.
    pub(crate) fn kill(&mut self, place: usize) {
        self.resume(place);
        self.places.set(place, None);
        if let Some((number, running)) = self.running[place].take() {
            drop(running);
            self.history.killed.push((number, micros()));
        }
    }

    /// The places whose processes have ended themselves. Their places are free then.
    pub(crate) fn ended(&mut self) -> Vec<usize> {
        let mut ended = Vec::new();
        for place in 0..self.running.len() {
            if self.running[place].as_mut().is_some_and(|(_, running)| running.has_ended()) {
                self.places.set(place, None);
                self.running[place] = None;
                self.history.aborted += 1;
                ended.push(place);
            }
        }
        ended
    }

    /// Holds a process up, so that it knows nothing of the time that passes.
    pub(crate) fn stop(&mut self, place: usize) {
        let Some((_, running)) = &self.running[place] else { return };
        self.stopped[place] = Some(micros());
        self.set_stopped(place, true);
        running.signal("STOP");
    }

    pub(crate) fn is_stopped(&self, place: usize) -> bool {
        self.stopped[place].is_some()
    }

    /// Lets a process go on that stands still.
    pub(crate) fn resume(&mut self, place: usize) {
        let (Some(from), Some((number, running))) = (self.stopped[place].take(), &self.running[place]) else {
            return;
        };
        running.signal("CONT");
        self.history.stopped.push((*number, from, micros()));
        self.set_stopped(place, false);
    }

    fn set_stopped(&self, place: usize, is_stopped: bool) {
        let found = self.places.at(place).map(|found| Place { is_stopped, ..found });
        self.places.set(place, found);
    }

    /// Cuts the connections of a process to the database.
    pub(crate) fn cut(&mut self, engine: &Engine, place: usize) {
        let Some((number, _)) = &self.running[place] else { return };
        let from = micros();
        let count = engine.cut(place);
        if count > 0 {
            self.history.connections_cut += count;
            self.history.cut.push((Some(*number), from, micros()));
        }
    }

    /// Kills the database.
    pub(crate) fn kill_database(&mut self, engine: &mut Engine) {
        let from = micros();
        if engine.kill() {
            self.history.databases_killed += 1;
            self.history.cut.push((None, from, micros()));
        }
    }

    /// Ends all of them in order. Returns what they logged.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        let mut log = String::new();
        for place in 0..self.running.len() {
            self.resume(place);
            self.places.set(place, None);
            let Some((_, running)) = self.running[place].take() else { continue };
            let ended = running.stop();
            assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
            log.push_str(&ended.stdout);
        }
        log
    }
}
