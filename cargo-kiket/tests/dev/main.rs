//! `dev` as a process: builds, handing over, failures, recordings, keys, signals.
#![cfg(unix)]

mod real;
mod running;
mod terminal;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::running::{Connection, Project, body, request};

/// The promise.
#[test]
fn deliveries_across_rebuilds_are_all_answered() {
    const SENDERS: usize = 4;
    const DELIVERIES: usize = 200;
    let dev = Arc::new(Project::new().serve(&[]));
    let (done, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (dev, done, sent) = (Arc::clone(&dev), Arc::clone(&done), Arc::clone(&sent));
            thread::spawn(move || {
                let (mut builds, mut kept) = (BTreeSet::new(), Connection::open(dev.address).unwrap());
                let mut number = 0;
                while !done.load(Ordering::Relaxed) || sent.load(Ordering::Relaxed) < DELIVERIES {
                    number += 1;
                    let id = format!("evt_{sender}_{number}");
                    // Some run while the process is replaced; some come over a connection that stays.
                    let body = json!({ "id": id, "wait": if number % 7 == 0 { 60 } else { 0 } });
                    let request = dev.signed("issue.created", &body, &[]);
                    let responded = if sender % 2 == 0 { kept.ask(&request) } else { dev.send(&request) };
                    let (status, text) = responded.unwrap_or_else(|error| panic!("{id}: {error}"));
                    let reply: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!((status, &reply["id"]), (200, &json!(id)), "{text}");
                    builds.insert(reply["build"].as_str().unwrap().to_owned());
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                builds
            })
        })
        .collect();
    for build in 2..=6 {
        dev.project.write("src/main.rs", &build.to_string());
        dev.said("ready", |line| line["process"] == build);
        // Each build has some of them.
        let before = sent.load(Ordering::Relaxed);
        while sent.load(Ordering::Relaxed) < before + 20
            && !senders.iter().any(thread::JoinHandle::is_finished)
        {
            thread::sleep(Duration::from_millis(2));
        }
    }
    done.store(true, Ordering::Relaxed);
    let builds: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let builds: BTreeSet<_> = builds.into_iter().flatten().collect();
    assert_eq!(builds, ["1", "2", "3", "4", "5", "6"].map(str::to_owned).into());
    assert!(sent.load(Ordering::Relaxed) >= DELIVERIES);
}

#[test]
fn a_build_that_fails_leaves_the_process_before() {
    let dev = Project::new().serve(&[]);
    dev.project.write("src/main.rs", "BROKEN");
    let failed = dev.said("built", |line| line["ok"] == false);
    assert!(
        failed["output"].as_str().unwrap().contains("error[E0425]: cannot find value `BROKEN`"),
        "{failed}"
    );
    assert_eq!(dev.deliver("issue.created", &body("a")), (200, json!({ "build": "1", "id": "a" })));
    dev.project.write("src/main.rs", "2");
    dev.said("ready", |line| line["process"] == 2);
    assert_eq!(dev.deliver("issue.created", &body("b")).1["build"], "2");
    // One that does not start is no better.
    dev.project.write("src/main.rs", "REFUSES");
    dev.said("crashed", |line| line["process"] == 3 && line["again_in_ms"].is_null());
    assert_eq!(dev.deliver("issue.created", &body("c")).1["build"], "2");
}

#[test]
fn a_first_build_that_fails_waits_for_a_change() {
    let project = Project::new();
    project.write("src/main.rs", "BROKEN");
    let dev = project.run(&[]);
    dev.said("note", |line| line["text"] == "waits for a change");
    let (status, refused) = dev.deliver("issue.created", &body("a"));
    assert_eq!((status, &refused["error"]), (503, &json!("cargo kiket dev: the extension does not build")));
    dev.project.write("src/main.rs", "2");
    dev.said("ready", |_| true);
    assert_eq!(dev.deliver("issue.created", &body("a")).0, 200);

    let project = Project::new();
    project.write("src/main.rs", "BROKEN");
    assert_eq!(project.run(&["--no-watch"]).end().code(), Some(70));
}

