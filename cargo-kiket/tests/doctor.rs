//! `doctor` as a process: each finding, on machines and with stores that a test makes.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    process::{Command, Output},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use stores::{Pooler, Postgres, Redis};

/// A machine with these variables and no others of kiket; a good one but for them.
struct Machine {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { folder: tempfile::tempdir().unwrap(), variables }
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
        tool.arg("doctor").args(arguments).current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KIKET_") {
                tool.env_remove(name);
            }
        }
        tool.envs([
            ("NO_COLOR", "1"),
            ("PORT", "0"),
            ("KIKET_BASE_URL", "http://127.0.0.1:9"),
            ("KIKET_WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef"),
        ]);
        let output = tool.envs(self.variables.iter().map(|(name, value)| (name, value))).output().unwrap();
        let printed = String::from_utf8([&*output.stdout, &output.stderr].concat()).unwrap();
        assert!(!printed.contains("canary") && !printed.contains("0123456789abcdef"), "{printed}");
        output
    }

    /// The results and texts of the findings named `id`; the status of the process is that of all findings.
    fn findings(&self, arguments: &[&str], id: &str) -> Vec<(String, String)> {
        let output = self.doctor(&[arguments, &["--json"]].concat());
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let all = report["findings"].as_array().unwrap();
        let to_fix = all.iter().any(|finding| finding["result"] == "fix");
        assert_eq!(output.status.code(), Some(i32::from(to_fix)), "{report}");
        for finding in all {
            assert_eq!(finding["fix"].is_null(), finding["result"] == "ok", "{finding}");
        }
        let of_id = all.iter().filter(|finding| finding["id"] == id);
        of_id
            .map(|finding| {
                (
                    finding["result"].as_str().unwrap().to_owned(),
                    format!("{}; {}", finding["found"], finding["fix"]),
                )
            })
            .collect()
    }

    /// The only finding named `id` has this result, and this in its text.
    #[track_caller]
    fn check(&self, arguments: &[&str], id: &str, result: &str, text: &str) {
        let findings = self.findings(arguments, id);
        assert_eq!(findings.len(), 1, "{id}: {findings:?}");
        assert!(findings[0].0 == result && findings[0].1.contains(text), "{id}: {findings:?}");
    }
}

#[test]
fn a_good_machine_has_nothing_to_fix() {
    let machine = Machine::new(&[]);
    machine.check(&[], "configuration", "ok", "have the form");
    machine.check(&[], "port", "ok", "is free");
    machine.check(&[], "dedupe", "ok", "memory of the process");
    machine.check(&[], "clock", "unknown", "no server was asked");
    machine.check(&[], "handlers", "unknown", "there is no `Cargo.toml` here");
    assert_eq!(machine.findings(&["--no-build"], "handlers"), []);
    let text = String::from_utf8(machine.doctor(&[]).stdout).unwrap();
    assert!(text.contains("ok    port          `127.0.0.1:0` is free\n"), "{text}");
    assert!(
        text.contains(
            "?     clock         not compared: no server was asked\n        to fix      add `--online`"
        ),
        "{text}"
    );
}

