//! `cargo kiket dev` in a folder of its own, with a cargo that "builds" by pointing at a program that is built already.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kiket_testing::delivery;
use serde_json::{Value, json};

pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_cargo-kiket");
pub(crate) const SECRET: &str = "canary_webhook_secret_0001";

/// How long anything may take on a machine that is busy. What takes longer is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What stands in for cargo: `target/debug/developed` is the program of the workspace, and what it is to know of its build is
/// the text of `src/main.rs`.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = build ] || exit 1
until [ ! -e hold ]; do sleep 0.02; done
if grep -q BROKEN src/main.rs; then
  echo "error[E0425]: cannot find value \`BROKEN\` in this scope" >&2
  exit 101
fi
mkdir -p target/debug
fresh=false; cmp -s src/main.rs target/debug/build.txt && fresh=true
cp src/main.rs target/debug/build.txt
ln -sf "$DEVELOPED" target/debug/developed
echo "   Compiling developed" >&2
echo "{\"reason\":\"compiler-artifact\",\"manifest_path\":\"$PWD/Cargo.toml\",\"executable\":\"$PWD/target/debug/developed\",\"fresh\":$fresh}"
echo '{"reason":"build-finished","success":true}'
"#;

/// The folder of an extension, before `dev` runs in it.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    cargo: Option<PathBuf>,
    variables: Vec<(String, String)>,
}

impl Project {
    /// One with the cargo of the tests.
    pub(crate) fn new() -> Self {
        let mut project = Self { folder: tempfile::tempdir().unwrap(), cargo: None, variables: Vec::new() };
        project.write("Cargo.toml", "[package]\nname = \"developed\"\nversion = \"0.1.0\"\n");
        project.write("src/main.rs", "1");
        project.write(
            "extension.yaml",
            "id: com.example.developed\nversion: 1.2.3\nhooks: [issue.created, own.crash, own.secret]\n",
        );
        project.write("cargo.sh", CARGO);
        let cargo = project.path("cargo.sh");
        #[cfg(unix)]
        fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        project.cargo = Some(cargo);
        project.builds("developed");
        project.set("KIKET_WEBHOOK_SECRET", SECRET);
        project
    }

    /// Builds this example of the workspace.
    pub(crate) fn builds(&mut self, example: &str) {
        let program = Path::new(TOOL).with_file_name("examples").join(example);
        assert!(
            program.exists(),
            "`cargo test` builds it; `--test dev` alone needs `cargo build --example {example}` before"
        );
        self.set("DEVELOPED", program.to_str().unwrap());
    }

    /// A folder in which the real cargo builds.
    pub(crate) fn real() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), cargo: None, variables: Vec::new() }
    }

    /// A program in place of a browser, which notes what it opens.
    pub(crate) fn browser(&self) -> String {
        self.write("browser.sh", "#!/bin/sh\necho \"$1\" > opened.new && mv opened.new opened\n");
        let browser = self.path("browser.sh");
        #[cfg(unix)]
        fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        browser.to_str().unwrap().to_owned()
    }

    /// Waits until it opened something.
    #[track_caller]
    pub(crate) fn opened(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.path("opened").exists() {
            assert!(Instant::now() < deadline, "no page is opened");
            thread::sleep(Duration::from_millis(5));
        }
        fs::read_to_string(self.path("opened")).unwrap().trim().to_owned()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // At once, so that no build reads a half of it.
        let written = self.path(".written");
        fs::write(&written, text).unwrap();
        fs::rename(written, path).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut tool = Command::new(TOOL);
        tool.arg("dev").args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1");
        for name in
            ["PORT", "HOST", "RUST_LOG", "KIKET_BASE_URL", "KIKET_WORKSPACE_TOKEN", "KIKET_WEBHOOK_SECRET"]
        {
            tool.env_remove(name);
        }
        tool.env_remove("KIKET_EXTENSION_API_KEY").env_remove("CARGO_TARGET_DIR");
        tool.envs(self.cargo.iter().map(|cargo| ("CARGO", cargo)));
        tool.envs(self.variables.iter().map(|(name, value)| (name, value)));
        tool
    }

    /// Runs `dev` on free ports, with JSON lines.
    #[track_caller]
    pub(crate) fn run(self, arguments: &[&str]) -> Running {
        let has_port = arguments.contains(&"--console-port");
        let console: &[_] = if has_port { &[] } else { &["--console-port", "0"] };
        let arguments = [&["--json", "--port", "0"], console, arguments].concat();
        let mut tool = self.command(&arguments);
        let mut child =
            tool.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        let mut running =
            Running { project: self, child, lines, errors, address: ([127, 0, 0, 1], 0).into() };
        let listening = running.said("listening", |_| true);
        running.address = listening["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        running
    }

    /// The same, once it serves.
    #[track_caller]
    pub(crate) fn serve(self, arguments: &[&str]) -> Running {
        let running = self.run(arguments);
        running.said("ready", |_| true);
        running
    }
}