#[test]
fn a_crash_is_said_and_the_program_started_again() {
    let dev = Project::new().serve(&[]);
    let (status, refused) = dev.deliver("own.crash", &body("a"));
    assert_eq!(status, 502, "{refused}");
    let crashed = dev.said("crashed", |_| true);
    assert_eq!((&crashed["status"], &crashed["again_in_ms"]), (&json!("status 3"), &json!(500)));
    // It waits for the new process.
    assert_eq!(dev.deliver("issue.created", &body("b")).0, 200);
    dev.deliver("own.crash", &body("c"));
    dev.said("crashed", |line| line["again_in_ms"] == 1000);
}

#[test]
fn requests_before_the_first_start_wait() {
    let project = Project::new();
    project.write("hold", "");
    let dev = project.run(&[]);
    let mut early = Connection::open(dev.address).unwrap();
    let request = dev.signed("issue.created", &body("early"), &[]);
    let waiting = thread::spawn(move || early.ask(&request));
    dev.said("building", |_| true);
    fs::remove_file(dev.project.path("hold")).unwrap();
    let (status, reply) = waiting.join().unwrap().unwrap();
    assert_eq!(status, 200, "{reply}");
}

#[test]
fn what_is_written_beside_the_sources_builds_nothing() {
    let dev = Project::new().serve(&["--record", "recorded"]);
    for file in
        ["target/debug/x.rs", "captures/a.json", "inbox.db", "inbox.db-wal", ".git/HEAD.toml", "notes.txt"]
    {
        dev.project.write(file, "written");
    }
    dev.deliver("issue.created", &body("a"));
    dev.said("recorded", |_| true);
    dev.project.write("src/main.rs", "2");
    dev.said("ready", |line| line["process"] == 2);
    let changes: Vec<_> = dev.lines.all().into_iter().filter(|line| line["type"] == "changed").collect();
    assert_eq!(changes, [json!({ "type": "changed", "files": ["src/main.rs"] })]);
    assert_eq!(dev.count("building"), 2);
    // The program is the same, so that there is nothing to hand over; the manifest is read at the start.
    dev.project.write("src/other.rs", "");
    dev.said("note", |line| line["text"] == "the program is the same as before");
    dev.project.write(
        "extension.yaml",
        "id: com.example.developed\nversion: 2.0.0\nhooks: [issue.created, own.crash, own.secret]\n",
    );
    dev.said("ready", |line| line["process"] == 3);
}

#[test]
fn without_watching_a_change_builds_nothing() {
    let dev = Project::new().serve(&["--no-watch"]);
    dev.project.write("src/main.rs", "2");
    for id in ["a", "b"] {
        assert_eq!(dev.deliver("issue.created", &body(id)).1["build"], "1");
    }
    assert_eq!((dev.count("changed"), dev.count("building")), (0, 1));
}

#[test]
fn deliveries_from_outside_are_marked_and_verified() {
    let dev = Project::new().serve(&["--record", "recorded"]);
    let outside = ["Host: abc.tunnel.example", "X-Forwarded-For: 203.0.113.7"];
    let good = dev.signed("issue.created", &body("good"), &outside);
    assert_eq!(dev.send(&good).unwrap().0, 200);
    let forged = request("x", "another_secret_of_the_test", "issue.created", &body("forged"), &outside[..1]);
    assert_eq!(dev.send(&forged).unwrap().0, 401);
    assert_eq!(dev.deliver("issue.created", &body("here")).0, 200);
    for (id, status, outside) in [("good", 200, true), ("forged", 401, true), ("here", 200, false)] {
        let line = dev.said("delivery", |line| line["id"] == id);
        assert_eq!((&line["status"], &line["outside"]), (&json!(status), &json!(outside)), "{line}");
        assert_eq!(line["event"], "issue.created");
    }
    // What anyone can send is no file.
    dev.said("recorded", |line| line["file"] == "recorded/issue.created-here.json");
    let mut files: Vec<_> =
        fs::read_dir(dev.project.path("recorded")).unwrap().map(|it| it.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["issue.created-good.json", "issue.created-here.json"]);
}

