//! What clients and handlers may do to an extension without a lost event, an idle processor or memory that stays.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
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

    /// Sends until the server reads no more. Returns whether it read anything.
    fn ask(&mut self) -> bool {
        let mut was_read = false;
        while let Ok(sent) = self.stream.write(&self.requests[self.sent..]) {
            self.sent = (self.sent + sent) % self.requests.len();
            was_read = true;
        }
        was_read
    }

    /// Clients that have asked until the server reads no more of any, which responds to others meanwhile.
    #[track_caller]
    fn open_all(clients: usize, running: &Running) -> Vec<Self> {
        /// So many times each worker may have been about to read more.
        const ROUNDS: usize = 50;
        /// How much time of a processor the responses of these rounds may take.
        const RESPONDING: Duration = Duration::from_millis(50);

        let from = Instant::now();
        let mut clients: Vec<_> = (0..clients).map(|_| Self::open(running.address()).unwrap()).collect();
        let (mut unread, mut cpu) = (0, running.usage().cpu);
        while unread < ROUNDS {
            let read = clients.iter_mut().filter_map(|client| client.ask().then_some(())).count();
            unread += 1;
            // What it still reads makes no room for more at once.
            let now = running.usage().cpu;
            if read > 0 || now.saturating_sub(cpu) > RESPONDING {
                (unread, cpu) = (0, now);
            }
            assert_eq!(running.ask(&get("/health/live")).status, 200);
            assert!(from.elapsed() < PATIENCE, "{read} are read without end");
        }
        clients
    }
}

