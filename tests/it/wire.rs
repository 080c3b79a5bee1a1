//! What comes over a socket and not out of a well-behaved client.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use kiket::{Context, ExtensionBuilder, Json, Payload, testing};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc as channel};

use crate::running::{
    Connection, NOW, Response, Running, SECRET, UNSIGNED, builder, chunked, chunked_head, head, request,
    sign, signed, until, within,
};

const OK: &str = r#"{"ok":true}"#;
/// Enough for a sender who is cut off, and not much to wait for.
const SHORT: Duration = Duration::from_millis(200);

/// An extension that replies ok to `issue.created`.
fn responding() -> ExtensionBuilder {
    builder().on("issue.created", "v1", async || ())
}

fn good() -> Vec<u8> {
    request(&signed(&json!({ "id": "d-1" })))
}

#[track_caller]
fn check(response: &Response, status: u16, code: &str) {
    response.is_well_formed();
    assert_eq!((response.status, response.code().as_str()), (status, code), "{response:?}");
}

#[track_caller]
fn check_ok(response: &Response) {
    response.is_well_formed();
    assert_eq!((response.status, response.text()), (200, OK), "{response:?}");
}

/// Sends the good delivery, which gets ok.
async fn check_alive(connection: &mut Connection) {
    connection.send(&good()).await;
    check_ok(&connection.response().await);
}

/// Sends `bytes` and no more, which is refused with one of `statuses`, or cut off.
async fn check_refused(running: &Running, bytes: &[u8], statuses: RangeInclusive<u16>) {
    let mut connection = running.connect().await;
    connection.send(bytes).await;
    connection.finish().await;
    if let Some(response) = connection.response_or_end().await {
        assert!(statuses.contains(&response.status), "{:?}: {response:?}", String::from_utf8_lossy(bytes));
    }
}

/// Bodies as they are sent.
mod bodies {
    use super::*;