#[test]
fn nothing_that_is_printed_or_recorded_has_a_secret() {
    let mut project = Project::new();
    project.set("KIKET_SECRET_API_KEY", "canary_api_key_0002");
    project.write("kiket.dev.yaml", "secrets: { SEEDED: canary_seeded_0003 }\n");
    let dev = project.serve(&["--record", "recorded"]);
    let sent = json!({ "id": "a", "secrets": { "MINE": "canary_mine_0004" },
        "authentication": { "runtime_token": "canary_token_0005", "token_type": "runtime" } });
    let (status, reply) = dev.deliver("own.secret", &sent);
    assert_eq!(
        (status, reply),
        (200, json!({ "seeded": "canary_seeded_0003", "own": "canary_api_key_0002" }))
    );
    let file = dev.said("recorded", |_| true);
    let text = fs::read_to_string(dev.project.path(file["file"].as_str().unwrap())).unwrap();
    for place in ["<redacted:SEEDED>", "<redacted:MINE>", "<redacted:KIKET_RUNTIME_TOKEN>", "/secrets/SEEDED"]
    {
        assert!(text.contains(place), "{place}: {text}");
    }
    dev.said("call", |line| line["path"].as_str().is_some_and(|path| path.ends_with("/secrets/SEEDED")));
    for text in [text, dev.lines.text(), dev.errors.text()] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_fake_platform_begins_anew_with_its_seed() {
    let mut project = Project::new();
    project.set("KIKET_SECRET_API_KEY", "own");
    project.write("kiket.dev.yaml", "secrets: { SEEDED: one }\n");
    let dev = project.serve(&[]);
    assert_eq!(dev.deliver("own.secret", &body("a")).1["seeded"], "one");
    dev.project.write("kiket.dev.yaml", "secrets: [wrong]\n");
    dev.said("note", |line| line["text"].as_str().is_some_and(|text| text.contains("kiket.dev.yaml:1:")));
    assert_eq!(dev.deliver("own.secret", &body("b")).1["seeded"], "one");
    dev.project.write("kiket.dev.yaml", "secrets: { SEEDED: two }\n");
    dev.said("note", |line| line["text"] == "the fake platform begins anew with its seed");
    assert_eq!(dev.deliver("own.secret", &body("c")).1["seeded"], "two");
}

#[test]
fn a_kiket_of_ones_own_is_left_alone() {
    let mut project = Project::new();
    project.set("KIKET_BASE_URL", "http://127.0.0.1:9");
    let dev = project.serve(&[]);
    let listening = dev.said("listening", |_| true);
    assert_eq!((&listening["platform"], &listening["secret"]), (&Value::Null, &json!("configured")));
    assert_eq!(dev.deliver("own.secret", &body("a")).0 / 100, 5);
}

#[test]
fn a_signal_drains_the_extension_and_ends_dev() {
    for signal in ["TERM", "INT"] {
        let mut dev = Project::new().serve(&[]);
        let request = dev.signed("issue.created", &json!({ "id": "slow", "wait": 700 }), &[]);
        let mut connection = Connection::open(dev.address).unwrap();
        let slow = thread::spawn(move || connection.ask(&request));
        dev.said("log", |line| line["line"] == "waits");
        dev.signal(signal);
        let (status, reply) = slow.join().unwrap().unwrap();
        assert_eq!(status, 200, "{reply}");
        assert_eq!(dev.end().code(), Some(0), "{}", dev.lines.text());
        dev.said("ended", |line| line["status"] == 0);
        let pid = dev.said("started", |_| true)["pid"].as_u64().unwrap();
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap_or(false), "process {pid} is left");
    }
}

