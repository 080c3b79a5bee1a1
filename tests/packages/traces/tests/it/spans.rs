//! The spans of deliveries and calls: their traces, their parents, and what they say.

use std::collections::BTreeSet;

use extension_process::{Ended, SECRET, get, post, signed};
use kiket::testing::{FakePlatform, delivery};
use serde_json::{Value, json};
use traces::{Collector, Manner, Span};

use super::{counted, traced};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SENDER: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{SENDER}-{flags}")
}

/// A signed delivery with a `traceparent`, as bytes.
fn with_parent(event: &str, id: &str, parent: &str) -> Vec<u8> {
    let signed = signed(event, "v1", &json!({ "id": id }));
    let text = String::from_utf8(signed).unwrap();
    text.replacen("\r\n", &format!("\r\ntraceparent: {parent}\r\n"), 1).into_bytes()
}

#[track_caller]
fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "`{name}` in {spans:#?}");
    found[0]
}

#[tokio::test]
async fn one_trace_goes_through_delivery_handler_and_call() {
    let (collector, platform) = (
        Collector::start(Manner::Takes),
        FakePlatform::builder().webhook_secret(SECRET).clock(kiket::config::Clock::system()).start().unwrap(),
    );
    let running = traced(&collector.url())
        .env("KIKET_BASE_URL", platform.url())
        .env("KIKET_WORKSPACE_TOKEN", platform.token())
        .env("KIKET_EXTENSION_API_KEY", platform.api_key())
        .start();
    let issue = delivery("issue.created", "v1", &json!({ "id": "d-1" }))
        .header("traceparent", traceparent("01"))
        .header("tracestate", "vendor=1");
    let attempt = platform.deliver_to(&format!("http://{}", running.address()), issue).await;
    assert_eq!(attempt.status, Some(200), "{}", running.log().text());
    let ended = running.stop();
    let spans = collector.spans();
    let (handled, own, call) =
        (only(&spans, "delivery issue.created"), only(&spans, "look up"), only(&spans, "GET rate_limit"));
    for span in [handled, own, call] {
        assert_eq!(span.trace, TRACE, "{span:?}");
    }
    assert_eq!((&*handled.parent, &own.parent, &call.parent), (SENDER, &handled.id, &own.id));
    assert_eq!([handled.kind, own.kind, call.kind], [2, 1, 3]);
    let attributes: Vec<_> = handled.attributes.iter().map(|(name, value)| (&**name, &**value)).collect();
    let expected = [
        ("code", "ok"),
        ("delivery_id", "d-1"),
        ("event", "issue.created"),
        ("handler", "traced::calls"),
        ("status", "200"),
        ("version", "v1"),
    ];
    assert_eq!(attributes, expected);
    let attributes: Vec<_> = call.attributes.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(attributes, [("family", "rate_limit"), ("method", "GET"), ("status", "200")]);
    // What the platform saw is the span of the call.
    let calls = platform.calls_to("GET", "/api/v1/ext/rate_limit");
    assert_eq!(calls[0].header("traceparent").unwrap(), format!("00-{TRACE}-{}-01", call.id));
    assert_eq!(calls[0].header("tracestate"), Some("vendor=1"));
    assert_eq!(collector.resource()["service.name"], "tested");
    check_log(&ended, handled);
}

/// Lines of the delivery name its trace, and are what they are without traces otherwise.
#[track_caller]
fn check_log(ended: &Ended, handled: &Span) {
    let log = ended.log();
    let of = |message: &str| {
        log.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{}", ended.stdout))
    };
    for message in ["a line of the handler", "delivery handled"] {
        let line = of(message);
        assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(TRACE), &json!(handled.id)), "{line}");
        let span = json!({ "name": "delivery", "event": "issue.created", "version": "v1", "handler": "traced::calls", "delivery_id": "d-1" });
        assert_eq!(line["span"], span);
    }
    let keys: BTreeSet<_> = of("delivery handled").as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["duration_ms", "level", "message", "span", "span_id", "status", "timestamp", "trace_id"];
    assert_eq!(keys, BTreeSet::from(expected));
    assert_eq!(of("listening")["trace_id"], Value::Null);
}

