//! `dev` on a terminal: its status line and its keys.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

use super::running::{Connection, PATIENCE, Project, SECRET, body, request};

/// A terminal, and what was shown on it.
struct Terminal {
    /// The side of the person.
    person: File,
    /// The side of the program.
    program: File,
    shown: Arc<(Mutex<Vec<u8>>, Condvar)>,
}

impl Terminal {
    fn open() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let program = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let (person, program) = (File::from(person), File::from(program));
        let shown = Arc::<(Mutex<Vec<u8>>, Condvar)>::default();
        let (mut reader, filled) = (person.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                filled.0.lock().unwrap().extend_from_slice(&piece[..read]);
                filled.1.notify_all();
            }
        });
        Self { person, program, shown }
    }

    fn stdio(&self) -> Stdio {
        self.program.try_clone().unwrap().into()
    }

    /// Waits until a text was shown so often.
    #[track_caller]
    fn shows(&self, text: &str, times: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut shown = self.shown.0.lock().unwrap();
        loop {
            let all = String::from_utf8_lossy(&shown).into_owned();
            if all.matches(text).count() >= times {
                return all;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "`{text}` is not shown {times} times:\n{all}");
            shown = self.shown.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    fn press(&mut self, key: u8) {
        self.person.write_all(&[key]).unwrap();
    }

    /// Whether keys are shown and come in lines, as a shell has it.
    fn is_usual(&self) -> bool {
        let modes = tcgetattr(&self.program).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

fn run(terminal: &Terminal, project: &Project, arguments: &[&str]) -> Child {
    let mut tool = project.command(arguments);
    tool.env("TERM", "xterm").env_remove("NO_COLOR");
    tool.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio()).spawn().unwrap()
}

/// The address in `listening on http://…`.
fn address(shown: &str) -> std::net::SocketAddr {
    let from = shown.split_once("on http://").unwrap().1;
    from.split(|char: char| char != '.' && char != ':' && !char.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn keys_replay_open_and_quit_and_the_terminal_is_restored() {
    let mut terminal = Terminal::open();
    assert!(terminal.is_usual());
    let mut project = Project::new();
    let browser = project.browser();
    project.set("BROWSER", &browser);
    let mut dev = run(&terminal, &project, &["--port", "0", "--console-port", "0"]);
    let address = address(&terminal.shows("process 1 serves", 1));
    assert!(!terminal.is_usual());
    terminal.press(b'r');
    terminal.shows("there was no delivery yet", 1);
    let sent = request(&address.to_string(), SECRET, "issue.created", &body("first"), &[]);
    assert_eq!(Connection::open(address).unwrap().ask(&sent).unwrap().0, 200);
    terminal.shows("issue.created first", 1);
    terminal.press(b'r');
    // The replay has an id of its own, and a signature that holds.
    terminal.shows("issue.created evt_", 1);
    let all = terminal.shows("2 deliveries", 1);
    assert!(all.contains("r replay") && all.contains("o console") && !all.contains(SECRET), "{all}");
    terminal.press(b'o');
    assert!(project.opened().starts_with("http://127.0.0.1:"));
    terminal.press(b'b');
    // A build that was asked for is run, even if it is the same.
    terminal.shows("process 2 serves", 1);
    terminal.press(b'q');
    assert_eq!(dev.wait().unwrap().code(), Some(0));
    assert!(terminal.is_usual());
}

#[test]
fn signals_restore_the_terminal() {
    let terminal = Terminal::open();
    let project = Project::new();
    let mut dev = run(&terminal, &project, &["--port", "0", "--no-console"]);
    terminal.shows("process 1 serves", 1);
    assert!(!terminal.is_usual());
    let id = dev.id();
    let signal = |name: &str| {
        let sent = std::process::Command::new("sh").args(["-c", &format!("kill -s {name} {id}")]).status();
        assert!(sent.unwrap().success());
    };
    let becomes = |is_usual: bool| {
        let deadline = Instant::now() + PATIENCE;
        while terminal.is_usual() != is_usual {
            assert!(Instant::now() < deadline, "the terminal stays as it is");
            thread::yield_now();
        }
    };
    // Ctrl-Z, and `fg`.
    signal("TSTP");
    becomes(true);
    signal("CONT");
    becomes(false);
    signal("TERM");
    assert_eq!(dev.wait().unwrap().code(), Some(0));
    assert!(terminal.is_usual());
}