#[test]
fn a_second_interrupt_ends_what_still_runs() {
    let mut dev = Project::new().serve(&[]);
    let request = dev.signed("issue.created", &json!({ "id": "slow", "wait": 3_600_000 }), &[]);
    let mut connection = Connection::open(dev.address).unwrap();
    let slow = thread::spawn(move || connection.ask(&request));
    dev.said("log", |line| line["line"] == "waits");
    dev.signal("INT");
    dev.said("ending", |_| true);
    // A person presses it again after a moment.
    let begun = Instant::now();
    while !dev.lines.text().contains("processes are killed") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", dev.lines.text());
        dev.signal("INT");
        thread::sleep(Duration::from_millis(50));
    }
    dev.end();
    assert_ne!(slow.join().unwrap().map_or(0, |(status, _)| status), 200);
    let pid = dev.said("started", |_| true)["pid"].as_u64().unwrap();
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap_or(false), "process {pid} is left");
}

#[test]
fn the_console_opens_in_the_browser() {
    let mut project = Project::new();
    let browser = project.browser();
    project.set("BROWSER", &browser);
    let dev = project.serve(&["--open"]);
    let console = dev.said("listening", |_| true)["console"].as_str().unwrap().to_owned();
    assert_eq!(dev.project.opened(), console);
    // One that does not start is said, and `dev` goes on.
    let mut project = Project::new();
    project.set("BROWSER", "/nowhere/browser");
    let dev = project.serve(&["--open"]);
    dev.said("note", |line| {
        line["text"].as_str().is_some_and(|text| text.contains("no browser can be opened"))
    });
    assert_eq!(dev.deliver("issue.created", &body("a")).0, 200);
}

#[test]
fn what_is_named_is_watched_too() {
    let dev = Project::new().serve(&["--watch", "texts", "--watch", "one.txt"]);
    for (file, process) in [("texts/deep/a.txt", 2), ("one.txt", 3)] {
        dev.project.write(file, "new");
        dev.said("ready", |line| line["process"] == process);
        dev.said("changed", |line| line["files"].as_array().unwrap().contains(&json!(file)));
    }
}

#[test]
fn what_keeps_dev_from_starting_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut seeded = Project::new();
    seeded.write("kiket.dev.yaml", "records: []\n");
    seeded.set("KIKET_SECRET_X", "canary");
    let empty = Project::real();
    for (project, arguments, status, parts) in [
        (Project::new(), vec!["--port", &*port], 65, ["cannot be listened on", "--port PORT"]),
        (seeded, vec!["--port", "0"], 65, ["kiket.dev.yaml:1:1", "unknown field `records`"]),
        (empty, vec!["--port", "0"], 64, ["there is no `Cargo.toml`", "cargo kiket new"]),
    ] {
        let output = project.command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn a_secret_is_drawn_where_there_is_none() {
    let mut project = Project::new();
    project.set("KIKET_WEBHOOK_SECRET", "");
    let dev = project.serve(&[]);
    assert_eq!(dev.said("listening", |_| true)["secret"], "drawn");
    assert_eq!(dev.deliver("issue.created", &body("a")).0, 401);
}

/// A request that no server reads the same way goes through as it is, and so does what another protocol sends.
#[test]
fn what_is_no_request_reaches_the_extension() {
    let dev = Project::new().serve(&[]);
    for request in [
        "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
    ] {
        let (status, _) = dev.send(request.as_bytes()).unwrap();
        assert_eq!(status, 400, "{request}");
    }
    assert_eq!(dev.send(b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n").unwrap().0, 404);
    assert_eq!(dev.count("delivery"), 0);
    let mut stream = std::net::TcpStream::connect(dev.address).unwrap();
    stream.write_all(b"\0\0\0").unwrap();
    drop(stream);
    assert_eq!(dev.deliver("issue.created", &body("after")).0, 200);
}