#[test]
fn a_traceparent_of_a_stranger_is_a_link_and_no_parent() {
    let collector = Collector::start(Manner::Takes);
    let running = traced(&collector.url()).start();
    let forged =
        delivery("issue.created", "v1", &json!({ "id": "d" })).header("traceparent", traceparent("01"));
    let forged = post(&forged.sign("sh_of_a_stranger", 1));
    for _ in 0..20 {
        assert_eq!(running.ask(&forged).status, 401);
    }
    let unknown = with_parent("no.handler", "d", &traceparent("01"));
    assert_eq!(running.ask(&unknown).status, 404);
    let ended = running.stop();
    let spans = collector.spans();
    let refused: Vec<_> = spans.iter().filter(|span| span.name == "refused delivery").collect();
    let (strangers, ours): (Vec<&Span>, Vec<&Span>) =
        refused.into_iter().partition(|span| span.attributes["status"] == "401");
    for span in &strangers {
        assert_ne!(span.trace, TRACE);
        assert_eq!((&*span.parent, &span.links[..]), ("", &[(TRACE.to_owned(), SENDER.to_owned())][..]));
        assert_eq!(span.attributes["code"], "timestamp_outside_window");
    }
    assert!((1..10).contains(&strangers.len()), "one a second: {}", strangers.len());
    assert_eq!(
        (ours.len(), &*ours[0].trace, &*ours[0].parent, &*ours[0].attributes["code"]),
        (1, TRACE, SENDER, "no_handler")
    );
    assert_eq!(counted(&ended), (spans.len() as u64, 0));
}

#[test]
fn a_traceparent_that_is_none_begins_a_trace() {
    let collector = Collector::start(Manner::Takes);
    let running = traced(&collector.url()).start();
    for wrong in ["", "x", "00-0-0-01", &"0".repeat(5000), &traceparent("01").to_uppercase()] {
        assert_eq!(running.ask(&with_parent("always.fails", wrong, wrong)).status, 500);
    }
    assert_eq!(running.stop().code, Some(0));
    let spans = collector.spans();
    let failed: Vec<_> = spans.iter().filter(|span| span.name == "delivery always.fails").collect();
    assert_eq!(failed.len(), 5);
    for span in failed {
        assert!(span.parent.is_empty() && span.trace != TRACE && span.links.is_empty(), "{span:?}");
        assert_eq!((span.status, &*span.attributes["code"]), (2, "handler_failed"), "{span:?}");
    }
}

#[test]
fn the_sampler_follows_the_sender() {
    let collector = Collector::start(Manner::Takes);
    let program = traced(&collector.url())
        .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "0");
    let running = program.start();
    assert_eq!(running.ask(&with_parent("spans.burst", "sampled", &traceparent("01"))).status, 200);
    assert_eq!(running.ask(&with_parent("spans.burst", "not", &traceparent("00"))).status, 200);
    assert_eq!(running.ask(&signed("spans.burst", "v1", &json!({ "id": "own" }))).status, 200);
    let ended = running.stop();
    let spans = collector.spans();
    assert_eq!(only(&spans, "delivery spans.burst").attributes["delivery_id"], "sampled");
    assert_eq!((spans.len(), counted(&ended)), (1, (1, 0)));
}

#[test]
fn a_signal_sends_what_waits_for_a_full_batch() {
    let collector = Collector::start(Manner::Takes);
    let running = traced(&collector.url())
        .env("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=canary%20key")
        .start();
    assert_eq!(running.ask(&signed("spans.burst", "v1", &json!({ "id": "d" }))).status, 200);
    assert_eq!(running.ask(&get("/health")).status, 200);
    assert_eq!(collector.requests(), 0);
    let ended = running.stop(); // its log has no `canary`
    assert_eq!((ended.code, collector.requests()), (Some(0), 1));
    let spans = collector.spans();
    only(&spans, "delivery spans.burst");
    assert!(collector.headers().contains(&"x-key: canary key".to_owned()), "{:?}", collector.headers());
    assert!(collector.headers()[0].starts_with("POST /v1/traces "));
}

#[test]
fn a_start_that_fails_sends_its_spans() {
    let collector = Collector::start(Manner::Takes);
    let ended = traced(&collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "600000").env("FAILS", "").run();
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("setup fails"), "{}", ended.stderr);
    only(&collector.spans(), "setup");
    assert_eq!(counted(&ended), (1, 0));
}

#[test]
fn secrets_are_not_in_spans() {
    let collector = Collector::start(Manner::Takes);
    let running = traced(&collector.url()).start();
    assert_eq!(running.ask(&signed("secret.spilled", "v1", &json!({ "id": "d" }))).status, 200);
    assert_eq!(running.stop().code, Some(0));
    let spans = collector.spans();
    let spilled = only(&spans, "spills");
    assert_eq!(spilled.attributes["number"], "7");
    assert!(!format!("{spans:?}").contains("canary"), "{spans:#?}");
    assert!(spans.iter().all(|span| span.name != "not sent"));
}