/// `dev` that runs; dropping it kills it.
pub(crate) struct Running {
    pub(crate) project: Project,
    child: Child,
    pub(crate) lines: Lines,
    pub(crate) errors: Lines,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Waits for a line of this type.
    #[track_caller]
    pub(crate) fn said(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.lines.find(|line| line["type"] == kind && fits(line))
    }

    /// How many lines of this type there are so far.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.lines.all().iter().filter(|line| line["type"] == kind).count()
    }

    /// Sends a delivery, and returns status and body.
    #[track_caller]
    pub(crate) fn deliver(&self, event: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.send(&self.signed(event, body, &[])).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A signed delivery as bytes, with more headers.
    pub(crate) fn signed(&self, event: &str, body: &Value, headers: &[&str]) -> Vec<u8> {
        request(&self.address.to_string(), SECRET, event, body, headers)
    }

    /// Sends bytes over a connection of its own, and reads until it ends.
    pub(crate) fn send(&self, request: &[u8]) -> io::Result<(u16, String)> {
        let mut stream = Connection::open(self.address)?;
        stream.ask(request)
    }

    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.child.id())]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it, and runs it again in the same folder.
    #[allow(dead_code)] // the tests of the page need it
    #[track_caller]
    pub(crate) fn again(mut self, arguments: &[&str]) -> Self {
        self.signal("TERM");
        self.end();
        std::mem::replace(&mut self.project, Project::real()).serve(arguments)
    }

    /// Waits until it ended by itself.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.lines.text());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gracefully, so that it leaves no process behind.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            #[cfg(unix)]
            self.signal("TERM");
            let deadline = Instant::now() + Duration::from_secs(20);
            while self.child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signed delivery as bytes.
pub(crate) fn request(host: &str, secret: &str, event: &str, body: &Value, headers: &[&str]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signed = delivery(event, "v1", body).sign(secret, now);
    let host = if headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
        String::new()
    } else {
        format!("host: {host}\r\n")
    };
    let mut head = format!("POST {} HTTP/1.1\r\n{host}", signed.path);
    for (name, value) in &signed.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    for header in headers {
        let _ = write!(head, "{header}\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", signed.body.len());
    [head.as_bytes(), &signed.body].concat()
}

/// A body with an id.
pub(crate) fn body(id: &str) -> Value {
    json!({ "id": id })
}

/// A connection, for one request at a time.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request, and reads its response.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<(u16, String)> {
        self.0.get_mut().write_all(request)?;
        let (mut head, mut length, mut status) = (String::new(), 0, 0);
        while self.0.read_line(&mut head)? > 2 {
            let line = head.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            head.clear();
        }
        if status == 0 {
            return Err(io::Error::other("no response"));
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// What a process prints, line by line.
#[derive(Clone)]
pub(crate) struct Lines(Arc<(Mutex<Arrived>, Condvar)>);

#[derive(Default)]
struct Arrived {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub(crate) fn of(output: impl io::Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let filled = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { break };
                filled.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                filled.0.1.notify_all();
            }
            filled.lock().ended = true;
            filled.0.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a line that is JSON and fits.
    #[track_caller]
    pub(crate) fn find(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let (mut seen, mut arrived) = (0, self.lock());
        loop {
            while let Some(line) = arrived.lines.get(seen) {
                seen += 1;
                if let Some(value) = serde_json::from_str(line).ok().filter(|value| fits(value)) {
                    return value;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!arrived.ended && !left.is_zero(), "no such line:\n{}", arrived.lines.join("\n"));
            arrived = self.0.1.wait_timeout(arrived, left).unwrap().0;
        }
    }

    /// The lines that are JSON.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.lock().lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn text(&self) -> String {
        self.lock().lines.join("\n")
    }
}
