//! Failures that a test orders.

use crate::platform::tests::*;

#[test]
fn failures_respond_as_ordered() {
    #[track_caller]
    fn check(failure: Failure, status: u16, body: &[u8], header: Option<(&str, &str)>) {
        let platform = platform();
        platform.fail(failure.times(1));
        let response = ask("GET", SECRETS).check(&platform, status);
        assert_eq!(response.body, body, "{}", String::from_utf8_lossy(&response.body));
        if let Some((name, value)) = header {
            assert_eq!(response.header(name), Some(value));
        }
        assert_eq!(platform.calls()[0].status(), Some(status));
        ask("GET", SECRETS).check(&platform, 200);
    }
    check(Failure::status(503), 503, br#"{"error":"Service Unavailable"}"#, None);
    let refused = br#"{"error":"Too Many Requests"}"#;
    check(Failure::status(429).retry_after(7), 429, refused, Some(("retry-after", "7")));
    let date = "Fri, 31 Dec 1999 23:59:59 GMT";
    let dated = Failure::status(503).header("Retry-After", date).with_body("busy");
    check(dated, 503, b"busy", Some(("retry-after", date)));
    check(Failure::status(204), 204, b"", None);
    check(Failure::body("null"), 200, b"null", Some(("content-type", "application/json")));
    check(Failure::body([0xff, 0xfe]), 200, &[0xff, 0xfe], None);
    check(Failure::redirect("http://127.0.0.1:1/x"), 307, b"", Some(("location", "http://127.0.0.1:1/x")));
    check(Failure::oversize(20), 200, br#"{"data":"xxxxxxxxx"}"#, None);
    check(Failure::delay(Duration::from_millis(1)), 200, br#"{"keys":[]}"#, None);
    check(Failure::status(200).with_effect(), 200, br#"{"error":"OK"}"#, None);
    check(
        Failure::status(500).header("x-ratelimit-limit", "9"),
        500,
        br#"{"error":"Internal Server Error"}"#,
        Some(("x-ratelimit-limit", "9")),
    );
}

#[test]
fn bad_json_is_no_json() {
    let platform = platform();
    platform.fail(Failure::bad_json());
    let response = ask("GET", SECRETS).check(&platform, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert!(serde_json::from_slice::<Value>(&response.body).is_err());
}

#[test]
fn an_oversize_response_is_json_of_that_size() {
    let platform = platform();
    platform.fail(Failure::oversize(3_000_000));
    let response = ask("GET", SECRETS).check(&platform, 200);
    assert_eq!(response.body.len(), 3_000_000);
    assert!(response.json()["data"].is_string());
}

#[test]
fn a_delayed_response_is_late() {
    let platform = platform();
    platform.fail(Failure::delay(Duration::from_millis(60)).times(1));
    let began = Instant::now();
    ask("GET", SECRETS).check(&platform, 200);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_closed_connection_brings_no_byte() {
    let platform = platform();
    platform.fail(Failure::close());
    let bytes = ask("DELETE", &format!("{SECRETS}/A")).raw(&platform);
    assert_eq!(bytes, b"");
    assert_eq!(platform.calls()[0].status(), None);
}

#[test]
fn a_cut_response_ends_in_its_body_and_has_its_effect() {
    let platform = platform();
    platform.set_secret("A", "a".repeat(100));
    platform.fail(Failure::cut());
    for (method, path) in [("GET", format!("{SECRETS}/A")), ("DELETE", format!("{SECRETS}/A"))] {
        let response = ask(method, &path).send(&platform);
        let announced: usize = response.header("content-length").unwrap().parse().unwrap();
        assert!(
            !response.body.is_empty() && response.body.len() < announced,
            "{} of {announced}",
            response.body.len()
        );
    }
    assert_eq!(platform.secret("A"), None);
}

#[test]
fn an_endless_response_goes_on_until_the_reader_hangs_up() {
    let platform = platform();
    platform.fail(Failure::endless().times(1));
    let stream = ask("GET", SECRETS).begin(&platform);
    let read = io::copy(&mut stream.take(4 * 1024 * 1024), &mut io::sink()).unwrap();
    assert_eq!(read, 4 * 1024 * 1024);
    ask("GET", SECRETS).check(&platform, 200);
}

#[test]
fn a_hanging_call_blocks_no_other_and_ends_with_the_platform() {
    let platform = platform();
    platform.fail(Failure::hang().when(|call| call.path().ends_with("/hang")));
    platform.fail(Failure::stall().when(|call| call.path().ends_with("/secrets/stall")));
    platform.fail(Failure::delay(Duration::from_secs(3600)).when(|call| call.path().ends_with("/slow")));
    platform.set_secret("stall", "s".repeat(50));
    let waiting =
        ["/hang", &format!("{SECRETS}/stall"), "/slow"].map(|path| ask("GET", path).begin(&platform));
    ask("GET", SECRETS).check(&platform, 200);
    // Dropped elsewhere, so that a drop that hangs fails the test.
    let (dropped, is_dropped) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(platform);
        dropped.send(()).unwrap();
    });
    is_dropped.recv_timeout(BOUND).expect("a platform with waiting calls is dropped at once");
    dropping.join().unwrap();
    for (mut stream, is_stalled) in waiting.into_iter().zip([false, true, false]) {
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        assert_eq!(!bytes.is_empty(), is_stalled);
    }
}

#[test]
fn a_dropped_platform_listens_no_more() {
    let platform = platform();
    let address = platform.address();
    ask("GET", SECRETS).check(&platform, 200);
    drop(platform);
    assert!(TcpStream::connect_timeout(&address, BOUND).is_err());
}

#[test]
fn the_first_failure_that_fits_happens_as_often_as_ordered() {
    let platform = platform();
    platform.fail(Failure::status(500).times(0));
    platform.fail(Failure::status(501).times(2).when(|call| call.method() == "DELETE"));
    platform.fail(Failure::status(502).times(1));
    platform.fail(Failure::status(503));
    let statuses: Vec<_> = ["GET", "DELETE", "GET", "DELETE", "DELETE"]
        .into_iter()
        .map(|method| ask(method, &format!("{SECRETS}/A")).send(&platform).status)
        .collect();
    assert_eq!(statuses, [502, 501, 503, 501, 503]);
    platform.clear_failures();
    ask("GET", &format!("{SECRETS}/A")).check(&platform, 404);
    // What failed by order did not count.
    assert_eq!(ask("GET", SECRETS).send(&platform).header("x-ratelimit-remaining"), Some("598"));
}
