//! Two processes of one extension, started and ended by the test.

use std::{net::SocketAddr, path::PathBuf, sync::Mutex, time::Instant};

use extension_process::{Program, Running};

use crate::{SECRET, journal::Journal};

/// Where senders find a process.
#[derive(Default)]
pub(crate) struct Places([Mutex<Option<Process>>; 2]);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    /// Its number, which no other process has.
    pub(crate) number: usize,
    pub(crate) address: SocketAddr,
}

impl Places {
    /// The process at a place, unless it is dead. No sender connects to its old port: another process may have it.
    pub(crate) fn at(&self, place: usize) -> Option<Process> {
        *self.0[place].lock().expect("no thread panics with the lock")
    }

    fn set(&self, place: usize, process: Option<Process>) {
        *self.0[place].lock().expect("no thread panics with the lock") = process;
    }
}

/// How its processes are started.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) store: String,
    pub(crate) effects: PathBuf,
}

impl Start {
    pub(crate) fn program(&self, process: usize) -> Program {
        Program::new(env!("CARGO_BIN_EXE_faults"))
            .env("KIKET_WEBHOOK_SECRET", SECRET)
            .env("KIKET_DEDUPE_URL", &self.store)
            .env("KIKET_SDK_TELEMETRY_OPTOUT", "1")
            .env("FAULTS_EFFECTS", &self.effects)
            .env("FAULTS_PROCESS", process.to_string())
    }
}

/// The processes; they are killed when it is dropped.
pub(crate) struct Fleet<'t> {
    places: &'t Places,
    journal: &'t Journal,
    start: Start,
    running: [Option<Running>; 2],
    started: usize,
}

impl<'t> Fleet<'t> {
    /// Two processes that listen.
    pub(crate) fn start(start: Start, places: &'t Places, journal: &'t Journal) -> Self {
        let mut fleet = Self { places, journal, start, running: [None, None], started: 0 };
        fleet.start_again(0);
        fleet.start_again(1);
        fleet
    }

    /// Starts a process where there is none.
    pub(crate) fn start_again(&mut self, place: usize) {
        let number = self.started;
        self.started += 1;
        let running = self.start.program(number).start();
        self.places.set(place, Some(Process { number, address: running.address() }));
        self.running[place] = Some(running);
    }

    /// Kills a process in the middle of whatever it does.
    pub(crate) fn kill(&mut self, place: usize) {
        let Some(process) = self.places.at(place) else { return };
        drop(self.running[place].take());
        let now = Instant::now();
        self.places.set(place, None);
        self.journal.write(|seen| seen.killed.push((process.number, now)));
    }

    /// Tells a process to stop, and waits until it has answered what it had.
    #[track_caller]
    pub(crate) fn drain(&mut self, place: usize) {
        let running = self.running[place].take().expect("it runs");
        let ended = running.stop();
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        self.places.set(place, None);
    }

    /// Holds a process up, so that it knows nothing of the time that passes.
    pub(crate) fn pause(&mut self, place: usize) {
        let Some(process) = self.places.at(place) else { return };
        self.running[place].as_ref().expect("it runs").signal("STOP");
        self.journal.write(|seen| seen.paused.push((process.number, Instant::now())));
    }

    /// Lets it go on.
    pub(crate) fn resume(&mut self, place: usize) {
        self.running[place].as_ref().expect("it runs").signal("CONT");
    }

    /// Ends all of them in order.
    pub(crate) fn end(mut self) {
        self.drain(0);
        self.drain(1);
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.journal.write(|seen| seen.abandoned = true);
        }
    }
}
