//! Whatever path, headers and query say: nothing panics, what is accepted is of the grammar, and how a name is spelled
//! changes nothing.
//!
//! The line is the event's segment, the version's segment and the query, with spaces between; `-` is a segment that is
//! not there. The body is two texts that could be names, in lines.

#![no_main]

mod request;

use kiket_runtime::{EventName, EventVersion, Headers, internals::route};
use libfuzzer_sys::{Corpus, fuzz_target};
use request::Request;

const HEADER: &str = "x-kiket-event-version";

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(request) = Request::read(input) else { return Corpus::Reject };
    let mut words = request.line.splitn(3, ' ');
    let mut segment = || words.next().filter(|word| *word != "-");
    let (event, version) = (segment(), segment());
    let query = words.next().unwrap_or_default();

    let (events, versions) = route(event, version, query, &request.headers());
    match events {
        Ok(Some(name)) => check_event(&name),
        Ok(None) => assert_eq!(event, None),
        Err(code) => assert_eq!((code, event.is_some()), ("malformed_event", true)),
    }
    match versions {
        Ok(written) => {
            check_version(&written);
            // Every header that says anything says the same.
            for said in request.all(HEADER) {
                let said = str::from_utf8(said).unwrap().trim();
                assert!(said.is_empty() || said.parse() == written.parse::<EventVersion>());
            }
        }
        Err("version_missing") => {
            let blank = |said: &[u8]| str::from_utf8(said).is_ok_and(|said| said.trim().is_empty());
            assert!(request.all(HEADER).into_iter().all(blank));
        }
        Err(code) => assert!(["malformed_version", "versions_conflict"].contains(&code), "{code}"),
    }

    let Ok(body) = str::from_utf8(request.body) else { return Corpus::Keep };
    let (one, other) = body.split_once('\n').unwrap_or((body, ""));
    for text in [one, other] {
        assert_eq!(text.parse::<EventName>().is_ok(), is_event(text), "{text:?}");
        assert_eq!(text.parse::<EventVersion>().is_ok(), is_version(text), "{text:?}");
    }
    if let (Ok(a), Ok(b)) = (one.parse::<EventVersion>(), other.parse::<EventVersion>()) {
        assert_eq!(a == b, normal(one) == normal(other), "{one} {other}");
    }
    Corpus::Keep
});

fn check_event(name: &str) {
    assert!(is_event(name), "{name:?}");
    assert_eq!(name.parse::<EventName>().unwrap().as_str(), name);
    for segment in [name.to_owned(), encoded(name)] {
        let (found, _) = route(Some(&segment), None, "", &Headers::default());
        assert_eq!(found.unwrap().as_deref(), Some(name));
    }
}

fn check_version(written: &str) {
    assert!(is_version(written), "{written:?}");
    let version: EventVersion = written.parse().unwrap();
    assert_eq!(version.as_str(), written);
    assert_eq!(normal(written).parse(), Ok(version));
    let ask = |segment: Option<&str>, query: &str, header: Option<&str>| {
        let headers = header.into_iter().map(|value| (HEADER, value)).collect();
        route(None, segment, query, &headers).1.unwrap()
    };
    assert_eq!(ask(Some(written), "", None), written);
    assert_eq!(ask(Some(&encoded(written)), "", Some(" ")), written);
    assert_eq!(ask(None, "", Some(&format!(" {written}\t"))), written);
    assert_eq!(ask(None, &format!("a=b&version=+{}&", encoded(written)), None), written);
    // The first that was written stands for all.
    assert_eq!(ask(Some(written), "version=", Some(&normal(written))), written);
}

/// Every byte in percent-encoding.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn is_event(text: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let segments: Vec<_> = text.split('.').collect();
    let whole = segments.iter().all(|segment| !segment.is_empty() && segment.bytes().all(byte));
    whole && segments.len() <= 8 && text.len() <= 128
}

fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix(['v', 'V']).unwrap_or(text).split('.');
    let number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    numbers.into_iter().all(number) && text.len() <= 16
}

/// A version without `v`, leading zeros and trailing `.0`.
fn normal(text: &str) -> String {
    let number = |number: &str| match number.trim_start_matches('0') {
        "" => "0".to_owned(),
        number => number.to_owned(),
    };
    let mut numbers: Vec<_> = text.strip_prefix(['v', 'V']).unwrap_or(text).split('.').map(number).collect();
    while numbers.len() > 1 && numbers.last().is_some_and(|number| number == "0") {
        numbers.pop();
    }
    numbers.join(".")
}