    #[tokio::test]
    async fn an_encoded_body_is_415() {
        let running = Running::start(responding());
        // What `printf '{}' | gzip -n` writes: signed as it is sent.
        let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0";
        let delivery = || testing::delivery("issue.created", "v1", &()).body(gzip.as_slice());
        for encoding in ["gzip", "GZIP", "br", "zstd", "deflate", "identity, gzip", "x"] {
            let response =
                running.ask(&request(&sign(delivery().header("Content-Encoding", encoding)))).await;
            assert_eq!(response.status, 415, "{encoding}: {response:?}");
            response.is_well_formed();
        }
        let twice = delivery().header("content-encoding", "identity").header("content-encoding", "gzip");
        assert_eq!(running.ask(&request(&sign(twice))).await.status, 415);
        // Not inflated on the way: without the header it is not JSON.
        check(&running.ask(&request(&sign(delivery()))).await, 400, "not_json");
        let plain =
            testing::delivery("issue.created", "v1", &json!({})).header("content-encoding", " Identity ");
        check_ok(&running.ask(&request(&sign(plain))).await);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_body_in_chunks_is_taken_up_to_the_limit_and_not_over_it() {
        let running = Running::start(responding().http(|http| http.body_limit(1000)));
        let of = |length: usize| {
            let body = format!("{{{}}}", " ".repeat(length - 2));
            sign(testing::delivery("issue.created", "v1", &()).body(body))
        };
        for chunk in [1, 7, 999, 1000, 5000] {
            check_ok(&running.ask(&chunked(&of(1000), chunk)).await);
            check(&running.ask(&chunked(&of(1001), chunk)).await, 413, "body_too_large");
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn chunks_without_an_end_are_413_as_soon_as_the_limit_is_passed() {
        let running = Running::start(responding().http(|http| http.body_limit(1000)));
        let mut connection = running.connect().await;
        connection.send(&chunked_head(&signed(&()))).await;
        connection.send(format!("3e9\r\n{}", "x".repeat(1001)).as_bytes()).await; // and no end
        check(&connection.response().await, 413, "body_too_large");
        running.still_responds().await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_large_body_is_413_before_it_is_sent() {
        let running = Running::start(responding());
        for length in ["10485760", "18446744073709551615"] {
            let mut connection = running.connect().await;
            let headers = [("content-length".to_owned(), length.to_owned())];
            connection.send(&head("POST", "/v/v1/webhooks/issue.created", &headers)).await;
            check(&connection.response().await, 413, "body_too_large");
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn ten_megabytes_are_413_and_the_server_lives_on() {
        let running = Running::start(responding());
        let body = vec![b' '; 10 * 1024 * 1024];
        let delivery = sign(testing::delivery("issue.created", "v1", &()).body(body));
        for bytes in [request(&delivery), chunked(&delivery, 64 * 1024)] {
            let mut connection = running.connect().await;
            connection.try_send(&bytes).await;
            // Who goes on sending after the response may find the connection reset before it was read.
            if let Some(response) = connection.response_or_end().await {
                check(&response, 413, "body_too_large");
            }
            check_ok(&running.ask(&good()).await);
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_taken() {
        let running = Running::start(responding());
        for (length, status) in [(1024 * 1024, 200), (1024 * 1024 + 1, 413)] {
            let body = format!("{{{}}}", " ".repeat(length - 2));
            let delivery = sign(testing::delivery("issue.created", "v1", &()).body(body));
            assert_eq!(running.ask(&request(&delivery)).await.status, status, "{length}");
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_length_that_is_too_short_cuts_the_body_and_is_401() {
        let running = Running::start(responding());
        let delivery = signed(&json!({ "id": "d-1" }));
        let short = [("content-length".to_owned(), "3".to_owned())];
        let head = head("POST", &delivery.path, delivery.headers.iter().chain(&short));
        let mut connection = running.connect().await;
        connection.send(&[head, delivery.body].concat()).await;
        let response = connection.response().await;
        assert_eq!((response.status, response.text()), (401, UNSIGNED));
        // The rest of the body is no request.
        if let Some(response) = connection.response_or_end().await {
            assert_eq!(response.status, 400);
        }
        connection.end().await;
        running.still_responds().await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_length_that_is_too_long_is_waited_for_and_then_refused() {
        let running = Running::start(responding().http(|http| http.body_timeout(SHORT)));
        let delivery = signed(&json!({}));
        let long = [("content-length".to_owned(), "3".to_owned())];
        let bytes =
            [head("POST", &delivery.path, delivery.headers.iter().chain(&long)), delivery.body].concat();
        let mut connection = running.connect().await;
        connection.send(&bytes).await;
        check(&connection.response().await, 503, "body_too_slow");
        connection.end().await;
        // The same from a sender who says that this was all.
        let mut connection = running.connect().await;
        connection.send(&bytes).await;
        connection.finish().await;
        if let Some(response) = connection.response_or_end().await {
            check(&response, 400, "body_incomplete");
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn an_upgrade_does_not_change_where_a_body_ends() {
        let running = Running::start(responding());
        let upgrades: [&[(&str, &str)]; 5] = [
            &[("upgrade", "websocket")],
            &[("Upgrade", "WebSocket"), ("Connection", "Upgrade")],
            &[("upgrade", "websocket"), ("connection", "keep-alive, upgrade")],
            &[("upgrade", "h2c"), ("connection", "upgrade, http2-settings")],
            &[("connection", "upgrade")],
        ];
        let (small, large) = (json!({ "id": "d-1" }), json!({ "id": "d-1", "text": "x".repeat(100_000) }));
        for (headers, payload) in upgrades.iter().flat_map(|headers| [(headers, &small), (headers, &large)]) {
            let delivery = headers
                .iter()
                .fold(testing::delivery("issue.created", "v1", payload), |delivery, (name, value)| {
                    delivery.header(*name, *value)
                });
            let delivery = sign(delivery);
            for bytes in [request(&delivery), chunked(&delivery, 1000)] {
                let mut connection = running.connect().await;
                connection.send(&[&bytes[..], &good()].concat()).await;
                check_ok(&connection.response().await);
                // The next request gets its response, or the client knows that it has none.
                if let Some(response) = connection.response_or_end().await {
                    check_ok(&response);
                }
            }
            let mut empty = head("POST", "/v/v1/webhooks/issue.created", &owned(headers));
            empty.extend(b"{}");
            let mut connection = running.connect().await;
            connection.send(&empty).await;
            assert_eq!(connection.response().await.status, 401, "there is no body");
            let health = head("GET", "/health/live", &owned(headers));
            assert_eq!(running.ask(&health).await.status, 200);
        }
        running.stop().await;
    }

    fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn lengths_that_cannot_be_are_refused() {
        let running = Running::start(responding());
        let signed = signed(&json!({}));
        for lengths in [
            &[("content-length", "2"), ("content-length", "3")][..],
            &[("content-length", "-2")],
            &[("content-length", "+2")],
            &[("content-length", "0x2")],
            &[("content-length", "2, 2")],
            &[("content-length", "99999999999999999999")],
            &[("content-length", "2"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "chunked, identity")],
        ] {
            let lengths: Vec<_> =
                lengths.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let head = head("POST", &signed.path, signed.headers.iter().chain(&lengths));
            check_refused(&running, &[head, signed.body.clone()].concat(), 400..=400).await;
        }
        running.still_responds().await;
        running.stop().await;
    }

    #[tokio::test]
    async fn chunks_that_are_none_are_refused() {
        let running = Running::start(responding());
        for chunks in
            ["zz\r\n", "-1\r\n{}\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "2\r\n{}0\r\n\r\n", "\r\n\r\n"]
        {
            let bytes = [chunked_head(&signed(&json!({}))), chunks.into()].concat();
            check_refused(&running, &bytes, 400..=499).await;
        }
        running.still_responds().await;
        running.stop().await;
    }

    #[tokio::test]
    async fn invalid_utf8_is_400_when_it_is_signed() {
        let running = Running::start(responding());
        for body in
            [b"{\"a\":\"\xff\"}".as_slice(), b"\xff\xfe\0{", b"{\"a\":\"\xed\xa0\x80\"}", b"{\"\xc0\xaf\":1}"]
        {
            let delivery = testing::delivery("issue.created", "v1", &()).body(body);
            check(&running.ask(&request(&sign(delivery.clone()))).await, 400, "not_json");
            let response = running.ask(&request(&sign(delivery.secret("another")))).await;
            assert_eq!((response.status, response.text()), (401, UNSIGNED));
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn nested_arrays_do_not_exhaust_the_stack() {
        let running =
            Running::start(builder().on("issue.created", "v1", async |payload: Payload| payload.0).on(
                "issue.created",
                "v2",
                async || (),
            ));
        let (open, close) = ("[".repeat(32 * 1024), "]".repeat(32 * 1024));
        let objects = format!("{}1{}", "{\"a\":".repeat(8 * 1024), "}".repeat(8 * 1024));
        for body in [
            format!("{open}{close}"),
            "[".repeat(64 * 1024),
            format!("{{\"a\":{open}{close}}}"),
            format!("{{\"a\":{open}"),
            format!("{{\"id\":{open}{close}}}"),
            format!("{{\"event\":{open}{close}}}"),
            objects,
        ] {
            for version in ["v1", "v2"] {
                let delivery = testing::delivery("issue.created", version, &()).body(body.clone());
                let response = running.ask(&request(&sign(delivery))).await;
                response.is_well_formed();
                // Where it is not read it does not matter.
                let expected: &[u16] = if version == "v1" { &[400] } else { &[200, 400] };
                assert!(expected.contains(&response.status), "{version} {}: {response:?}", &body[..20]);
            }
        }
        check_ok(&running.ask(&request(&sign(testing::delivery("issue.created", "v2", &json!({}))))).await);
        running.stop().await;
    }
}

/// Request lines and headers as they are sent.
mod heads {
    use super::*;

    #[tokio::test]
    async fn a_security_header_sent_twice_is_401_though_both_are_good() {
        let running = Running::start(responding());
        for name in ["x-kiket-timestamp", "x-kiket-signature"] {
            let mut delivery = signed(&json!({}));
            let again = delivery.headers.iter().find(|(found, _)| found == name).unwrap().clone();
            delivery.headers.push((again.0.to_ascii_uppercase(), again.1));
            let response = running.ask(&request(&delivery)).await;
            assert_eq!((response.status, response.text()), (401, UNSIGNED), "{name}");
        }
        let refusals = running.extension().stats().signature_refusals;
        assert_eq!(refusals, [("timestamp_repeated", 1), ("signature_repeated", 1)]);
        running.stop().await;
    }

    #[tokio::test]
    async fn white_space_around_a_header_is_not_part_of_it() {
        let running = Running::start(responding());
        let mut delivery = signed(&json!({}));
        for (_, value) in &mut delivery.headers {
            *value = format!(" \t{value}  ");
        }
        check_ok(&running.ask(&request(&delivery)).await);
        running.stop().await;
    }

    #[tokio::test]
    async fn the_event_of_a_path_is_one_segment_decoded_once() {
        let running = Running::start(responding());
        for (event, status) in [
            ("issue.created", 200),
            ("issue%2Ecreated", 200),
            ("%69%73%73%75%65.created", 200),
            ("issue%2Fcreated", 400),
            ("issue.cre%2561ted", 400),
            ("a%2541", 400),
            ("%FF", 400),
            ("%", 400),
            ("issue.created%00", 400),
            ("issue.created%0d%0a", 400),
            ("issue.created;a=b", 400),
            ("issue.created/", 200),
            ("issue%2Fcreated/", 400),
            ("../webhooks/issue.created", 404),
            ("./issue.created", 404),
            ("", 404),
        ] {
            let delivery =
                sign(testing::delivery("", "", &json!({})).path(format!("/v/v1/webhooks/{event}")));
            let response = running.ask(&request(&delivery)).await;
            assert_eq!(response.status, status, "{event}: {response:?}");
            response.is_well_formed();
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_request_line_of_another_form_gets_a_response() {
        let running = Running::start(responding());
        let delivery = signed(&json!({}));
        let absolute =
            sign(testing::delivery("", "", &json!({})).path(format!("http://test{}", delivery.path)));
        check_ok(&running.ask(&request(&absolute)).await);
        let fragment = sign(testing::delivery("", "", &json!({})).path(format!("{}#a/b", delivery.path)));
        let response = running.ask(&request(&fragment)).await;
        assert!([200, 400].contains(&response.status), "{response:?}");
        for line in [
            "POST * HTTP/1.1",
            "POST",
            "\u{1f600}",
            "POST /\0 HTTP/1.1",
            "POST / HTTP/9.9",
            "GET /\u{7f} HTTP/1.1",
        ] {
            check_refused(&running, format!("{line}\r\nhost: test\r\n\r\n").as_bytes(), 400..=499).await;
        }
        running.still_responds().await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_long_path_is_400_and_a_longer_one_is_refused() {
        let running = Running::start(responding());
        let to = |length: usize| {
            let path = format!("/v/v1/webhooks/{}", "a".repeat(length - "/v/v1/webhooks/".len()));
            request(&sign(testing::delivery("", "", &json!({})).path(path)))
        };
        check(&running.ask(&to(9000)).await, 400, "malformed_event");
        let mut connection = running.connect().await;
        connection.try_send(&to(200_000)).await;
        if let Some(response) = connection.response_or_end().await {
            assert!((400..500).contains(&response.status), "{response:?}");
        }
        running.still_responds().await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_flood_of_headers_is_refused_and_the_server_lives_on() {
        let running = Running::start(responding());
        let few = (0..50).fold(testing::delivery("issue.created", "v1", &json!({})), |delivery, n| {
            delivery.header(format!("x-{n}"), "v")
        });
        check_ok(&running.ask(&request(&sign(few))).await);
        let many = (0..5000).map(|n| (format!("x-{n}"), "v".repeat(20))).collect();
        let large = vec![("x-large".to_owned(), "v".repeat(1024 * 1024))];
        let headers: [Vec<(String, String)>; 2] = [many, large];
        for headers in headers {
            let mut connection = running.connect().await;
            connection.try_send(&head("POST", "/v/v1/webhooks/issue.created", &headers)).await;
            if let Some(response) = connection.response_or_end().await {
                assert!([400, 431].contains(&response.status), "{response:?}");
            }
            running.still_responds().await;
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn head_and_options_respond_like_the_request_they_ask_about() {
        let running = Running::start(responding());
        let mut connection = running.connect().await;
        for path in ["/health", "/health/live", "/health/ready"] {
            connection.send(&head("HEAD", path, [])).await;
            let response = connection.response_without_body().await;
            assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
        }
        for method in ["HEAD", "OPTIONS", "GET", "PUT", "PATCH", "DELETE", "TRACE", "MADE_UP"] {
            for path in ["/webhook", "/webhooks/issue.created", "/v/v1/webhooks/issue.created"] {
                connection.send(&head(method, path, [])).await;
                let response = if method == "HEAD" {
                    connection.response_without_body().await
                } else {
                    connection.response().await
                };
                assert_eq!(
                    (response.status, response.header("allow")),
                    (405, Some("POST")),
                    "{method} {path}"
                );
            }
        }
        for method in ["POST", "OPTIONS", "DELETE"] {
            connection.send(&head(method, "/health", [])).await;
            let response = connection.response().await;
            assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")), "{method}");
        }
        running.stop().await;
    }
}

/// Senders who take their time, or go away.
mod senders {
    use super::*;

    #[tokio::test]
    async fn a_slow_head_is_cut_off() {
        let running = Running::start(responding().http(|http| http.head_timeout(SHORT)));
        for begun in ["", "POST /v/v1/webhooks/issue.cre", "POST /webhook HTTP/1.1\r\nhost: te"] {
            let mut connection = running.connect().await;
            connection.send(begun.as_bytes()).await;
            // Not with 408, which Kiket does not retry.
            assert!(connection.end().await.is_empty());
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_slow_head_is_cut_off_on_a_connection_that_was_used_before() {
        let running = Running::start(responding().http(|http| http.head_timeout(SHORT)));
        let nowhere = head("GET", "/nowhere", []);
        let health = head("GET", "/health", []);
        let unsigned = request(&testing::delivery("issue.created", "v1", &json!({})).sign("another", NOW));
        let mut ending = Vec::new();
        for (before, status) in [(good(), 200), (health, 200), (nowhere, 404), (unsigned, 401)] {
            for begun in ["P", "POST /webhook HTTP/1.1\r\nhost: te", "GET / HTTP/1.1\r\n"] {
                let mut connection = running.connect().await;
                for _ in 0..2 {
                    connection.send(&before).await;
                    assert_eq!(connection.response().await.status, status);
                }
                connection.send(begun.as_bytes()).await;
                ending.push(connection);
            }
        }
        for connection in &mut ending {
            assert!(connection.end().await.is_empty());
        }
        running.stop().await;
    }

    /// Lets more time go by than a head may take: waits until a sender is cut off for it.
    async fn longer_than_a_head(running: &Running) {
        let mut slow = used(running).await;
        slow.send(b"POST /webhook HTTP/1.1\r\nhost: te").await;
        assert!(slow.end().await.is_empty());
    }

    /// A connection that was used before.
    async fn used(running: &Running) -> Connection {
        let mut connection = running.connect().await;
        check_alive(&mut connection).await;
        connection
    }

    #[tokio::test]
    async fn a_head_that_trickles_is_cut_off_too() {
        let running = Running::start(responding().http(|http| http.head_timeout(SHORT)));
        let mut connection = used(&running).await;
        connection.send(b"GET / HTTP/1.1\r\na: ").await;
        within(async {
            loop {
                tokio::select! {
                    () = connection.readable() => break,
                    () = running.still_responds() => {}
                }
                connection.try_send(b"a").await;
            }
        })
        .await;
        assert!(connection.end().await.is_empty());
        running.stop().await;
    }

    #[tokio::test]
    async fn a_connection_without_a_request_is_not_cut_off() {
        let running = Running::start(responding().http(|http| http.head_timeout(SHORT)));
        let mut idle = used(&running).await;
        for _ in 0..2 {
            longer_than_a_head(&running).await;
            // A head in pieces leaves no timer behind.
            let good = good();
            let (begun, rest) = good.split_at(20);
            idle.send(begun).await;
            running.still_responds().await;
            idle.send(rest).await;
            check_ok(&idle.response().await);
        }
        longer_than_a_head(&running).await;
        check_alive(&mut idle).await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_slow_response_is_no_slow_head_nor_are_requests_behind_it() {
        let gate = Arc::new(Semaphore::new(0));
        let handler = {
            let gate = Arc::clone(&gate);
            move || {
                let gate = Arc::clone(&gate);
                async move { gate.acquire().await.unwrap().forget() }
            }
        };
        let running = Running::start(
            responding().on("issue.waiting", "v1", handler).http(|http| http.head_timeout(SHORT)),
        );
        let waiting = request(&sign(testing::delivery("issue.waiting", "v1", &json!({}))));
        let mut connection = used(&running).await;
        connection.send(&[&waiting[..], &good(), &waiting].concat()).await;
        for _ in 0..2 {
            longer_than_a_head(&running).await;
            gate.add_permits(1);
            check_ok(&connection.response().await);
        }
        check_ok(&connection.response().await);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_slow_body_is_not_a_slow_head() {
        let running = Running::start(responding().http(|http| http.head_timeout(SHORT)));
        let delivery = signed(&json!({ "id": "d-1" }));
        for whole in [request(&delivery), chunked(&delivery, 4)] {
            let mut connection = used(&running).await;
            let (begun, rest) = whole.split_at(whole.len() - 3);
            connection.send(begun).await;
            longer_than_a_head(&running).await;
            connection.send(rest).await;
            check_ok(&connection.response().await);
            longer_than_a_head(&running).await;
            connection.send(&whole).await;
            check_ok(&connection.response().await);
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_head_begun_in_an_earlier_piece_is_timed_from_its_next_byte() {
        let running = Running::start(responding().http(|http| http.head_timeout(SHORT)));
        let good = good();
        let (begun, rest) = good.split_at(20);
        let mut connection = used(&running).await;
        connection.send(&[&good[..], begun].concat()).await;
        check_ok(&connection.response().await);
        longer_than_a_head(&running).await;
        connection.send(&[rest, begun].concat()).await;
        check_ok(&connection.response().await);
        connection.send(&rest[..1]).await;
        assert!(connection.end().await.is_empty());
        running.stop().await;
    }

    #[tokio::test]
    async fn of_too_many_slow_bodies_the_oldest_is_ended() {
        // One delivery may run, and so four bodies may wait.
        let running = Running::start(responding().concurrency_limit(1));
        let whole = request(&signed(&json!({ "id": "d-1" })));
        let (begun, rest) = whole.split_at(whole.len() - 5);
        let mut connections = Vec::new();
        for _ in 0..4 {
            let mut connection = running.connect().await;
            connection.send(begun).await;
            running.still_responds().await;
            connections.push(connection);
        }
        connections[0].send(&rest[..1]).await; // and so the second is the oldest
        running.still_responds().await;
        let mut last = running.connect().await;
        last.send(begun).await;
        check(&connections.remove(1).response().await, 503, "overloaded");
        check_ok(&running.ask(&whole).await);
        last.send(rest).await;
        check_ok(&last.response().await);
        connections[0].send(&rest[1..]).await;
        for other in &mut connections[1..] {
            other.send(rest).await;
        }
        for mut connection in connections {
            check_ok(&connection.response().await);
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn slow_bodies_share_a_budget_of_bytes() {
        let running = Running::start(responding().http(|http| http.body_limit(1000).body_budget(2900)));
        let body = format!("{{{}}}", " ".repeat(988));
        let whole = request(&sign(testing::delivery("issue.created", "v1", &()).body(body)));
        let (begun, rest) = whole.split_at(whole.len() - 10);
        let mut connections = Vec::new();
        for _ in 0..3 {
            let mut connection = running.connect().await;
            connection.send(begun).await;
            running.still_responds().await;
            connections.push(connection);
        }
        check(&connections.remove(0).response().await, 503, "overloaded");
        for connection in &mut connections {
            connection.send(rest).await;
            check_ok(&connection.response().await);
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_slow_body_is_cut_off_however_it_begins() {
        let running = Running::start(responding().http(|http| http.body_timeout(SHORT)));
        let delivery = signed(&json!({ "id": "d-1" }));
        let whole = request(&delivery);
        let in_chunks = chunked(&delivery, 4);
        let head = whole.len() - delivery.body.len();
        let mut ending = Vec::new();
        for begun in
            [&whole[..head], &whole[..=head], &whole[..whole.len() - 1], &in_chunks[..in_chunks.len() - 2]]
        {
            let mut connection = running.connect().await;
            connection.send(begun).await;
            check(&connection.response().await, 503, "body_too_slow");
            ending.push(connection);
        }
        for connection in &mut ending {
            connection.end().await;
        }
        check_ok(&running.ask(&whole).await);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_body_that_trickles_is_cut_off_too() {
        let running =
            Running::start(responding().http(|http| http.body_timeout(SHORT).body_limit(64 * 1024 * 1024)));
        let mut connection = running.connect().await;
        let length = [("content-length".to_owned(), (64 * 1024 * 1024).to_string())];
        connection.send(&head("POST", "/v/v1/webhooks/issue.created", &length)).await;
        // A byte now and then is not progress: the whole body has one time.
        let answered = async {
            loop {
                connection.try_send(b" ").await;
                let response =
                    tokio::time::timeout(Duration::from_millis(1), connection.response_or_end()).await;
                if let Ok(response) = response {
                    return response;
                }
            }
        };
        if let Some(response) = within(answered).await {
            check(&response, 503, "body_too_slow");
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn senders_who_go_away_half_way_take_no_place_with_them() {
        // One delivery may run, and so four may arrive.
        let running = Running::start(responding().concurrency_limit(1));
        let whole = request(&signed(&json!({ "id": "d-1" })));
        for round in 0..12 {
            let mut connection = running.connect().await;
            connection.send(&whole[..whole.len() - 1 - round % 3]).await;
            drop(connection);
        }
        let good = async {
            // The server may not have noticed yet.
            while running.ask(&whole).await.status == 503 {}
        };
        within(good).await;
        check_ok(&running.ask(&whole).await);
        assert_eq!(running.extension().in_flight(), 0);
        running.stop().await;
    }

    /// A handler that tells when it began, waits for the gate, and tells that it came to its end.
    fn waiting() -> (ExtensionBuilder, channel::UnboundedReceiver<&'static str>, Arc<Semaphore>) {
        let (events, tells) = channel::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let handler = {
            let gate = Arc::clone(&gate);
            move || {
                let (gate, events) = (Arc::clone(&gate), events.clone());
                async move {
                    events.send("began").unwrap();
                    gate.acquire().await.unwrap().forget();
                    events.send("ended").unwrap();
                }
            }
        };
        (builder().on("issue.created", "v1", async || ()).on("issue.waiting", "v1", handler), tells, gate)
    }

    fn to_waiting() -> Vec<u8> {
        request(&sign(testing::delivery("issue.waiting", "v1", &json!({}))))
    }

    /// The server does other things, and has seen meanwhile who is gone: it has one worker.
    async fn notice(running: &Running) {
        for _ in 0..5 {
            running.still_responds().await;
        }
    }

    /// A handler comes to its end, though its connection is dropped: with a response unread, which makes it a reset, or
    /// without.
    async fn check_runs_on(reset: bool) {
        let (builder, mut tells, gate) = waiting();
        let running = Running::start(builder);
        let mut connection = running.connect().await;
        if reset {
            connection.send(&good()).await;
            connection.readable().await;
        }
        connection.send(&to_waiting()).await;
        assert_eq!(within(tells.recv()).await, Some("began"));
        drop(connection);
        notice(&running).await;
        assert_eq!(running.extension().in_flight(), 1);
        gate.add_permits(1);
        assert_eq!(within(tells.recv()).await, Some("ended"));
        until(|| running.extension().in_flight() == 0).await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_handler_runs_to_its_end_when_its_sender_hangs_up() {
        check_runs_on(false).await;
    }

    #[tokio::test]
    async fn a_handler_runs_to_its_end_when_its_connection_is_reset() {
        check_runs_on(true).await;
    }

    #[tokio::test]
    async fn a_stop_waits_for_a_handler_whose_sender_is_gone() {
        let (builder, mut tells, gate) = waiting();
        let running = Running::start(builder);
        let mut connection = running.connect().await;
        connection.send(&to_waiting()).await;
        assert_eq!(within(tells.recv()).await, Some("began"));
        drop(connection);
        running.begin_to_stop();
        until(|| running.extension().is_draining()).await;
        gate.add_permits(1);
        running.stopped().await;
        assert_eq!(tells.try_recv(), Ok("ended"));
    }
}

/// Connections that are used more than once.
mod connections {
    use super::*;

    #[tokio::test]
    async fn a_connection_outlives_what_was_refused_over_it() {
        let running = Running::start(responding());
        let mut connection = running.connect().await;
        check_alive(&mut connection).await;
        let unsigned = testing::delivery("issue.created", "v1", &json!({})).sign("another", NOW);
        connection.send(&request(&unsigned)).await;
        assert_eq!(connection.response().await.status, 401);
        check_alive(&mut connection).await;
        for (path, body, status) in [
            ("/v/v1/webhooks/issue.deleted", "{}", 404),
            ("/webhooks/issue.created", "{}", 400),
            ("/v/v1/webhooks/issue.created", "[", 400),
            ("/v/v1/webhooks/issue.created", r#"{"event":"another"}"#, 400),
        ] {
            let delivery = sign(testing::delivery("", "", &()).path(path).body(body));
            for bytes in [request(&delivery), chunked(&delivery, 2)] {
                connection.send(&bytes).await;
                let response = connection.response().await;
                assert_eq!((response.status, response.header("connection")), (status, None), "{path}");
                check_alive(&mut connection).await;
            }
        }
        for (path, status) in [("/nowhere", 404), ("/webhook", 405)] {
            connection.send(&head("GET", path, [])).await;
            assert_eq!(connection.response().await.status, status, "{path}");
            check_alive(&mut connection).await;
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_body_that_is_not_read_ends_its_connection() {
        let running = Running::start(responding().http(|http| http.body_limit(100)));
        let delivery = signed(&json!({}));
        let mut ending = Vec::new();
        for (method, path, status) in [
            ("POST", "/nowhere", 404),
            ("PUT", "/webhook", 405),
            ("POST", "/health", 405),
            ("POST", "/v/v1/webhooks/issue.created", 413),
        ] {
            let endless = [("transfer-encoding".to_owned(), "chunked".to_owned())];
            let announced = [("content-length".to_owned(), "1000".to_owned())];
            for (length, begun) in [(&endless, "80\r\n"), (&announced, "")] {
                let mut connection = running.connect().await;
                connection.send(&head(method, path, delivery.headers.iter().chain(length))).await;
                connection.try_send(format!("{begun}{}", "x".repeat(128)).as_bytes()).await;
                let response = connection.response().await;
                response.is_well_formed();
                assert_eq!(
                    (response.status, response.header("connection")),
                    (status, Some("close")),
                    "{method} {path}"
                );
                ending.push(connection);
            }
        }
        for connection in &mut ending {
            connection.end().await;
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_connection_outlives_503() {
        let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
            move || {
                let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
                async move {
                    entered.add_permits(1);
                    gate.acquire().await.unwrap().forget();
                }
            }
        };
        let running = Running::start(builder().concurrency_limit(1).on("issue.created", "v1", handler));
        let (mut first, mut second) = (running.connect().await, running.connect().await);
        first.send(&good()).await;
        within(entered.acquire()).await.unwrap().forget();
        for _ in 0..3 {
            second.send(&good()).await;
            let response = second.response().await;
            check(&response, 503, "overloaded");
            assert_eq!(response.header("connection"), None);
        }
        gate.add_permits(2);
        check_ok(&first.response().await);
        check_alive(&mut second).await;
        running.stop().await;
    }

    #[tokio::test]
    async fn requests_sent_at_once_get_their_responses_in_order() {
        let echo = async |payload: Payload| Json(payload["n"].clone());
        let running = Running::start(builder().on("issue.created", "v1", echo));
        let all: Vec<u8> = (0..40).flat_map(|n| request(&signed(&json!({ "n": n })))).collect();
        let mut connection = running.connect().await;
        connection.send(&all).await;
        for n in 0..40 {
            assert_eq!(connection.response().await.json(), json!(n));
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_sender_that_expects_a_continue_gets_one() {
        let running = Running::start(responding());
        let delivery =
            sign(testing::delivery("issue.created", "v1", &json!({})).header("Expect", "100-continue"));
        let whole = request(&delivery);
        let mut connection = running.connect().await;
        connection.send(&whole[..whole.len() - 2]).await;
        let go_on = connection.response_without_body().await;
        assert_eq!((go_on.status, go_on.headers.len()), (100, 0));
        connection.send(&whole[whole.len() - 2..]).await;
        check_ok(&connection.response().await);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_request_of_http_1_0_gets_a_response_and_a_close() {
        let running = Running::start(responding());
        let mut connection = running.connect().await;
        let text = String::from_utf8(good()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        connection.send(text.as_bytes()).await;
        check_ok(&connection.response().await);
        assert!(connection.end().await.is_empty());
        running.stop().await;
    }
}

/// Handlers that take too long.
mod deadlines {
    use super::*;

    #[tokio::test]
    async fn a_handler_that_waits_past_its_deadline_is_504() {
        let endless = async || std::future::pending::<()>().await;
        let running = Running::start(responding().on("issue.waiting", "v1", endless).handler_timeout(SHORT));
        let delivery = sign(testing::delivery("issue.waiting", "v1", &json!({ "id": "d-1" })));
        let mut connection = running.connect().await;
        connection.send(&request(&delivery)).await;
        let response = connection.response().await;
        check(&response, 504, "deadline_exceeded");
        assert_eq!(response.json()["delivery_id"], "d-1");
        check_alive(&mut connection).await;
        assert_eq!(running.extension().in_flight(), 0);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_handler_that_blocks_its_thread_is_504_and_others_respond() {
        let (events, mut tells) = channel::unbounded_channel();
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let blocking = move |context: Context| {
            let (events, released) = (events.clone(), Arc::clone(&released));
            async move {
                events.send(()).unwrap();
                released.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
                while !context.remaining().is_zero() {
                    std::hint::spin_loop();
                }
            }
        };
        let where_it_runs = async || Json(format!("{:?}", std::thread::current().id()));
        let running = Running::start(
            builder()
                .http(|http| http.workers(2))
                .handler_timeout(SHORT)
                .on("issue.created", "v1", where_it_runs)
                .on("issue.blocking", "v1", blocking),
        );
        let (mut one, mut other) = on_two_threads(&running).await;
        one.send(&request(&sign(testing::delivery("issue.blocking", "v1", &json!({}))))).await;
        within(tells.recv()).await.unwrap();
        for _ in 0..10 {
            other.send(&good()).await;
            assert_eq!(other.response().await.status, 200);
        }
        release.send(()).unwrap();
        check(&one.response().await, 504, "deadline_exceeded");
        one.send(&good()).await;
        assert_eq!(one.response().await.status, 200);
        running.stop().await;
    }

    /// Two connections of different workers.
    async fn on_two_threads(running: &Running) -> (Connection, Connection) {
        let mut first = running.connect().await;
        first.send(&good()).await;
        let thread = first.response().await.json();
        for _ in 0..50 {
            let mut second = running.connect().await;
            second.send(&good()).await;
            if second.response().await.json() != thread {
                return (first, second);
            }
        }
        panic!("all connections went to one worker");
    }
}

#[tokio::test]
async fn a_client_signs_what_the_extension_verifies() {
    let running = Running::start(responding());
    let body = b"{}";
    let mut delivery = signed(&json!({}));
    delivery.headers.retain(|(name, _)| name != "x-kiket-signature");
    let signature = kiket::signature::sign(SECRET, NOW, body);
    delivery.headers.push(("X-Kiket-Signature".into(), format!("sha256={}", signature.to_uppercase())));
    check_ok(&running.ask(&request(&delivery)).await);
    running.stop().await;
}
