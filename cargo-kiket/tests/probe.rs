//! `probe` as a process: against an extension of kiket, and against servers that have one fault each.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};

use kiket_runtime::{
    Extension, Headers, Secret,
    signature::{Verifier, sign},
};
use serde_json::Value;

const SECRET: &str = "canary-0123456789abcdef";
/// How long a server here waits for a body: long enough for the slowest machine to send a real one.
const BODY_TIMEOUT: Duration = Duration::from_secs(4);

fn probe(secret: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
    tool.arg("probe").args(arguments).args(["--timeout", "100", "--patience", "100"]);
    tool.current_dir(folder.path()).env("NO_COLOR", "1").env("KIKET_WEBHOOK_SECRET", secret);
    for name in
        ["KIKET_WEBHOOK_SECRET_FILE", "KIKET_WEBHOOK_SECRET_PREVIOUS", "KIKET_WEBHOOK_SECRET_PREVIOUS_FILE"]
    {
        tool.env_remove(name);
    }
    let output = tool.output().unwrap();
    let printed = String::from_utf8([&*output.stdout, &output.stderr].concat()).unwrap();
    assert!(!printed.contains("canary"), "{printed}");
    output
}

/// The checks with this result, by name.
fn with_result(output: &Output, result: &str) -> Vec<String> {
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| check["result"] == result);
    found.map(|check| check["id"].as_str().unwrap().to_owned()).collect()
}

const CHECKS: [&str; 16] = [
    "signed",
    "unsigned",
    "exact-bytes",
    "parsed-first",
    "tampered",
    "stale",
    "future",
    "timestamp",
    "duplicates",
    "form",
    "alike",
    "other-event",
    "oversize",
    "encoding",
    "method",
    "slow-body",
];

/// No attack gets here.
async fn ran() {
    panic!("a handler ran");
}

#[test]
fn an_extension_of_kiket_passes_everything() {
    let (send, receive) = mpsc::channel();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let builder =
                Extension::builder().without_collected().without_manifest().environment::<&str, &str>([]);
            let builder = builder.webhook_secret(SECRET).on("issue.created", "v1", ran);
            let builder = builder.http(|http| {
                http.host("127.0.0.1").port(0).workers(1).body_timeout(BODY_TIMEOUT).prefix("/kiket")
            });
            let server = builder.build().unwrap().bind().unwrap();
            send.send((server.addresses()[0], server.handle())).unwrap();
            server.run().await.unwrap();
        });
    });
    let (address, handle) = receive.recv().unwrap();
    let url = format!("http://{address}/kiket/");
    let output = probe(SECRET, &[&url, "--json"]);
    assert_eq!(with_result(&output, "pass"), CHECKS, "{output:?}");
    assert_eq!(output.status.code(), Some(0));

    // With another secret nothing can be judged, and that is no success.
    let output = probe("another-0123456789abcdef", &[&url]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("the secret is another"), "{output:?}");

    // The address of one event.
    let output = probe(SECRET, &[&format!("http://{address}/kiket/webhooks/kiket.none"), "--json"]);
    assert_eq!(with_result(&output, "fail"), [""; 0], "{output:?}");
    assert_eq!(with_result(&output, "undecided"), ["other-event"], "{output:?}");
    // An address that names no event cannot be of another one.
    let output = probe(SECRET, &[&format!("http://{address}/kiket/webhook"), "--json"]);
    assert_eq!(with_result(&output, "fail"), [""; 0], "{output:?}");
    assert_eq!(with_result(&output, "undecided"), [""; 0], "{output:?}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    handle.stop();
    server.join().unwrap();
}

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It verifies nothing.
    NoCheck,
    /// It verifies what it has parsed.
    AfterParsing,
    /// It takes signatures of any time.
    NoWindow,
    /// It takes the first of two headers.
    FirstHeader,
    /// It verifies the JSON, written anew.
    Reserialised,
}

