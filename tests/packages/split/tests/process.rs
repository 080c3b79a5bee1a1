//! The extension as a process: its start, responses, logs, drain and end.
//!
//! That no secret is printed is checked at the end of every process; see `Process::end`.

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use extension_process::{Connection, Ended, NoResponse, PATIENCE, Program, Response, Running, get, signed};
use serde_json::{Value, json};

fn split() -> Program {
    Program::new(env!("CARGO_BIN_EXE_split")).directory(env!("CARGO_MANIFEST_DIR"))
}

/// The extension with another manifest, or with none.
fn with_manifest(manifest: Option<&str>, change: impl FnOnce(Program) -> Program) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    if let Some(manifest) = manifest {
        fs::write(directory.path().join("extension.yaml"), manifest).unwrap();
    }
    change(split().directory(directory.path())).run()
}

/// An empty payload with an id.
fn work(event: &str, id: &str) -> Vec<u8> {
    signed(event, "v1", &json!({ "id": id }))
}

/// A delivery that runs until the file at `until` exists.
fn held(until: &Path) -> Vec<u8> {
    signed("work.held", "v1", &json!({ "id": "held", "until": until }))
}

/// The id of a delivery whose handler began, from its log line.
fn began(line: &str) -> Option<String> {
    serde_json::from_str::<Value>(line).ok()?["began"].as_str().map(str::to_owned)
}

#[test]
fn the_handlers_of_all_modules_run() {
    #[track_caller]
    fn check(running: &Running, event: &str, version: &str, payload: &Value, expected: &Value) {
        let response = running.ask(&signed(event, version, payload));
        assert_eq!((response.status, &response.json()), (200, expected));
    }
    let running = split().start();
    let issue = json!({ "issue": { "title": "T" } });
    check(&running, "issue.created", "v1", &issue, &json!({ "greeting": "hello, T" }));
    check(&running, "issue.created", "1", &issue, &json!({ "greeting": "hello, T" }));
    check(&running, "issue.created", "v2", &issue, &json!({ "version": "v2" }));
    check(&running, "comment.created", "v1", &json!({ "id": 1 }), &json!({ "comments": 1 }));
    check(&running, "comment.created", "v1", &json!({ "id": 2 }), &json!({ "comments": 2 }));
    check(&running, "work.slow", "v1", &json!({}), &json!({ "ok": true }));
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn the_start_log_lists_every_handler_with_its_place() {
    let running = split().start();
    let listening = running.logged("listening");
    assert_eq!(listening["extension_id"], "com.example.split");
    assert_eq!(listening["extension_version"], "1.2.0");
    assert_eq!(listening["manifest"], "extension.yaml");
    let log = running.stop().log();
    let handlers: Vec<_> = log.iter().filter(|line| line["message"] == "handler").collect();
    let listed: Vec<_> = handlers
        .iter()
        .map(|line| [&line["event"], &line["version"], &line["handler"]].map(|field| field.as_str().unwrap()))
        .collect();
    let expected = [
        ["comment.created", "v1", "split::comments::on_comment_created"],
        ["issue.created", "v1", "split::issues::on_issue_created"],
        ["issue.created", "v2", "split::issues::on_issue_created_v2"],
        ["work.blocking", "v1", "split::work::blocking"],
        ["work.broken", "v1", "split::work::broken"],
        ["work.endless", "v1", "split::work::endless"],
        ["work.held", "v1", "split::work::held"],
        ["work.slow", "v1", "split::work::slow"],
    ];
    assert_eq!(listed, expected);
    for handler in handlers {
        let file = Path::new(handler["file"].as_str().unwrap()).file_name().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let line = usize::try_from(handler["line"].as_u64().unwrap()).unwrap();
        let source = fs::read_to_string(source).unwrap();
        let (event, version) = (handler["event"].as_str().unwrap(), handler["version"].as_str().unwrap());
        let attribute = format!("#[kiket::webhook(\"{event}\", version = \"{version}\"");
        let found = source.lines().nth(line - 1).unwrap();
        assert!(found.starts_with(&attribute), "{handler}: {found}");
    }
}

#[test]
fn the_start_log_names_the_variables_of_settings() {
    let log = split().env("KIKET_SETTING_GREETING", "hi").start().stop().log();
    let used: Vec<_> = log.iter().filter(|line| line["message"] == "setting").collect();
    let used: Vec<_> = used.iter().map(|line| (&line["setting"], &line["variable"])).collect();
    let names = ["GREETING", "KIKET_SETTING_GREETING", "API_KEY", "KIKET_SECRET_API_KEY"].map(Value::from);
    let [greeting, greeting_variable, key, key_variable] = &names;
    assert_eq!(used, [(greeting, greeting_variable), (key, key_variable)]);
}

#[test]
fn a_slip_in_the_manifest_is_pointed_out_in_the_log() {
    let ended = split().start().stop();
    assert_eq!(ended.code, Some(0), "stopped as soon as it listens");
    let log = ended.log();
    let warnings: Vec<_> = log
        .iter()
        .filter(|line| line["level"] == "WARN")
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let slip =
        warnings.iter().find(|text| text.starts_with("`comment.create` is declared and has no handler"));
    let slip = slip.unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(
        slip.contains("extension.yaml:8:5") && slip.contains("did you mean `comment.created`?"),
        "{slip}"
    );
}

#[test]
fn a_manifest_beside_the_first_is_named_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".kiket")).unwrap();
    fs::write(directory.path().join("manifest.yaml"), "id: com.example.near\nversion: 1.0.0\n").unwrap();
    let hidden = "extension: { id: com.example.hidden, hooks: [{ event: work.slow, timeout: 30000 }] }\n";
    fs::write(directory.path().join(".kiket/manifest.yaml"), hidden).unwrap();
    let log = split().directory(directory.path()).start().stop().log();
    let listening = log.iter().find(|line| line["message"] == "listening").unwrap();
    assert_eq!(listening["extension_id"], "com.example.near");
    let warnings: Vec<_> = log.iter().filter(|line| line["level"] == "WARN").collect();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let text = warning["message"].as_str().unwrap();
    let parts = ["`.kiket/manifest.yaml` is not read", "`manifest.yaml`", "`builder.manifest(path)`"];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn sigterm_and_sigint_end_it_with_success() {
    for signal in ["TERM", "INT"] {
        let running = split().start();
        // An idle connection does not hold it up.
        let mut idle = Connection::open(running.address()).unwrap();
        idle.send(&get("/health")).unwrap();
        assert_eq!(idle.response().unwrap().status, 200);
        running.signal(signal);
        let Ended { code, stderr, .. } = running.end();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{signal}");
        assert_eq!(idle.response(), Err(NoResponse::Ended));
    }
}

