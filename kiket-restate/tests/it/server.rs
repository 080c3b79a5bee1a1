//! The server of Restate, as a process on loopback.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A public key whose private key is not here.
pub(crate) const OTHER_IDENTITY: &str = "publickeyv1_AtQJs8d1Qg2K8YsS1BdL6EqdLrZDABnoq383Bfyj8Z71";

/// A new private key of Ed25519: a fixed head, and 32 random bytes.
fn private_key() -> String {
    let seed: String = (0..42).map(|_| fastrand::alphanumeric()).collect();
    // The last character of the head has four bits of the seed.
    let first = char::from(fastrand::u8(b'A'..=b'P'));
    format!("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI{first}{seed}\n-----END PRIVATE KEY-----\n")
}

/// A server with its folder; dropping it kills it.
pub(crate) struct Server {
    folder: TempDir,
    child: Option<Child>,
    ports: [u16; 3],
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("there are ports")
        .port()
}

fn program() -> PathBuf {
    let machine = match env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let name = format!(
        "target/server/node_modules/@restatedev/restate-server-{system}-{machine}/bin/restate-server"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(path.exists(), "there is no server: `kiket-restate/test` installs it");
    path
}

impl Server {
    /// A server that has not started.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("identity.pem"), private_key()).unwrap();
        Self { folder, child: None, ports: [free_port(), free_port(), free_port()] }
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let path = |name: &str| self.folder.path().join(name);
        let [ingress, admin, nodes] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let log = fs::OpenOptions::new().create(true).append(true).open(path("log")).unwrap();
        let child = Command::new(program())
            .args(["--no-logo", "--node-name", "one", "--base-dir"])
            .arg(path("data"))
            .env_clear()
            .env("DO_NOT_TRACK", "1")
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("RESTATE_ADMIN__DISABLE_WEB_UI", "true")
            .env("RESTATE_LISTEN_MODE", "tcp")
            .env("RESTATE_BIND_IP", "127.0.0.1")
            .env("RESTATE_BIND_ADDRESS", &nodes)
            .env("RESTATE_INGRESS__BIND_ADDRESS", &ingress)
            .env("RESTATE_ADMIN__BIND_ADDRESS", &admin)
            .env("RESTATE_WORKER__INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE", path("identity.pem"))
            .env("RESTATE_DEFAULT_NUM_PARTITIONS", "2")
            .env("RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE", "64MiB")
            // So that what is searched for in its files could be found.
            .env("RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_COMPRESSION", "true")
            .env("RESTATE_WORKER__STORAGE__ROCKSDB_DISABLE_WAL_COMPRESSION", "true")
            .env("RESTATE_LOG_FORMAT", "compact")
            .env("RESTATE_LOG_DISABLE_ANSI_CODES", "true")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.until("it is ready", || {
            let [ingress, admin, _] = self.ports;
            let is_ok = |port, path| request(port, "GET", path, "").is_some_and(|(status, _)| status == 200);
            is_ok(ingress, "/restate/health") && is_ok(admin, "/health")
        });
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The public key of its requests, as its log shows it.
    pub(crate) fn identity(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let (_, rest) = log.split_once("kid=\"").expect("it has a key");
        rest.split('"').next().unwrap().to_owned()
    }

    pub(crate) fn ingress(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// The memory that it has in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.as_ref().unwrap().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        line.unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "not so: {what}\n{}", log());
            thread::sleep(Duration::from_millis(20)); // Restate says so to no one
        }
    }

    /// The rows of a query of the admin API.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let body = json!({ "query": query }).to_string();
        let Some((200, body)) = request(self.ports[1], "POST", "/query", &body) else { return Vec::new() };
        let rows: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        rows["rows"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the deliveries of an event are completed, and gives their failures.
    #[track_caller]
    pub(crate) fn completed(&self, event: &str, count: usize) -> Vec<String> {
        let query = format!(
            "SELECT status, completion_result, completion_failure FROM sys_invocation \
             WHERE target_service_name LIKE 'kiket.com.example.worker--{event}--v1%'"
        );
        let mut rows = Vec::new();
        self.until("all are completed", || {
            rows = self.query(&query);
            rows.len() == count && rows.iter().all(|row| row["status"] == "completed")
        });
        rows.iter().map(|row| row["completion_failure"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Drives the invocation of an event again, as the UI does.
    pub(crate) fn restart(&self, event: &str) {
        let service = format!("kiket.com.example.worker--{event}--v1");
        let rows =
            self.query(&format!("SELECT id FROM sys_invocation WHERE target_service_name = '{service}'"));
        let path = format!("/invocations/{}/restart-as-new", rows[0]["id"].as_str().unwrap());
        let (status, body) = request(self.ports[1], "PATCH", &path, "").expect("it responds");
        assert!((200..300).contains(&status), "{status}: {body}");
    }

    /// Resolves an awakeable.
    pub(crate) fn resolve(&self, awakeable: &str) {
        let path = format!("/restate/awakeables/{awakeable}/resolve");
        let (status, body) = request(self.ports[0], "POST", &path, "{}").expect("it responds");
        assert!((200..300).contains(&status), "{status}: {body}");
    }

    /// The files of its folder that contain `text`.
    pub(crate) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        fn search(folder: &Path, text: &[u8], found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    search(&entry, text, found);
                } else if fs::read(&entry)
                    .is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text))
                {
                    found.push(entry);
                }
            }
        }

        let mut found = Vec::new();
        search(self.folder.path(), text.as_bytes(), &mut found);
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// The status and the body of a response; `None` where there is none.
pub(crate) fn request(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: localhost\r\naccept: application/json\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
