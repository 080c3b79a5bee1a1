//! A process of the extension: started on a port of its own, watched, and ended gracefully.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{
    event::{Event, Events, Number, Variables, loopback},
    lines::each,
    system::{group, signal, wait_unreaped},
};
use crate::extension::Program;

/// How long a process may take until it is ready.
const READY: Duration = Duration::from_secs(60);
/// How often it is asked.
const ASKED: Duration = Duration::from_millis(25);
/// How long one such reply may take.
const RESPONSE: Duration = Duration::from_secs(2);
/// The ports of processes. Connections of this machine get other ones, so that none is lost between its choice and its use.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// A process that was started and has not been seen to end.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) number: Number,
    pub(super) program: Program,
    pub(super) address: SocketAddr,
    /// Its id, until it ended.
    id: Arc<Mutex<Option<u32>>>,
    /// Whether it was asked to end.
    is_stopped: AtomicBool,
}

impl Process {
    /// Starts the program with these variables, besides those that say where it listens. What it prints and its end are events.
    pub(super) fn start(
        number: Number,
        program: Program,
        variables: &Variables,
        events: &Events,
    ) -> io::Result<Self> {
        let address = loopback(free_port()?);
        let mut command = Command::new(&program.executable);
        command.current_dir(&program.folder).stdin(Stdio::null());
        command.envs(variables.iter().map(|(name, value)| (name, value.expose())));
        command.env("CARGO_MANIFEST_DIR", &program.folder);
        command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        let mut child = group(command.stdout(Stdio::piped()).stderr(Stdio::piped())).spawn()?;
        let id = Arc::new(Mutex::new(Some(child.id())));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let printed = |is_error, events: Events| {
            move |line| events.blocking_send(Event::Printed { process: number, line, is_error }).is_ok()
        };
        let readers = [
            stdout.map(|output| {
                thread::spawn({
                    let printed = printed(false, events.clone());
                    move || each(output, printed)
                })
            }),
            stderr.map(|output| {
                thread::spawn({
                    let printed = printed(true, events.clone());
                    move || each(output, printed)
                })
            }),
        ];
        let (watched, events) = (Arc::clone(&id), events.clone());
        thread::spawn(move || {
            wait_unreaped(child.id());
            // From here on its id may become that of another process.
            let status = {
                let mut id = watched.lock().unwrap_or_else(PoisonError::into_inner);
                *id = None;
                child.wait()
            };
            // Its last lines come first, unless a process of its own keeps the outputs open.
            let deadline = std::time::Instant::now() + Duration::from_millis(500);
            for reader in readers.into_iter().flatten() {
                while !reader.is_finished() && std::time::Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            if let Ok(status) = status {
                let _ = events.blocking_send(Event::Exited { process: number, status });
            }
        });
        Ok(Self { number, program, address, id, is_stopped: AtomicBool::new(false) })
    }

    /// Its id, for people.
    pub(super) fn id(&self) -> Option<u32> {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks it to end gracefully. Returns whether it was not asked before: a second signal would end its grace period.
    pub(super) fn stop(&self) -> bool {
        let is_first = !self.is_stopped.swap(true, Ordering::Relaxed);
        if is_first {
            self.signal(false);
        }
        is_first
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        self.signal(true);
    }

    fn signal(&self, kill: bool) {
        // Locked, so that it is not reaped in between.
        let id = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = *id {
            signal(id, kill);
        }
    }
}

/// Waits until a process serves, and reports it.
pub(super) async fn await_ready(process: Number, address: SocketAddr, events: Events) {
    let deadline = Instant::now() + READY;
    let mut in_time = false;
    while !in_time && Instant::now() < deadline {
        in_time = matches!(timeout(RESPONSE, is_ready(address)).await, Ok(Ok(true)));
        if !in_time {
            sleep(ASKED).await;
        }
    }
    let _ = events.send(Event::Ready { process, in_time }).await;
}

/// Whether it serves. One without `/health/ready`, like an app with a prefix, serves if it responds at all.
async fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(status.starts_with(b"HTTP/1.") && !status.ends_with(b" 503"))
}

/// A port that is free at the moment.
fn free_port() -> io::Result<u16> {
    for _ in 0..64 {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