#[test]
fn a_panic_is_a_500_and_the_process_lives_on() {
    let running = split().start();
    for _ in 0..4 {
        let response = running.ask(&work("work.broken", "b"));
        assert_eq!((response.status, &response.json()["code"]), (500, &"handler_panicked".into()));
    }
    let line = running.logged("delivery failed");
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with("panicked: this handler is broken (") && error.contains("work.rs:"), "{error}");
    assert_eq!(running.ask(&work("comment.created", "c")).status, 200);
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn it_logs_nothing_when_logging_is_off() {
    // Nothing says the port, so it is chosen here, and asked until the process listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let process = split().env("RUST_LOG", "off").env("PORT", port.to_string()).spawn();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        thread::yield_now();
    }
    for (request, status) in
        [(work("comment.created", "c"), 200), (work("not.handled", "n"), 404), (get("/health"), 200)]
    {
        let mut connection = Connection::open(address).unwrap();
        connection.send(&request).unwrap();
        assert_eq!(connection.response().unwrap().status, status);
    }
    process.signal("TERM");
    let Ended { code, stdout, stderr } = process.end();
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn everything_is_logged_at_trace_but_secrets() {
    let running = split().env("RUST_LOG", "trace").start();
    assert_eq!(running.ask(&signed("issue.created", "v1", &json!({}))).status, 500);
    assert_eq!(running.ask(&work("comment.created", "c")).status, 200);
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn a_terminal_gets_a_table() {
    let script = "/usr/bin/script";
    if !Path::new(script).exists() {
        eprintln!("SKIPPED: `script` is not installed, and nothing else here makes a terminal");
        return;
    }
    let mut process = Program::new(script)
        .arg("-qec")
        .arg(concat!("exec ", env!("CARGO_BIN_EXE_split")))
        .arg("/dev/null")
        .env("SHELL", "/bin/sh")
        .directory(env!("CARGO_MANIFEST_DIR"))
        .spawn();
    let warned = process.stdout().find(|line| line.contains("`comment.create` is declared").then_some(()));
    assert!(warned.is_some(), "{}", process.stdout().text());
    process.type_in("\u{3}"); // Ctrl-C
    let Ended { code, stdout, .. } = process.end();
    assert_eq!(code, Some(0), "{stdout}");
    for part in [
        "listens on http://127.0.0.1:",
        "com.example.split 1.2.0",
        "extension.yaml",
        "issue.created    v2       split::issues::on_issue_created_v2",
        "src/issues.rs:",
        "did you mean `comment.created`?",
    ] {
        assert!(stdout.contains(part), "{part} is not in\n{stdout}");
    }
    assert!(!stdout.contains("\"message\""), "{stdout}");
}

#[test]
fn running_deliveries_get_responses_while_new_ones_are_shed() {
    let directory = tempfile::tempdir().unwrap();
    let until = directory.path().join("go_on");
    let running = split().start();
    let mut first = running.send(&held(&until));
    running.logged("work began");
    // Half of a delivery has arrived.
    let late = work("comment.created", "late");
    let (early, rest) = late.split_at(late.len() - 5);
    let mut half = running.send(early);
    assert_eq!(running.ask(&get("/health/ready")).status, 200);

    running.signal("TERM");
    running.wait_until_draining();
    assert!(first.is_silent());
    assert_eq!(running.ask(&get("/health")).status, 200);
    half.send(rest).unwrap();
    let large = signed("comment.created", "v1", &json!({ "text": "x".repeat(900_000) }));
    for response in
        [running.ask(&work("comment.created", "new")), half.response().unwrap(), running.ask(&large)]
    {
        assert_eq!((response.status, &response.json()["code"]), (503, &"draining".into()), "{response:?}");
        assert!(response.closes() && response.header("retry-after").is_some(), "{response:?}");
    }
    assert!(first.is_silent());
    fs::write(&until, "").unwrap();
    assert_eq!(first.response().map(|response| response.status), Ok(200));
    assert_eq!(running.end().code, Some(0));
}

/// How many connections send deliveries at once: half of them use a connection again and again, half a new one
/// for each.
const SENDERS: usize = 24;
/// How many deliveries a sender sends at most.
const DELIVERIES: usize = 2_000;

/// What became of a delivery that was written to its end.
struct Sent {
    id: String,
    /// Whether it was the first on its connection.
    fresh: bool,
    outcome: Result<Response, NoResponse>,
}

/// Every delivery that was written to its end gets a response, or its connection ended before the server read a byte
/// of it. The two ends look alike from afar, and differ like this:
///
/// - A kernel that closes a connection with unread bytes resets it ([`NoResponse::Reset`]): nothing was
///   read, and a delivery of a kilobyte is read at once or not at all.
/// - It ends a connection in order ([`NoResponse::Ended`]) when everything was read. On a fresh connection that is a
///   delivery that was taken and dropped, a failure. On one that was used before, the end may have been sent before
///   the delivery was, which no test can see; so it is enough that its handler never began.
///
/// Whichever way: a handler that began gets 200.
#[test]
fn no_delivery_is_lost_when_it_is_stopped_under_load() {
    let sent = Mutex::new(Vec::<Sent>::new());
    let running = thread::scope(|scope| {
        let running = split().start(); // in here, so that a failure ends it before the senders are waited for
        for sender in 0..SENDERS {
            let (sent, address) = (&sent, running.address());
            scope.spawn(move || send_until_it_is_gone(sender, address, sent));
        }
        let some = running.log().find_nth(3 * SENDERS, began);
        assert!(some.is_some(), "{}", running.log().text());
        running.signal("TERM");
        running
    });
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let began: BTreeSet<String> = ended.stdout.lines().filter_map(began).collect();
    let mut counts = [0; 4];
    for Sent { id, fresh, outcome } in sent.into_inner().unwrap() {
        let began = began.contains(&id);
        let kind = match &outcome {
            Ok(response) if response.status == 200 && began => 0,
            Ok(response) if response.status == 503 && !began => 1,
            Err(NoResponse::Reset) if !began => 2,
            Err(NoResponse::Ended) if !began && !fresh => 3,
            _ => panic!("{id}, fresh: {fresh}, began: {began}: {outcome:?}"),
        };
        counts[kind] += 1;
    }
    let [answered, turned_away, reset, closed] = counts;
    println!("{answered} answered, {turned_away} turned away, {reset} reset, {closed} closed before");
    assert_eq!(answered, began.len());
    assert!(answered >= 3 * SENDERS && turned_away > 0);
}

fn send_until_it_is_gone(sender: usize, address: SocketAddr, sent: &Mutex<Vec<Sent>>) {
    let keeps = sender.is_multiple_of(2);
    let mut kept = None::<Connection>;
    for number in 0..DELIVERIES {
        let id = format!("{sender}-{number}");
        let request = work("work.slow", &id);
        let (mut connection, fresh) = match kept.take() {
            Some(connection) => (connection, false),
            None => match Connection::open(address) {
                Ok(connection) => (connection, true),
                Err(_) => return,
            },
        };
        if connection.send(&request).is_err() {
            continue; // not written to its end
        }
        let outcome = connection.response();
        if keeps && outcome.as_ref().is_ok_and(|response| !response.closes()) {
            kept = Some(connection);
        }
        sent.lock().unwrap().push(Sent { id, fresh, outcome });
    }
}

#[test]
fn what_outlives_the_grace_period_is_cut_off() {
    #[track_caller]
    fn check(event: &str) {
        let running = split().env("SPLIT_GRACE_MS", "300").start();
        let mut endless = running.send(&work(event, "e"));
        running.logged("work began");
        let ended = running.stop();
        assert!(matches!(endless.response(), Err(NoResponse::Ended | NoResponse::Reset)));
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        assert!(ended.stderr.contains("the grace period of 300ms is over"), "{}", ended.stderr);
    }
    check("work.endless");
    check("work.blocking");
}

#[test]
fn a_second_signal_ends_the_grace_period_after_two_seconds() {
    let running = split().start();
    let _endless = running.send(&work("work.endless", "e"));
    running.logged("work began");
    running.signal("INT");
    running.wait_until_draining();
    let first = Instant::now(); // or earlier: a busy machine passes signals on late
    running.signal("INT");
    thread::sleep(Duration::from_secs(2).saturating_sub(first.elapsed())); // the clock is that of the process
    assert_eq!(running.ask(&get("/health")).status, 200, "the second one came too early to count");
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("a second signal, SIGTERM, ended the grace period"), "{}", ended.stderr);
    assert!(ended.stderr.contains("cut off: 1"), "{}", ended.stderr);
}