#[test]
fn a_wrong_server_shows_its_fault_and_no_other() {
    #[track_caller]
    fn check(fault: Fault, expected: &[&str]) {
        let (address, requests) = serve(fault);
        let output = probe(SECRET, &[&format!("http://{address}"), "--json"]);
        assert_eq!(with_result(&output, "fail"), expected, "{fault:?}: {output:?}");
        assert_eq!(with_result(&output, "undecided"), [""; 0], "{fault:?}: {output:?}");
        assert_eq!(output.status.code(), Some(i32::from(!expected.is_empty())), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sent = requests.load(Ordering::SeqCst);
        assert_eq!(report["requests"], sent, "{fault:?}");
        assert!((10..=40).contains(&sent), "{fault:?}: {sent} requests");
    }
    thread::scope(|scope| {
        for (fault, expected) in [
            (Fault::None, &[][..]),
            (Fault::NoCheck, &["unsigned"]),
            (Fault::AfterParsing, &["parsed-first"]),
            (Fault::NoWindow, &["stale", "future"]),
            (Fault::FirstHeader, &["duplicates"]),
            (Fault::Reserialised, &["exact-bytes"]),
        ] {
            scope.spawn(move || check(fault, expected));
        }
    });
}

#[test]
fn a_fault_is_a_line_that_says_why_it_matters() {
    let (address, _) = serve(Fault::NoWindow);
    let output = probe(SECRET, &[&format!("http://{address}")]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("FAIL  stale ")).take(2).collect();
    let docs = include_str!("../../docs/developer-tool.md");
    assert!(
        docs.contains(&format!("```text\n{}\n```\n", lines.join("\n"))),
        "docs/developer-tool.md lacks:\n{text}"
    );
    for check in CHECKS {
        assert!(docs.contains(&format!("`{check}`")), "docs/developer-tool.md lacks `{check}`");
    }
    assert!(text.contains("pass  unsigned      all 4 are refused\n"), "{text}");
}

#[test]
fn only_this_machine_is_probed_unless_it_is_owned() {
    for arguments in [
        &["http://example.com"][..],
        &["http://example.com", "--i-own-this-host", "example.org"],
        &["http://10.0.0.1:1"],
        &["ftp://127.0.0.1"],
        &["nothing"],
    ] {
        assert_eq!(probe(SECRET, arguments).status.code(), Some(64), "{arguments:?}");
    }
    // A port that nothing listens on.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(probe(SECRET, &[&format!("http://{free}")]).status.code(), Some(69));
}

/// A server that is right but for its fault, and how many requests it has got.
fn serve(fault: Fault) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || connection(stream.unwrap(), fault, &counted));
        }
    });
    (address, requests)
}

fn connection(mut stream: TcpStream, fault: Fault, requests: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or_default() == 0 {
        return;
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    stream.set_read_timeout(Some(BODY_TIMEOUT)).unwrap();
    let (status, body) = respond(&first, &headers, &mut reader, fault);
    let response = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(response.as_bytes());
    // The client reads the response before the connection is reset for what it sent beyond.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(&mut reader.take(8 << 20), &mut std::io::sink());
}

const LIMIT: usize = 1 << 20;

fn respond(
    first: &str,
    headers: &[(String, String)],
    reader: &mut BufReader<TcpStream>,
    fault: Fault,
) -> (u16, String) {
    let header = |name: &str| {
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    let (method, path) = first.split_once(' ').unwrap();
    let path = path.split(' ').next().unwrap();
    let refused = |status, why: &str| (status, format!("{{\"error\":\"{why}\"}}"));
    if path == "/health" && method == "GET" {
        return (200, r#"{"registered_events":["issue.created"]}"#.to_owned());
    }
    if method != "POST" {
        return refused(405, "method");
    }
    if header("content-encoding").is_some() {
        return refused(415, "encoding");
    }
    let body = match read_body(header("content-length"), reader) {
        Ok(body) => body,
        Err(status) => return refused(status, "body"),
    };
    let parsed: Option<Value> = serde_json::from_slice(&body).ok();
    if fault == Fault::AfterParsing && parsed.is_none() {
        return refused(400, "json");
    }
    let signed = match (fault, &parsed) {
        (Fault::Reserialised, Some(value)) => value.to_string().into_bytes(),
        _ => body,
    };
    let mut given: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    if fault == Fault::FirstHeader {
        let mut seen = Vec::new();
        given.retain(|(name, _)| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
    }
    let given: Headers = given.into_iter().collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let stated = given.get("x-kiket-timestamp").and_then(|text| text.parse().ok());
    let now = if fault == Fault::NoWindow { stated.unwrap_or(now) } else { now };
    let verified = Verifier::new([&Secret::from(SECRET)]).unwrap().verify(&given, &signed, now);
    if fault != Fault::NoCheck && verified.is_err() {
        return refused(401, "invalid signature");
    }
    let Some(parsed) = parsed else { return refused(400, "json") };
    if path != "/webhooks/issue.created" {
        return refused(404, "no handler");
    }
    if parsed["event"] != "issue.created" {
        return refused(400, "another event");
    }
    (200, "{\"ok\":true}".to_owned())
}

/// The body, or the status of the refusal: too large, or too slow.
fn read_body(length: Option<&str>, reader: &mut BufReader<TcpStream>) -> Result<Vec<u8>, u16> {
    if let Some(length) = length {
        let length: usize = length.parse().unwrap();
        let mut body = vec![0; length];
        if length > LIMIT {
            return Err(413);
        }
        return reader.read_exact(&mut body).map(|()| body).map_err(|_| 503);
    }
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).map_err(|_| 503u16)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| 400u16)?;
        if body.len() + size > LIMIT {
            return Err(413);
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).map_err(|_| 503u16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// The servers here are right about what is right.
#[test]
fn the_server_without_a_fault_accepts_what_is_signed() {
    let (address, _) = serve(Fault::None);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let body = r#"{"event":"issue.created"}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    let signature = sign(SECRET, now, body.as_bytes());
    let request = format!(
        "POST /webhooks/issue.created HTTP/1.1\r\nx-kiket-timestamp: {now}\r\nx-kiket-signature: {signature}\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}
