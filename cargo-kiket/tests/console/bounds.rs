//! Limits: of the store, of what is read, and of readers.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant, SystemTime},
};

use cargo_kiket::console::{Arrival, End, Origin, ResponseSeen, Store};
use kiket_runtime::Headers;
use serde_json::json;

use crate::world::{World, exchange, request};

fn arrival(body: Vec<u8>) -> Arrival {
    Arrival {
        at: SystemTime::now(),
        method: "POST".to_owned(),
        target: "/v/v1/webhooks/issue.created".to_owned(),
        headers: Headers::default(),
        body: body.into(),
        is_whole: true,
        from: Origin::Machine,
    }
}

/// A delivery and its response, both recorded.
fn pass(store: &Store, body: Vec<u8>) {
    let id = store.arrived(arrival(body.clone()));
    let end = End::Response { status: 200, headers: Headers::default(), body: body.into(), by_proxy: false };
    store.responded(id, ResponseSeen { took: Duration::from_millis(1), end });
}

#[test]
fn the_last_500_deliveries_are_kept() {
    let world = World::new();
    for number in 0..520 {
        pass(&world.store, format!(r#"{{"id":"evt_{number}"}}"#).into_bytes());
        if number % 100 == 0 {
            world.store.settle();
        }
    }
    world.store.settle();
    let all = world.session().events("", |_| true);
    let deliveries = all["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 500);
    assert_eq!(
        (&deliveries[0]["delivery_id"], &deliveries[499]["delivery_id"]),
        (&json!("evt_20"), &json!("evt_519"))
    );
    assert_eq!((&all["oldest"], &all["missed"]), (&deliveries[0]["id"], &json!(0)));
}

#[test]
fn a_body_beyond_64_kib_is_an_excerpt() {
    let world = World::new();
    let text = format!(r#"{{"id":"evt_1","text":"{}"}}"#, "x".repeat(100_000));
    pass(&world.store, text.clone().into_bytes());
    world.store.settle();
    let session = world.session();
    let delivery = session.json("/api/deliveries/1");
    let body = &delivery["record"]["body"];
    assert_eq!((&body["cut"], &body["size"]), (&json!(true), &json!(text.len())));
    assert_eq!(body["text"].as_str().unwrap().len(), 64 << 10);
    // What is not there cannot be sent again or saved.
    for (path, request) in [("/api/send", json!({ "of": 1 })), ("/api/save", json!({ "id": 1, "name": "a" }))]
    {
        let refused = session.post(path, &request);
        assert_eq!(refused.status, 422);
        assert!(refused.json()["error"].as_str().unwrap().contains("64 KiB"), "{refused:?}");
    }
}

#[test]
fn a_store_of_large_bodies_has_32_mib() {
    let world = World::new();
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(60_000)).into_bytes();
    for number in 0..500 {
        pass(&world.store, text.clone());
        if number % 50 == 0 {
            world.store.settle();
        }
    }
    world.store.settle();
    let session = world.session();
    let all = session.events("", |_| true);
    let kept = all["deliveries"].as_array().unwrap().len();
    assert!(kept * 2 * text.len() < 32 << 20 && kept > 200, "{kept}");
    assert!(session.get("/api/export").body.len() < 33 << 20);
}

#[test]
fn what_comes_too_fast_is_counted_and_delays_nothing() {
    let world = World::new();
    // Neither is read here: the worker is slower than this loop.
    let large = bytes::Bytes::from(vec![b' '; 4 << 20]);
    let begun = Instant::now();
    for _ in 0..200 {
        let mut arrival = arrival(Vec::new());
        arrival.body = large.clone();
        world.store.arrived(arrival);
    }
    let took = begun.elapsed();
    world.store.settle();
    pass(&world.store, b"{}".to_vec());
    world.store.settle();
    let all = world.session().events("", |_| true);
    let (missed, kept) =
        (all["missed"].as_u64().unwrap(), all["deliveries"].as_array().unwrap().len() as u64);
    assert_eq!(missed + kept, 201);
    assert!(missed > 0 && took < Duration::from_secs(5), "{missed} {took:?}");
}

#[test]
fn a_reader_that_never_reads_is_dropped() {
    let world = World::new();
    let session = world.session();
    let [cookie, proof] = session.headers();
    let mut stream = TcpStream::connect(world.address()).unwrap();
    let head = format!(
        "GET /api/events HTTP/1.1\r\nhost: {}\r\n{}: {}\r\n{}: {}\r\n\r\n",
        world.address(),
        cookie.0,
        cookie.1,
        proof.0,
        proof.1
    );
    stream.write_all(head.as_bytes()).unwrap();
    // More than the buffers of both sockets hold, message after message.
    let target = format!("/v/v1/webhooks/{}", "x".repeat(1000));
    let begun = Instant::now();
    loop {
        for _ in 0..100 {
            let mut arrival = arrival(Vec::new());
            arrival.target.clone_from(&target);
            world.store.arrived(arrival);
        }
        world.store.settle();
        // Deliveries go on, whatever the reader does, and the connection is closed for it.
        stream.set_nonblocking(true).unwrap();
        let written = stream.write(b"x");
        stream.set_nonblocking(false).unwrap();
        if written.is_err()
            && !matches!(&written, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "the reader is still there");
    }
    // What it left in its buffers ends with the connection.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.starts_with(b"HTTP/1.1 200"), "{} bytes", rest.len());
}

#[test]
fn a_request_has_limits_and_a_deadline() {
    let world = World::new();
    let address = world.address();
    let host = format!("host: {address}\r\n");
    for (bytes, status) in [
        (format!("GET / HTTP/1.1\r\n{host}a: {}\r\n\r\n", "x".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\r\n{host}{}\r\n", "a: b\r\n".repeat(100)), 431),
        (format!("POST / HTTP/1.1\r\n{host}content-length: 2000000\r\n\r\n"), 413),
        (format!("POST / HTTP/1.1\r\n{host}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"), 400),
        (format!("POST / HTTP/1.1\r\n{host}content-length: -1\r\n\r\n"), 400),
        (format!("POST / HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"), 411),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let response = exchange(address, bytes.as_bytes());
        assert_eq!(response.status, status, "{bytes:.60}");
    }
    // One that sends nothing is closed, and the others are served meanwhile.
    let mut silent = TcpStream::connect(address).unwrap();
    assert_eq!(request(address, "GET", "/", &[], "").status, 200);
    silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn many_connections_do_not_keep_the_page_out() {
    let world = World::new();
    let many: Vec<_> = (0..200).map(|_| TcpStream::connect(world.address()).unwrap()).collect();
    drop(many);
    let begun = Instant::now();
    loop {
        // Those that are gone make room as soon as they are seen to be.
        let mut stream = TcpStream::connect(world.address()).unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", world.address());
        let mut all = Vec::new();
        let done = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_end(&mut all));
        if done.is_ok() && all.starts_with(b"HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the page does not come");
    }
}
