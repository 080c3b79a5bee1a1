//! A server as a process, which is gone when its owner is.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long a server may take to start. It is not what anybody waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, below a shell that ends it: on request, or when the process that started it is gone, even if a
/// test was killed.
pub(crate) struct Service {
    shell: Child,
    /// What ends it at once.
    signal: &'static str,
}

/// Only the server has the pipes, so that they close when it ends.
const SHELL: &str = r#"
"$@" &
server=$!
exec >/dev/null 2>&1
read -r signal || signal=KILL
kill -s "$signal" "$server"
wait "$server"
"#;

impl Service {
    /// Starts it, perhaps as another user, and waits until it has printed `ready`.
    ///
    /// # Panics
    ///
    /// When it does not start; with what it has printed.
    pub(crate) fn start(
        server: &Command,
        user: Option<(u32, u32)>,
        ready: &str,
        signal: &'static str,
    ) -> Self {
        Self::try_start(server, user, ready, signal).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same; the error has what it has printed.
    ///
    /// # Panics
    ///
    /// When there is no shell.
    pub(crate) fn try_start(
        server: &Command,
        user: Option<(u32, u32)>,
        ready: &str,
        signal: &'static str,
    ) -> Result<Self, String> {
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh"]).arg(server.get_program()).args(server.get_args());
        command.current_dir("/").env("LC_ALL", "C");
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (prints, printed) = mpsc::channel();
        read(shell.stdout.take().expect("it is piped"), prints.clone());
        read(shell.stderr.take().expect("it is piped"), prints);
        let service = Self { shell, signal };
        let mut log = String::new();
        loop {
            match printed.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(ready) => return Ok(service),
                Ok(line) => log = log + &line + "\n",
                Err(why) => return Err(format!("{server:?} does not start ({why})\n{log}")),
            }
        }
    }

    /// Kills it, without a chance to clean up. Its children may live for a moment.
    pub(crate) fn kill(mut self) {
        self.signal = "KILL";
    }

    /// The time on a processor of the server and all its processes, also of those that have ended.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let (mut family, mut ticks) = (vec![self.shell.id()], 0);
        let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
        let mut processes: Vec<_> = processes.filter_map(|entry| Stat::read(&entry.path())).collect();
        // A process may be listed before its parent.
        while let Some(found) = processes.iter().position(|stat| family.contains(&stat.parent)) {
            let stat = processes.swap_remove(found);
            family.push(stat.process);
            ticks += stat.ticks;
        }
        (ticks > 0).then(|| TICK * ticks)
    }
}

/// The unit of `/proc/<pid>/stat`: Linux shows hundredths of a second to programs, on every machine.
const TICK: Duration = Duration::from_millis(10);

/// What the kernel knows of a process.
struct Stat {
    process: u32,
    parent: u32,
    ticks: u32,
}

impl Stat {
    fn read(folder: &Path) -> Option<Self> {
        let process = folder.file_name()?.to_str()?.parse().ok()?;
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The name of the program, in parentheses, may contain anything.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
        // User and kernel mode, of itself and of its children that have ended.
        let ticks = (11..15).map(number).sum::<Option<u32>>()?;
        Some(Self { process, parent: number(1)?, ticks })
    }
}

/// Waits until it has ended.
impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut input) = self.shell.stdin.take() {
            let _ = writeln!(input, "{}", self.signal);
        }
        let _ = self.shell.wait();
    }
}

/// Reads to the end, so that the server never waits for a full pipe.
fn read(from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = to.send(line); // the receiver may be gone
        }
    });
}

/// Where a program is: on the path, or in one of `folders`, the last of them first.
pub(crate) fn program(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = folders.into_iter().collect();
    folders.sort();
    let folders = folders.into_iter().rev();
    let mut programs = folders.chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    programs.find(|program| Path::is_file(program))
}
