//! Extensions as processes, for tests: start, deliver, stop, and leave none behind.
//!
//! What a process prints is awaited line by line, and its end by the end of its output.

mod output;
mod wire;

use std::{
    ffi::OsStr,
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kiket::testing::{DeliveryBuilder, delivery};
use serde_json::Value;

pub use self::{
    output::{Lines, PATIENCE},
    wire::{Connection, NoResponse, Response, get, post},
};

/// The secret that [`Program`]s are started with and that [`signed`] signs with.
pub const SECRET: &str = "canary_webhook_secret";

/// What no program may print: every secret here starts with it.
const CANARY: &str = "canary";

/// Every variable that holds a secret, besides the one of [`SECRET`].
const SECRET_VARIABLES: [&str; 4] = [
    "KIKET_WEBHOOK_SECRET_PREVIOUS",
    "KIKET_WORKSPACE_TOKEN",
    "KIKET_EXTENSION_API_KEY",
    "KIKET_SECRET_API_KEY",
];

/// A program that is an extension, before it runs.
#[must_use = "a program does nothing until it is started"]
pub struct Program(Command);

/// Whether the tests run in the background of a shell, which has them ignore SIGINT and SIGQUIT, or below `nohup`. Programs inherit
/// that, and what is ignored at the start stays ignored.
static IGNORES_SIGNALS: LazyLock<bool> = LazyLock::new(|| {
    const HUP_INT_QUIT: u64 = 0b111;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HUP_INT_QUIT != 0)
});

impl Program {
    /// The program at `path`, with nothing in its environment but secrets and `PORT=0`.
    pub fn new(path: impl AsRef<OsStr>) -> Self {
        let mut command = if *IGNORES_SIGNALS {
            let mut env = Command::new("/usr/bin/env");
            env.arg("--default-signal=HUP,INT,QUIT").arg(path);
            env
        } else {
            Command::new(path)
        };
        command.env_clear().env("PORT", "0").env("KIKET_WEBHOOK_SECRET", SECRET);
        for variable in SECRET_VARIABLES {
            command.env(variable, format!("{CANARY}_{}", variable.to_ascii_lowercase()));
        }
        Self(command)
    }

    /// Gives it an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Removes a variable from its environment.
    pub fn without_env(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs it in this directory.
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.0.current_dir(directory);
        self
    }

    /// Starts it, without waiting for anything.
    ///
    /// # Panics
    ///
    /// When it cannot be run at all.
    #[track_caller]
    pub fn spawn(mut self) -> Process {
        let command = self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Lines::of("stdout", child.stdout.take().expect("it is piped"));
        let stderr = Lines::of("stderr", child.stderr.take().expect("it is piped"));
        Process { child, stdout, stderr }
    }

    /// Makes it the first of a process group.
    pub fn in_group_of_its_own(mut self) -> Self {
        std::os::unix::process::CommandExt::process_group(&mut self.0, 0);
        self
    }

    /// Starts it with these outputs, on a port that is free now, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start_into(self, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Running {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("this machine has a free port");
        let process = self.env("PORT", address.port().to_string()).spawn_into(stdout, stderr);
        let deadline = Instant::now() + PATIENCE;
        while Connection::open(address).is_err() {
            assert!(Instant::now() < deadline, "it does not listen");
            thread::sleep(Duration::from_millis(5)); // nothing says so: its outputs are not read
        }
        Running { process, address }
    }

    /// Starts it with these outputs, without waiting for anything.
    ///
    /// # Panics
    ///
    /// When it cannot be run at all.
    #[track_caller]
    pub fn spawn_into(mut self, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Process {
        // Its standard input is the end of a pipe that is closed when the process is gone.
        let (end, held) = io::pipe().expect("there are pipes");
        let child = self.0.stdin(held).stdout(stdout).stderr(stderr).spawn();
        let child = child.unwrap_or_else(|error| panic!("{:?}: {error}", self.0));
        Process { child, stdout: Lines::of("the end", end), stderr: Lines::of("nothing", io::empty()) }
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start(self) -> Running {
        self.try_start()
            .unwrap_or_else(|ended| panic!("it does not listen\n{}{}", ended.stdout, ended.stderr))
    }

    /// The same; the error is how it ended without listening.
    ///
    /// # Errors
    ///
    /// When it has ended.
    #[track_caller]
    pub fn try_start(self) -> Result<Running, Ended> {
        let process = self.spawn();
        let listening = |line: &str| {
            let line =
                serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == "listening")?;
            line["addresses"].as_str()?.strip_prefix("http://")?.parse().ok()
        };
        match process.stdout.find(listening) {
            Some(address) => Ok(Running { process, address }),
            None => Err(process.end()),
        }
    }

    /// Runs it to its end, which it must find by itself.
    #[track_caller]
    pub fn run(self) -> Ended {
        self.spawn().end()
    }
}

