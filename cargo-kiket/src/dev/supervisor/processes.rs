//! The processes: started, handed over to, started again after a crash, and ended.

use std::{fmt, net::SocketAddr, process::ExitStatus, sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        event::{Event, Number},
        process::{Process, await_ready},
        screen::Tone,
        upstream::Upstream,
    },
    Serving, Starting, Supervisor, milliseconds,
};
use crate::{console::Level, exit::Exit, extension::Program};

/// How long requests to a process that was replaced may take before it is asked to end; it drains the rest.
const REQUESTS: Duration = Duration::from_secs(10);
/// How long a process may take to end: longer than the grace period of an extension.
const GRACE: Duration = Duration::from_secs(30);
/// How long a process serves until its crash counts as the first one.
const STEADY: Duration = Duration::from_secs(30);
/// The shortest and the longest time until a crashed process is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

impl Supervisor {
    pub(super) fn start(&mut self, program: Program) {
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
                if self.serving.is_none() {
                    self.setup.upstreams.hold();
                }
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

    /// It says where it listens, which is elsewhere if its code sets the port.
    pub(super) fn listens(&mut self, number: Number, addresses: Option<&str>) {
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

    pub(super) fn ready(&mut self, number: Number, in_time: bool) {
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

    pub(super) fn exited(&mut self, number: Number, status: ExitStatus) {
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
    pub(super) fn start_again(&mut self, number: Number, status: ExitStatus, text: &str) {
        let (shortest, longest) = BACKOFF;
        let after = shortest.saturating_mul(1 << self.crashes.min(10)).min(longest);
        self.crashes += 1;
        self.crashed(number, status, Some(after), &format!("{text}: it is started again in {after:?}"));
        self.later(after, Event::Again);
    }

    pub(super) fn crashed(
        &mut self,
        number: Number,
        status: ExitStatus,
        again: Option<Duration>,
        text: &str,
    ) {
        let json = json!({ "type": "crashed", "process": number, "status": Shown(status).to_string(),
            "again_in_ms": again.map(milliseconds) });
        self.screen.say(&json, Tone::Bad, "crashed", text);
        self.setup.observer.noted(Level::Error, text);
    }

    pub(super) fn stop_when_drained(&self, number: Number, upstream: Arc<Upstream>) {
        let events = self.setup.events.clone();
        tokio::spawn(async move {
            upstream.is_drained(REQUESTS).await;
            let _ = events.send(Event::Drained(number)).await;
        });
    }

    pub(super) fn leave(&mut self, process: Process) {
        let number = process.number;
        self.leaving.push(process);
        self.stop(number);
    }

    /// Asks a process that leaves to end.
    pub(super) fn stop(&self, number: Number) {
        if let Some(process) = self.leaving.iter().find(|process| process.number == number)
            && process.stop()
        {
            self.later(GRACE, Event::Overdue(number));
        }
    }

    pub(super) fn overdue(&mut self, number: Number) {
        if let Some(process) = self.leaving.iter().find(|process| process.number == number) {
            process.kill();
            self.note(Tone::Bad, &format!("process {number} did not end within {GRACE:?}, and is killed"));
        }
    }

    pub(super) fn later(&self, after: Duration, event: Event) {
        let events = self.setup.events.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let _ = events.send(event).await;
        });
    }
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
