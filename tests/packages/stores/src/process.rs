//! A server as a child process, which is gone when its owner is.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long a server may take to start. It is not what anybody waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs.
pub(crate) struct Service(Child);

impl Service {
    /// Starts it, and waits until it has printed `ready`.
    ///
    /// # Panics
    ///
    /// When it does not start; with what it has printed.
    pub(crate) fn start(mut command: Command, ready: &'static str) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (prints, printed) = mpsc::channel();
        read(child.stdout.take().expect("it is piped"), prints.clone());
        read(child.stderr.take().expect("it is piped"), prints);
        let service = Self(child);
        let mut log = String::new();
        loop {
            match printed.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(ready) => return service,
                Ok(line) => log = log + &line + "\n",
                Err(why) => panic!("{command:?} does not start ({why})\n{log}"),
            }
        }
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it was ended by somebody else.
    pub(crate) fn stop(mut self, signal: &str) {
        self.signal(signal);
        self.0.wait().expect("it can be waited for");
    }

    fn signal(&self, signal: &str) {
        let arguments = ["-c", "kill -s \"$0\" \"$1\"", signal, &self.0.id().to_string()];
        let _ = Command::new("sh").args(arguments).status();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Reads to the end, so that nobody waits for a full pipe.
fn read(from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = to.send(line); // whoever started it knows enough
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