/// A process; dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// What it prints to standard output.
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// Types something into its standard input.
    ///
    /// # Panics
    ///
    /// When it does not read.
    #[track_caller]
    pub fn type_in(&mut self, text: &str) {
        use std::io::Write as _;
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// Sends it a signal, like `TERM`.
    ///
    /// # Panics
    ///
    /// When there is no shell.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        kill(name, &self.child.id().to_string());
    }

    /// Sends its process group a signal, like `TERM`.
    ///
    /// # Panics
    ///
    /// When there is no shell, or no such group.
    #[track_caller]
    pub fn signal_group(&self, name: &str) {
        kill(name, &format!("-- -{}", self.child.id()));
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// When it runs on, and when it has printed a secret.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        // A process that is gone has closed its output.
        let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
        let status = self.child.wait().expect("it was not waited for before");
        assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY), "a secret!\n{stdout}{stderr}");
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An extension that listens; dropping it kills it.
pub struct Running {
    process: Process,
    address: SocketAddr,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has ended.
    ///
    /// # Panics
    ///
    /// When the operating system fails.
    pub fn has_ended(&mut self) -> bool {
        self.process.child.try_wait().expect("it is a child").is_some()
    }

    /// What it logs.
    pub fn log(&self) -> &Lines {
        self.process.stdout()
    }

    /// Waits for a log line with this message, and gives it.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn logged(&self, message: &str) -> Value {
        let found = self
            .log()
            .find(|line| serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == message));
        found.unwrap_or_else(|| panic!("`{message}` is not in the log\n{}", self.log().text()))
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Panics
    ///
    /// When it gets no response.
    #[track_caller]
    pub fn ask(&self, request: &[u8]) -> Response {
        self.send(request)
            .response()
            .unwrap_or_else(|error| panic!("no response: {error:?}\n{}", self.log().text()))
    }

    /// Sends one request over a connection of its own, whose response can be read later.
    ///
    /// # Panics
    ///
    /// When it cannot be sent.
    #[track_caller]
    pub fn send(&self, request: &[u8]) -> Connection {
        let mut connection = Connection::open(self.address).expect("it listens");
        connection.send(request).expect("it reads");
        connection
    }

    /// What it uses of the machine, as Linux counts it.
    ///
    /// # Panics
    ///
    /// Where there is no `/proc`.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        /// Linux shows hundredths of a second to programs, on every machine.
        const TICK: Duration = Duration::from_millis(10);

        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.process.child.id());
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let (stat, status) = (read("stat"), read("status"));
        // The second field is the program's name, in parentheses, and may contain anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
        let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let memory = memory.and_then(|kib| kib.parse::<u64>().ok()).expect("it has memory");
        Usage { cpu: TICK * ticks, memory: memory * 1024 }
    }

    /// Sends it a signal, like `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Sends its process group a signal, like `TERM`.
    #[track_caller]
    pub fn signal_group(&self, name: &str) {
        self.process.signal_group(name);
    }

    /// What it prints to standard error.
    pub fn errors(&self) -> &Lines {
        &self.process.stderr
    }

    /// Waits until it is not ready any more.
    ///
    /// # Panics
    ///
    /// When it stays ready, or does not respond.
    #[track_caller]
    pub fn wait_until_draining(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(&get("/health/ready")).status != 503 {
            assert!(Instant::now() < deadline, "it stays ready");
        }
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn end(self) -> Ended {
        self.process.end()
    }

    /// Tells it to stop, and waits until it has ended.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.end()
    }
}

/// What a process uses of its machine.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The time of its threads on a processor since its start.
    pub cpu: Duration,
    /// The memory that it has in use, in bytes.
    pub memory: u64,
}

/// How a process ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; absent when a signal killed it.
    pub code: Option<i32>,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Ended {
    /// Its log, line by line.
    ///
    /// # Panics
    ///
    /// When a line is not JSON.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(line).collect()
    }
}

/// A delivery of `payload` as it goes over the wire, signed now with [`SECRET`].
///
/// # Panics
///
/// When the clock is before 1970.
pub fn signed(event: &str, version: &str, payload: &Value) -> Vec<u8> {
    signed_now(delivery(event, version, payload))
}

/// A delivery of `payload` to any path, signed now with [`SECRET`].
///
/// # Panics
///
/// When the clock is before 1970.
pub fn signed_to(path: &str, payload: &Value) -> Vec<u8> {
    signed_now(delivery("any.event", "v1", payload).path(path))
}

fn signed_now(delivery: DeliveryBuilder) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    post(&delivery.sign(SECRET, now))
}

#[track_caller]
fn kill(signal: &str, whom: &str) {
    let command = format!("kill -s {signal} {whom}");
    let status = Command::new("sh").args(["-c", &command]).status().expect("there is a shell");
    assert!(status.success(), "the signal was not sent");
}
