//! What clients and handlers may do to an extension without a lost event, an idle processor or memory that stays.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Instant,
};

use extension_process::{Connection, NoResponse, PATIENCE, Program, Response, Running, get, signed};
use serde_json::{Value, json};

fn attacked(workers: usize) -> Program {
    let directory = env!("CARGO_MANIFEST_DIR"); // it has no manifest
    Program::new(env!("CARGO_BIN_EXE_attacked"))
        .directory(directory)
        .env("ATTACKED_WORKERS", workers.to_string())
}

fn echo(number: usize) -> Vec<u8> {
    signed("echo.strict", "v1", &json!({ "id": format!("e{number}"), "a": number }))
}

/// The delivery of [`echo`] ran, or Kiket would send it again.
#[track_caller]
fn check_not_lost(response: &Result<Response, NoResponse>, number: usize) {
    match response {
        Ok(response) if response.status == 200 => assert_eq!(response.json(), json!({ "a": number })),
        Ok(response) => assert!(response.status >= 500, "{number}: lost: {response:?}"),
        Err(_) => {}
    }
}

fn count(running: &Running, message: &str) -> usize {
    running.log().text().lines().filter(|line| line.contains(message)).count()
}

/// Waits until `message` is in the log so many times.
#[track_caller]
fn wait_for(running: &Running, message: &str, times: usize) {
    let found = running.log().find_nth(times, |line| line.contains(message).then_some(()));
    assert!(found.is_some(), "`{message}`: {} of {times}", count(running, message));
}

const MIB: u64 = 1024 * 1024;

/// A connection that asks without end and reads nothing.
struct NeverReads {
    stream: TcpStream,
    requests: Vec<u8>,
    /// How much of `requests` was sent in this round.
    sent: usize,
}

impl NeverReads {
    /// Connects, and asks at once: on a busy machine the time for the first head is soon over.
    fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect(&address.into())?;
        socket.set_nonblocking(true)?;
        let mut client = Self { stream: socket.into(), requests: get("/health").repeat(1000), sent: 0 };
        client.ask();
        Ok(client)
    }

    /// Sends until the server reads no more.
    fn ask(&mut self) {
        while let Ok(sent) = self.stream.write(&self.requests[self.sent..]) {
            self.sent = (self.sent + sent) % self.requests.len();
        }
    }
}

#[test]
fn clients_that_never_read_cost_little_and_are_cut_off() {
    const CLIENTS: usize = 300;
    const CLOSED: &str = "connection closed: its client does not read the responses";

    let running = attacked(2).env("RUST_LOG", "info,kiket_runtime=debug").start();
    assert_eq!(running.ask(&echo(0)).status, 200);
    let before = running.usage();
    let from = Instant::now();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| NeverReads::open(running.address()).unwrap()).collect();
    // As long as anything is cut off in this loop, none of them has read, and all have asked.
    while count(&running, CLOSED) == 0 {
        clients.iter_mut().for_each(NeverReads::ask);
        assert_eq!(running.ask(&get("/health/live")).status, 200);
        assert!(from.elapsed() < PATIENCE, "none is cut off");
    }
    let during = running.usage();
    wait_for(&running, CLOSED, CLIENTS);
    let asked = running.usage();
    drop(clients);
    assert_eq!(running.ask(&echo(1)).status, 200);
    let after = running.usage();
    println!(
        "{CLIENTS} clients that never read: {:?} of CPU in {:?} while they ask; memory {} MiB before, {} MiB beside \
         them, {} MiB after",
        asked.cpu.saturating_sub(before.cpu),
        from.elapsed(),
        before.memory / MIB,
        during.memory / MIB,
        after.memory / MIB,
    );
    for usage in [during, after] {
        assert!(usage.memory < before.memory + CLIENTS as u64 * MIB / 8, "{before:?} {during:?} {after:?}");
    }
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn an_idle_client_that_never_reads_costs_no_processor() {
    const CLOSED: &str = "connection closed: its client does not read the responses";

    let running = attacked(1).env("RUST_LOG", "info,kiket_runtime=debug").start();
    let before = running.usage();
    let from = Instant::now();
    let _client = NeverReads::open(running.address()).unwrap();
    wait_for(&running, CLOSED, 1);
    let (cpu, elapsed) = (running.usage().cpu.saturating_sub(before.cpu), from.elapsed());
    println!("a client that never reads: {cpu:?} of CPU in {elapsed:?}");
    assert!(cpu < elapsed / 10, "{cpu:?} in {elapsed:?}");
}