/// The program ends with failure and says all of `parts`.
#[track_caller]
fn check_refusal(ended: &Ended, parts: &[&str]) {
    let Ended { code, stdout, stderr } = ended;
    assert_eq!((*code, stdout.as_str()), (Some(1), ""), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part} is not in\n{stderr}");
    }
}

#[test]
fn an_address_in_use_is_reported_with_the_variable_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = split().env("PORT", &port).run();
    check_refusal(&ended, &[&format!("cannot listen on 127.0.0.1:{port}"), "set `PORT` to another one"]);
}

#[test]
fn without_a_secret_it_does_not_start() {
    let no_secret = |program: Program| program.without_env("KIKET_WEBHOOK_SECRET");
    let parts = ["there is no webhook secret", "set `KIKET_WEBHOOK_SECRET`"];
    check_refusal(&with_manifest(None, no_secret), &parts);
    check_refusal(
        &no_secret(split()).run(),
        &["extension.yaml:4:18", "`KIKET_WEBHOOK_SECRET`, which is not set"],
    );
}

#[test]
fn a_broken_manifest_is_shown_where_it_is_broken() {
    #[track_caller]
    fn check(manifest: &str, parts: &[&str]) {
        check_refusal(&with_manifest(Some(manifest), |program| program), parts);
    }
    check(
        "id: com.example.split\nhooks: [issue created]\n",
        &[
            "--> extension.yaml:2:9",
            " 2 | hooks: [issue created]",
            "an event is named like `issue.created`, found `issue created`",
        ],
    );
    check("id: com.example.split\nhooks: [\n", &["--> extension.yaml:2:8", " 2 | hooks: ["]);
    // Secrets stand near mistakes; `Process::end` sees to it that they are not shown.
    check("id: [canary\ndelivery_secret: canary\n", &["extension.yaml:"]);
    check("delivery_secret: [canary]\n", &["extension.yaml:1"]);
    check("delivery_secret: 'canary\nid: x\n", &["extension.yaml:"]);
    check("id: 1\n\tdelivery_secret: canary\n", &["extension.yaml:1"]);
    check("settings: [{ key: TOKEN, secret: true, default: [canary] }]\n", &["extension.yaml:1"]);
}

#[test]
fn several_problems_are_reported_at_once() {
    let manifest = "id: [1]\nhooks: [issue created]\n";
    let ended =
        with_manifest(Some(manifest), |program| program.env("PORT", "http").env("KIKET_WEBHOOK_SECRET", " "));
    check_refusal(
        &ended,
        &[
            "for 4 reasons",
            "extension.yaml:1:1",
            "extension.yaml:2:9",
            "`PORT` is not a port",
            "the webhook secret is blank",
        ],
    );
}

#[test]
fn a_setup_that_fails_says_why() {
    check_refusal(&split().env("SPLIT_GRACE_MS", "soon").run(), &["invalid digit found in string"]);
}

#[test]
fn a_library_that_is_not_named_is_reported_as_not_linked() {
    let unlinked = Program::new(env!("CARGO_BIN_EXE_unlinked")).directory(env!("CARGO_MANIFEST_DIR"));
    let unlinked = unlinked.without_env("KIKET_WEBHOOK_SECRET");
    check_refusal(
        &unlinked.run(),
        &[
            "for 2 reasons",
            "there are no handlers",
            "`kiket::main!(crates = [my_library])`",
            "set `KIKET_WEBHOOK_SECRET`",
        ],
    );
}