#[test]
fn clients_that_never_read_cost_little_and_are_cut_off() {
    const CLIENTS: usize = 300;
    const CLOSED: &str = "connection closed: its client does not read the responses";
    /// How long a write may make no progress.
    const WRITE_WAIT: Duration = Duration::from_secs(30);

    let running = attacked(2).env("RUST_LOG", "info,kiket_runtime=debug").start();
    assert_eq!(running.ask(&echo(0)).status, 200);
    let before = running.usage();
    let from = Instant::now();
    let clients = NeverReads::open_all(CLIENTS, &running);
    let (beside, asking) = (running.usage(), from.elapsed());
    wait_for(&running, CLOSED, CLIENTS);
    let (closed, waited) = (running.usage(), from.elapsed());
    drop(clients);
    assert_eq!(running.ask(&echo(1)).status, 200);
    let after = running.usage();
    // Once more, in memory that the allocator kept: more than that would be a leak.
    let clients = NeverReads::open_all(CLIENTS / 2, &running);
    let again = running.usage();
    drop(clients);
    assert_eq!(running.ask(&echo(2)).status, 200);

    let idle = closed.cpu.saturating_sub(beside.cpu);
    println!(
        "{CLIENTS} clients that never read: {:?} of CPU in {asking:?} while they ask, {idle:?} until all are cut off after \
         {waited:?}; memory {} MiB before, {} MiB beside them, {} MiB after, {} MiB beside half as many",
        beside.cpu.saturating_sub(before.cpu),
        before.memory / MIB,
        beside.memory / MIB,
        after.memory / MIB,
        again.memory / MIB,
    );
    for usage in [beside, after] {
        assert!(usage.memory < before.memory + CLIENTS as u64 * MIB / 16, "{before:?} {beside:?} {after:?}");
    }
    assert!(again.memory < beside.memory.max(after.memory) + 4 * MIB, "{beside:?} {after:?} {again:?}");
    let ending = waited.saturating_sub(asking);
    assert!(idle < ending / 20, "an idle attack keeps a processor: {idle:?} in {ending:?}");
    assert!(ending < WRITE_WAIT + PATIENCE / 4, "{waited:?}, of which {asking:?} while they ask");
    assert_eq!(running.stop().code, Some(0));
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
fn large_replies_are_stored_within_their_limit() {
    const DELIVERIES: usize = 80;
    /// So many are sent twice at once.
    const AT_ONCE: usize = 8;

    let running = attacked(2).start();
    let large =
        |number: usize| signed("big.answer", "v1", &json!({ "id": format!("l{number}"), "bytes": MIB }));
    let before = running.usage();
    let from = Instant::now();
    for some in (0..DELIVERIES).collect::<Vec<_>>().chunks(AT_ONCE) {
        let twice = some.iter().map(|number| (number, [(); 2].map(|()| running.send(&large(*number)))));
        for (number, mut connections) in twice.collect::<Vec<_>>() {
            let responses = connections.each_mut().map(|connection| connection.response().unwrap());
            assert!(responses.iter().any(|response| response.status == 200), "{number} is not done");
            for response in responses.iter().filter(|response| response.status != 200) {
                assert_eq!((response.status, &response.json()["code"]), (503, &json!("still_running")));
                assert!(response.header("retry-after").is_some(), "{}", response.head);
            }
        }
    }
    let during = running.usage();
    // What had no room is done all the same.
    let (mut whole, mut cut) = (0, 0);
    for number in 0..DELIVERIES {
        let response = running.ask(&large(number));
        assert_eq!((response.status, response.header("x-kiket-replayed")), (200, Some("true")), "{number}");
        if response.body.len() as u64 > MIB { whole += 1 } else { cut += 1 }
    }
    let after = running.usage();
    println!(
        "{DELIVERIES} replies of 1 MiB, sent three times in {:?}: {whole} replayed whole, {cut} as done; memory {} MiB \
         before, {} MiB after the first two, {} MiB after the third",
        from.elapsed(),
        before.memory / MIB,
        during.memory / MIB,
        after.memory / MIB,
    );
    assert_eq!(count(&running, "big.answer runs"), DELIVERIES, "each runs once");
    assert!(whole > 0 && cut > 0, "{whole} {cut}");
    for usage in [during, after] {
        assert!(
            usage.memory < before.memory + (64 + 2 * AT_ONCE as u64 + 32) * MIB,
            "{before:?} {during:?} {after:?}"
        );
    }
    assert_eq!(running.stop().code, Some(0));
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

/// The status in the last line about a request that is not readable, when there are so many.
#[track_caller]
fn unreadable(running: &Running, lines: usize) -> Value {
    let logged = running.log().find_nth(lines, |line| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        line["message"].as_str()?.starts_with("request refused: it is not readable as HTTP").then_some(line)
    });
    logged.unwrap()["status"].clone()
}

#[test]
fn a_request_that_is_not_readable_is_logged() {
    let running = attacked(1).start();
    let mut connection = running.send(b"POST /webhook HTTP/1.1\r\nno header\r\n\r\n");
    assert_eq!(connection.response().unwrap().status, 400);
    assert_eq!(unreadable(&running, 1), 400);
}

#[test]
fn a_head_without_end_is_431_and_costs_no_other_delivery() {
    let running = attacked(1).start();
    assert_eq!(running.ask(&echo(0)).status, 200);
    let head =
        format!("POST /v/v1/webhooks/echo.strict HTTP/1.1\r\nhost: test\r\nx: {}", "x".repeat(200 * 1024));
    let before = running.usage();
    let mut connection = Connection::open(running.address()).unwrap();
    // It is not read to its end, so the response may be lost with the rest.
    let sent = connection.send(head.as_bytes());
    match connection.response() {
        Ok(response) => {
            assert_eq!((response.status, response.body.as_str(), response.closes()), (431, "", true));
        }
        Err(ended) => assert!(sent.is_err() || ended == NoResponse::Reset, "{ended:?}"),
    }
    assert_eq!(unreadable(&running, 1), 431);
    assert_eq!(running.ask(&echo(1)).status, 200);
    assert!(running.usage().memory < before.memory + 4 * MIB, "{before:?} {:?}", running.usage());
    // A head within the limit is read.
    let padded = String::from_utf8(echo(2)).unwrap();
    let padding = format!(" HTTP/1.1\r\nx: {}\r\n", "x".repeat(120 * 1024));
    assert_eq!(running.ask(padded.replacen(" HTTP/1.1\r\n", &padding, 1).as_bytes()).status, 200);
}