#[test]
fn no_event_is_lost_beside_a_blocked_worker() {
    let running = attacked(1).start();
    let mut halves: Vec<_> = (0..10)
        .map(|number| {
            let whole = echo(number);
            let (half, rest) = whole.split_at(30 + number * 7);
            (running.send(half), rest.to_vec())
        })
        .collect();
    assert_eq!(running.ask(&get("/health/ready")).status, 200);
    let from = Instant::now();
    let mut blocking = running.send(&signed("block.thread", "v1", &json!({ "id": "b", "ms": 8000 })));
    running.logged("blocking");
    for (connection, rest) in &mut halves {
        connection.send(rest).unwrap();
    }
    let mut others: Vec<_> = (10..40).map(|number| running.send(&echo(number))).collect();
    let mut probe = running.send(&get("/health/ready"));
    let connections = halves.iter_mut().map(|(connection, _)| connection).chain(&mut others);
    let responses: Vec<_> = connections.map(Connection::response).collect();
    for (number, response) in responses.iter().enumerate() {
        check_not_lost(response, number);
    }
    let handled = responses.iter().flatten().filter(|response| response.status == 200).count();
    println!("beside a worker that is blocked for {:?}: {handled} of 40 handled, 0 lost", from.elapsed());
    assert_eq!(handled, 40, "{responses:?}");
    assert_eq!(blocking.response().unwrap().status, 200);
    assert!(probe.response().is_ok());
    let named = running.log().find(|line| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        let named = line["message"].as_str()?.starts_with("the handler has blocked its worker for 5 s");
        named.then(|| (line["handler"].clone(), line["all_workers"].clone()))
    });
    assert_eq!(named, Some((json!("attacked::block_thread"), json!(true))));
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn one_blocked_worker_does_not_end_readiness() {
    let directory = tempfile::tempdir().unwrap();
    let until = directory.path().join("until");
    let running = attacked(2).start();
    let mut blocking = running.send(&signed("block.until", "v1", &json!({ "id": "b", "until": until })));
    let named = running.log().find(|line| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        (line["handler"] == "attacked::block_until" && line["level"] == "ERROR")
            .then(|| line["all_workers"].clone())
    });
    assert_eq!(named, Some(Value::Null), "it is named, and it is not all");
    // Connections go to the workers in turn.
    let mut probes: Vec<_> = (0..4).map(|_| running.send(&get("/health/ready"))).collect();
    let deadline = Instant::now() + PATIENCE;
    while probes.iter().all(Connection::is_silent) {
        assert!(Instant::now() < deadline, "no worker responds");
        thread::yield_now();
    }
    fs::write(&until, "").unwrap();
    for probe in &mut probes {
        assert_eq!(probe.response().unwrap().status, 200);
    }
    assert_eq!(blocking.response().unwrap().status, 200);
}

#[test]
fn unverified_bodies_share_their_memory() {
    const CLIENTS: usize = 300;

    let running = attacked(1).start();
    let before = running.usage();
    let head =
        format!("POST /v/v1/webhooks/echo.strict HTTP/1.1\r\nhost: test\r\ncontent-length: {MIB}\r\n\r\n");
    let body = vec![b' '; usize::try_from(MIB).unwrap() - 1];
    let begun = [head.as_bytes(), &body].concat();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(running.send(&begun));
        if number % 50 == 0 {
            assert_eq!(running.ask(&echo(number)).status, 200, "a good delivery is not turned away");
        }
    }
    // Those that wait longest are ended first.
    let response = clients[0].response().unwrap();
    assert_eq!((response.status, &response.json()["code"]), (503, &json!("overloaded")));
    let during = running.usage();
    drop(clients);
    assert_eq!(running.ask(&echo(CLIENTS)).status, 200);
    println!(
        "{CLIENTS} unfinished bodies of 1 MiB: memory {} MiB before, {} MiB beside them",
        before.memory / MIB,
        during.memory / MIB
    );
    assert!(during.memory < before.memory + 160 * MIB, "{before:?} {during:?}");
}

#[test]
fn a_signed_delivery_without_a_route_is_logged() {
    let running = attacked(1).start();
    let lost = |path: &str| {
        let delivery = String::from_utf8(echo(1)).unwrap();
        running.ask(delivery.replace("/v/v1/webhooks/echo.strict", path).as_bytes())
    };
    assert_eq!(
        running.ask(b"POST /hooks/unsigned HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").status,
        404
    );
    let response = lost("/hooks/issue_created");
    assert_eq!((response.status, &response.json()["code"]), (404, &json!("not_found")));
    let logged = running.log().find(|line| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        line["message"].as_str()?.starts_with("delivery refused: no route has its path").then_some(line)
    });
    let logged = logged.unwrap();
    assert_eq!((&logged["path"], &logged["level"]), (&json!("/hooks/issue_created"), &json!("WARN")));
    // No flood of them is a flood of lines, and none is long.
    let from = Instant::now();
    for _ in 0..100 {
        assert_eq!(lost(&format!("/{}", "x".repeat(5000))).status, 404);
    }
    let seconds = usize::try_from(from.elapsed().as_secs()).unwrap();
    let lines = running.log().text();
    let lines: Vec<_> = lines.lines().filter(|line| line.contains("no route has its path")).collect();
    assert!(lines.len() <= seconds + 3 && lines.iter().all(|line| line.len() < 1000), "{lines:#?}");
}

#[test]
fn a_request_that_is_not_readable_is_logged() {
    let running = attacked(1).start();
    let mut connection = running.send(b"POST /webhook HTTP/1.1\r\nno header\r\n\r\n");
    assert_eq!(connection.response().unwrap().status, 400);
    let logged = running.log().find(|line| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        line["message"].as_str()?.starts_with("request refused: it is not readable as HTTP").then_some(line)
    });
    assert_eq!(logged.unwrap()["status"], 400);
}