/// A program in place of cargo says where the program is: the example `crm`, which is built with the tests, or a script.
#[cfg(unix)]
#[test]
fn handlers_that_the_program_lacks_are_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut machine = Machine::new(&[]);
    let folder = machine.folder.path().to_owned();
    let cargo = folder.join("cargo");
    machine.variables.push(("CARGO", cargo.display().to_string()));
    let script = |path: &std::path::Path, prints: &str| {
        std::fs::write(path, format!("#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    std::fs::write(folder.join("Cargo.toml"), "").unwrap();
    script(&cargo, "");
    machine.check(&[], "handlers", "unknown", "there is no program here");

    let built = |executable: &std::path::Path| {
        serde_json::json!({ "manifest_path": folder.join("Cargo.toml"), "executable": executable })
            .to_string()
    };
    script(
        &cargo,
        &built(&std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/crm")),
    );
    let manifest = |hooks: &str| {
        let text =
            format!("id: com.example.crm\nhooks: [{hooks}]\nsettings: [{{key: CRM_TOKEN, secret: true}}]\n");
        std::fs::write(folder.join("extension.yaml"), text).unwrap();
    };
    manifest("issue.created, issue.closed, crm.sync");
    machine.check(&[], "handlers", "ok", "has all its handlers");
    manifest("issue.created, issue.closed, crm.sink");
    machine.check(&[], "handlers", "fix", "see `cargo kiket check`");

    let program = folder.join("program");
    script(&cargo, &built(&program));
    let lost = kiket_runtime::error::ProblemId::LostHandlers;
    script(
        &program,
        &format!(
            r#"{{"problems":[{{"id":"{lost}","severity":"error","what":"`a` is lost","help":"use it"}}]}}"#
        ),
    );
    machine.check(&[], "handlers", "fix", "`a` is lost");
    script(&program, "hello");
    machine.check(&[], "handlers", "unknown", "does not answer `kiket check --json`");
}

#[test]
fn every_variable_is_judged_as_the_start_judges_it() {
    for (name, value, result, text) in [
        ("KIKET_WEBHOOK_SECRET", "canary-0123456789 ", "fix", "white space at an end"),
        ("KIKET_WEBHOOK_SECRET", "", "fix", "there is no webhook secret"),
        ("KIKET_WEBHOOK_SECRET", "${canary}", "fix", "is a reference"),
        ("KIKET_WEBHOOK_SECRET", "canary", "warn", "fewer than 16 bytes"),
        ("KIKET_WEBHOOK_SECRET_PREVIOUS", "<canary>", "fix", "is a placeholder"),
        ("KIKET_WORKSPACE_TOKEN", "canary\t", "fix", "white space at an end"),
        ("KIKET_WORKSPACE_TOKEN", "Bearer canary", "warn", "begins with `Bearer `"),
        ("KIKET_EXTENSION_API_KEY", "\"canary-canary\"", "warn", "has quotes around it"),
        ("KIKET_EXTENSION_API_KEY", "canäry-canary", "fix", "a header cannot carry"),
        ("KIKET_DEDUPE_URL", " redis://:canary@host", "fix", "white space at an end"),
        ("KIKET_BASE_URL", "kiket.dev", "fix", "`KIKET_BASE_URL` is not an address"),
        ("KIKET_BASE_URL", "https://x.example/?key=canary", "fix", "`KIKET_BASE_URL` is not an address"),
        ("KIKET_SDK_TELEMETRY_URL", "https://x.example/?key=canary", "fix", "`KIKET_SDK_TELEMETRY_URL`"),
        ("KIKET_WORKSPACE_TOKEN_FILE", "canary", "fix", "`KIKET_WORKSPACE_TOKEN_FILE`"),
        ("PORT", "99999", "fix", "`PORT` is not a port"),
    ] {
        let findings = Machine::new(&[(name, value)]).findings(&[], "configuration");
        assert_eq!(findings.len(), 1, "{name}: {findings:?}");
        assert!(findings[0].0 == result && findings[0].1.contains(text), "{name}: {findings:?}");
    }
    // The block of the docs.
    let output = Machine::new(&[("KIKET_WEBHOOK_SECRET", "canary-0123456789 ")]).doctor(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().take(2).collect();
    let block = format!("```text\n{}\n```\n", lines.join("\n"));
    assert!(
        include_str!("../../docs/developer-tool.md").contains(&block),
        "docs/developer-tool.md lacks:\n{block}"
    );
}

#[test]
fn the_manifest_and_what_it_names_count() {
    let machine = Machine::new(&[("KIKET_WEBHOOK_SECRET", "")]);
    let manifest = machine.folder.path().join("extension.yaml");
    std::fs::write(&manifest, "id: com.example.m\ndelivery_secret: env:OF_MANIFEST\n").unwrap();
    machine.check(&[], "configuration", "fix", "from `OF_MANIFEST`, which is not set");
    std::fs::write(&manifest, "id: [\n").unwrap();
    let findings = machine.findings(&[], "manifest");
    assert!(
        findings.iter().all(|(result, text)| result == "fix" && text.contains("extension.yaml:")),
        "{findings:?}"
    );
    assert!(!findings.is_empty());
}

/// A server whose clock is ahead by this, for one connection each; it sends on when it is asked.
fn server(ahead: i64) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let date = UNIX_EPOCH + Duration::from_secs(now.saturating_add_signed(ahead));
            let date = httpdate::fmt_http_date(date);
            let _ = write!(
                stream,
                "HTTP/1.1 404 X\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = send.send(());
        }
    });
    (address, receive)
}

#[test]
fn the_clock_is_compared_only_when_it_is_asked_for() {
    let (address, asked) = server(3600);
    let url = format!("http://{address}");
    let machine = Machine::new(&[("KIKET_BASE_URL", &url)]);
    machine.check(&[], "clock", "unknown", "no server was asked");
    assert!(asked.try_recv().is_err(), "nothing is asked offline");
    machine.check(&["--online"], "clock", "fix", "s behind that of `127.0.0.1`: every signature is refused");
    assert!(asked.try_recv().is_ok());
    let (address, _) = server(0);
    machine.check(&["--clock-url", &format!("http://{address}")], "clock", "ok", "the clock is ");
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    machine.check(&["--clock-url", &format!("http://{nothing}")], "clock", "warn", "there is no connection");
}

/// Makes a certificate authority in `ca.pem`, and a certificate of `127.0.0.1` in `leaf.pem` with its key in `leaf.key`.
fn certificates(folder: &std::path::Path) {
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for arguments in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf",
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem -days 2 -extfile ext",
    ] {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_server_over_tls_is_asked_if_it_is_trusted() {
    use rustls::{
        ServerConfig, ServerConnection, StreamOwned,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    };

    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = vec![CertificateDer::from_pem_file(folder.path().join("leaf.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.path().join("leaf.key")).unwrap();
    let config = std::sync::Arc::new(
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust it goes away.
            if stream.read(&mut [0; 4096]).is_ok() {
                let date = httpdate::fmt_http_date(SystemTime::now());
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 X\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    let file = folder.path().join("ca.pem").display().to_string();
    Machine::new(&[("SSL_CERT_FILE", &file)]).check(&["--clock-url", &url], "clock", "ok", "the clock is ");
    Machine::new(&[]).check(&["--clock-url", &url], "clock", "warn", "not compared with `127.0.0.1`");
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for (stream, body) in
            listener.incoming().zip(["no json", r#"{"registered_events":[],"extension_id":"com.example.m"}"#])
        {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let machine = Machine::new(&[("PORT", &port)]);
    machine.check(&[], "port", "fix", "another program listens on");
    machine.check(&[], "port", "ok", "the extension `com.example.m` runs at");
    Machine::new(&[("HOST", "192.0.2.1")]).check(&[], "port", "fix", "cannot be listened on");
}

/// Where `localhost` has two addresses, the other one is free.
#[test]
fn a_port_that_is_in_use_at_one_address_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || listener.incoming().for_each(drop));
    let machine = Machine::new(&[("HOST", "localhost"), ("PORT", &port)]);
    machine.check(&[], "port", "fix", "another program listens on");
}

#[test]
fn the_clock_waits_for_a_configuration_that_is_right() {
    let machine = Machine::new(&[("KIKET_BASE_URL", "kiket.dev")]);
    machine.check(&["--online"], "clock", "unknown", "fix the configuration first");
    machine.check(&[], "clock", "unknown", "add `--online`");
}

#[test]
fn a_machine_without_certificates_is_named() {
    let nothing = [("SSL_CERT_FILE", "/absent"), ("SSL_CERT_DIR", "/absent")];
    Machine::new(&nothing).check(&[], "certificates", "warn", "the base URL needs none");
    let secure = [nothing[0], nothing[1], ("KIKET_BASE_URL", "https://kiket.dev")];
    Machine::new(&secure).check(&[], "certificates", "fix", "no call over TLS succeeds");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let machine = Machine::new(&[]);
    let absent = machine.folder.path().join("absent");
    machine.check(&["--folder", absent.to_str().unwrap()], "folder", "fix", "cannot be written to");
    machine.doctor(&[]);
    assert_eq!(std::fs::read_dir(machine.folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_store_that_cannot_be_used_is_named() {
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, text) in [
        (format!("redis://:canary@{nothing}"), "KIKET_DEDUPE_URL"),
        (format!("postgres://u:canary@{nothing}/db"), "PostgreSQL cannot be reached"),
        ("mysql://u:canary@host/db".to_owned(), "is not one of a store that there is"),
        ("postgres://u:canary@host:canary/db".to_owned(), "cannot be read"),
    ] {
        Machine::new(&[("KIKET_DEDUPE_URL", &url)]).check(&[], "dedupe", "fix", text);
    }
    Machine::new(&[("KIKET_DEDUPE_URL", "memory:")]).check(&[], "dedupe", "ok", "can be reached");
}

/// A key of an inbox: 32 bytes in base64, which no finding shows.
const KEY: &str = "canarycanarycanarycanarycanarycanarycanaryQ=";

#[test]
fn an_inbox_needs_a_key_that_is_one() {
    let machine = Machine::new(&[]);
    machine.check(&[], "inbox", "ok", "not configured");
    let memory = ("KIKET_INBOX_URL", "sqlite::memory:");
    for (variables, result, text) in [
        (vec![memory], "warn", "it has no key"),
        (vec![memory, ("KIKET_INBOX_KEY", "canary")], "fix", "32 bytes in base64"),
        (
            vec![memory, ("KIKET_INBOX_KEY", KEY), ("KIKET_INBOX_KEY_PREVIOUS", "canary")],
            "fix",
            "32 bytes in base64",
        ),
        (vec![memory, ("KIKET_INBOX_KEY_FILE", "canary")], "fix", "`KIKET_INBOX_KEY_FILE` names"),
        (vec![memory, ("KIKET_INBOX_KEY", KEY), ("KIKET_INBOX_KEY_FILE", "absent")], "fix", "are both set"),
        (vec![memory, ("KIKET_INBOX_KEY", KEY)], "warn", "in memory"),
        (
            vec![("KIKET_INBOX_URL", "mysql://u:canary@host/db"), ("KIKET_INBOX_KEY", KEY)],
            "fix",
            "not one of an inbox",
        ),
        (
            vec![("KIKET_INBOX_URL_FILE", "canary"), ("KIKET_INBOX_KEY", KEY)],
            "fix",
            "`KIKET_INBOX_URL_FILE` names",
        ),
    ] {
        let findings = Machine::new(&variables).findings(&[], "inbox");
        let is_found = |(found, of): &(String, String)| found == result && of.contains(text);
        assert!(findings.iter().any(is_found), "{text}: {findings:?}");
    }
}

#[test]
fn a_file_of_an_inbox_is_one_that_lasts() {
    let mut machine = Machine::new(&[("KIKET_INBOX_KEY", KEY), ("KIKET_INBOX_EPHEMERAL", "1")]);
    let found = |machine: &Machine, result: &str, text: &str| {
        let findings = machine.findings(&[], "inbox");
        let is_found = findings.iter().any(|finding| finding.0 == result && finding.1.contains(text));
        assert!(is_found, "{text}: {findings:?}");
    };
    // That of the default, which looking does not make.
    found(&machine, "ok", "`kiket-inbox.db` can be made");
    assert_eq!(std::fs::read_dir(machine.folder.path()).unwrap().count(), 0);
    std::fs::write(machine.folder.path().join("kiket-inbox.db"), "").unwrap();
    found(&machine, "ok", "the inbox can be reached, and written to");
    std::fs::write(machine.folder.path().join("other.db"), "no database".repeat(100)).unwrap();
    machine.variables.push(("KIKET_INBOX_URL", "sqlite:other.db".to_owned()));
    found(&machine, "fix", "is no inbox");
    machine.variables.push(("KIKET_INBOX_URL", "sqlite:absent/inbox.db".to_owned()));
    found(&machine, "fix", "`absent/inbox.db` cannot be made");

    #[cfg(target_os = "linux")]
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        machine.variables.push(("KIKET_INBOX_URL", format!("sqlite:{}/inbox.db", memory.path().display())));
        found(&machine, "warn", "is in memory");
        machine.variables.push(("KIKET_INBOX_EPHEMERAL", "0".to_owned()));
        machine.check(&[], "inbox", "fix", "KIKET_INBOX_EPHEMERAL=1");
    }
}

#[test]
fn the_postgres_of_an_inbox_is_judged() {
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://u:canary@{nothing}/db");
    let machine = Machine::new(&[("KIKET_INBOX_KEY", KEY), ("KIKET_INBOX_URL", &url)]);
    machine.check(&[], "inbox", "fix", "PostgreSQL cannot be reached");

    let Some(postgres) = Postgres::start_own() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(postgres.execute("ALTER ROLE kiket SET synchronous_commit = off"));
    let mut machine = Machine::new(&[("KIKET_INBOX_KEY", KEY), ("KIKET_INBOX_URL", postgres.url())]);
    let findings = machine.findings(&[], "inbox");
    for (result, text) in [("ok", "the inbox can be reached"), ("warn", "`synchronous_commit` is off")] {
        assert!(
            findings.iter().any(|finding| finding.0 == result && finding.1.contains(text)),
            "{findings:?}"
        );
    }
    // One database for both: its settings are judged once.
    machine.variables.push(("KIKET_DEDUPE_URL", postgres.url().to_owned()));
    machine.check(&[], "inbox", "ok", "the inbox can be reached, and written to");
    assert!(
        machine.findings(&[], "postgres").iter().any(|finding| finding.1.contains("`synchronous_commit`"))
    );
}

#[test]
fn a_redis_is_written_to() {
    let Some(redis) = Redis::start() else { return };
    Machine::new(&[("KIKET_DEDUPE_URL", redis.url())]).check(
        &[],
        "dedupe",
        "ok",
        "can be reached, and written to",
    );
}

#[test]
fn the_settings_of_a_postgres_are_judged() {
    let Some(postgres) = Postgres::start_own() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let machine = Machine::new(&[("KIKET_DEDUPE_URL", postgres.url())]);
    machine.check(&[], "dedupe", "ok", "can be reached, and written to");
    // That of the tests does not wait for the disk.
    machine.check(&[], "postgres", "warn", "`fsync` is off");
    if let Some(pooler) = Pooler::start(&postgres) {
        let machine = Machine::new(&[("KIKET_DEDUPE_URL", pooler.url())]);
        machine.check(&[], "dedupe", "ok", "can be reached, and written to");
        let findings = machine.findings(&[], "postgres");
        assert!(
            findings.iter().any(|(result, text)| result == "ok" && text.contains("pooler")),
            "{findings:?}"
        );
    }
    let set = "ALTER ROLE kiket SET synchronous_commit = off; ALTER ROLE kiket SET default_transaction_read_only = on";
    runtime.block_on(postgres.execute(set));
    machine.check(&[], "dedupe", "fix", "PostgreSQL is read-only");
    let findings = machine.findings(&[], "postgres");
    for (result, text) in [("fix", "default_transaction_read_only"), ("warn", "`synchronous_commit` is off")]
    {
        assert!(
            findings.iter().any(|finding| finding.0 == result && finding.1.contains(text)),
            "{findings:?}"
        );
    }
}
