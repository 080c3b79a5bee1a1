//! A role of this program in a process of its own, and what the kernel knows of it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

/// A server in a process of its own. It ends with this value, and also with the process that started it.
pub(crate) struct ServerProcess {
    child: Killed,
    address: SocketAddr,
    /// The server reads it, and its end is the server's end.
    _leash: ChildStdin,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // A child that is gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl ServerProcess {
    /// Starts `program`, or this one, as the server `role`, with `log` as its `RUST_LOG`, and waits until it listens. It logs
    /// to a pipe that is read at once, or to a file.
    pub(crate) fn start(
        program: Option<&Path>,
        role: &str,
        workers: usize,
        arguments: &[&str],
        log: &str,
        to_file: bool,
    ) -> io::Result<Self> {
        let stdout = if to_file { tempfile::tempfile()?.into() } else { Stdio::piped() };
        let program = program.map_or_else(std::env::current_exe, |program| Ok(program.to_owned()))?;
        let mut child = Command::new(program)
            .args([role, &workers.to_string()])
            .args(arguments)
            .env("RUST_LOG", log)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(stdout) = child.stdout.take() {
            drain(stdout, io::sink());
        }
        let pipes = child.stdin.take().zip(child.stderr.take());
        let child = Killed(child);
        let (leash, stderr) = pipes.ok_or_else(|| io::Error::other("a child has no pipes"))?;
        let mut stderr = BufReader::new(stderr);
        let address = stderr.by_ref().lines().map_while(Result::ok).find_map(|line| line.parse().ok());
        let address = address.ok_or_else(|| io::Error::other(format!("`{role}` does not listen")))?;
        drain(stderr, io::stderr());
        Ok(Self { child, address, _leash: leash })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time of all its threads on a processor, in user and kernel mode.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let stat = self.proc("stat")?;
        // The second field is the program's name, in parentheses, and may contain anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut ticks = fields.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
        let (Some(user), Some(system)) = (ticks.next(), ticks.next()) else {
            return Err(io::Error::other(format!("/proc/…/stat says {stat:?}")));
        };
        Ok(TICK * u32::try_from(user + system).map_err(io::Error::other)?)
    }

    /// The memory it has in use, in bytes.
    pub(crate) fn resident_memory(&self) -> io::Result<u64> {
        self.memory("VmRSS")
    }

    /// A line of what the kernel knows of its memory, in bytes.
    pub(crate) fn memory(&self, line: &str) -> io::Result<u64> {
        let status = self.proc("status")?;
        let value = status.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(':'));
        let kib = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other(format!("/proc/…/status has no {line}")))
    }

    fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.0.id()))
    }
}

/// The unit of `/proc/<pid>/stat`: Linux shows hundredths of a second to programs, on every machine.
const TICK: Duration = Duration::from_millis(10);

/// Reads all that a server prints, so that it never waits for its pipe.
fn drain(mut from: impl Read + Send + 'static, mut to: impl io::Write + Send + 'static) {
    std::thread::spawn(move || io::copy(&mut from, &mut to));
}

/// Tells the process that started this one where it listens, and ends this one when that one is gone.
pub(crate) fn announce(address: SocketAddr) {
    eprintln!("{address}");
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Runs this program as `role` to its end, and returns what it prints.
pub(crate) fn run(role: &str, arguments: &[String]) -> io::Result<String> {
    let output =
        Command::new(std::env::current_exe()?).arg(role).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("`{role}` failed")));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
