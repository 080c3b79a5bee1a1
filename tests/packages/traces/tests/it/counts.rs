//! Every span is exported or lost, and the log says how many of each.

use std::time::{Duration, Instant};

use extension_process::{Ended, Program, signed};
use serde_json::{Value, json};
use traces::{Collector, Manner};

use super::{counted, sending, traced};

const BURST: u64 = 5_000;
/// The burst, its delivery, and the span of the setup.
const MADE: u64 = BURST + 2;

/// Starts the program, sends a burst, and stops it.
#[track_caller]
fn burst(program: Program) -> Ended {
    burst_until(program, || {})
}

/// The same, and stops it when all have arrived: on a busy machine that may take longer than a flush.
#[track_caller]
fn burst_into(collector: &Collector) -> Ended {
    let all = usize::try_from(MADE).unwrap();
    burst_until(traced(&collector.url()), || collector.wait_for_spans(all))
}

#[track_caller]
fn burst_until(program: Program, stopped: impl FnOnce()) -> Ended {
    let running = program.start();
    let burst = signed("spans.burst", "v1", &json!({ "id": "b", "spans": BURST }));
    assert_eq!(running.ask(&burst).status, 200);
    stopped();
    let ended = running.stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    ended
}

/// The reason that the log has for lost spans.
fn reason(ended: &Ended) -> String {
    let log = ended.log();
    let line = log.iter().find(|line| line["message"] == "spans are lost");
    line.and_then(|line| line["reason"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_burst_arrives_to_the_last_span() {
    let collector = Collector::start(Manner::Takes);
    let ended = burst_into(&collector);
    assert_eq!(counted(&ended), (MADE, 0), "{}", ended.stdout);
    assert_eq!(collector.spans().len() as u64, MADE);
}

#[test]
fn a_collector_that_is_busy_is_asked_again() {
    let collector = Collector::start(Manner::TakesAfter(1));
    let ended = burst_into(&collector);
    assert_eq!(counted(&ended), (MADE, 0), "{}", ended.stdout);
    assert_eq!(collector.spans().len() as u64, MADE);
}

#[test]
fn a_collector_that_is_down_loses_all_and_the_log_says_so() {
    let from = Instant::now();
    let ended = burst(traced(&Collector::down()));
    assert_eq!(counted(&ended), (0, MADE), "{}", ended.stdout);
    assert!(from.elapsed() < Duration::from_secs(60), "{:?}", from.elapsed());
}

#[test]
fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let collector = Collector::start(Manner::Hangs);
    let ended = burst(traced(&collector.url()));
    assert_eq!(counted(&ended), (0, MADE), "{}", ended.stdout);
    assert_eq!(collector.spans().len(), 0);
}

#[test]
fn a_collector_that_leaves_has_what_is_counted() {
    let collector = Collector::start(Manner::LeavesAfter(3));
    let ended = burst(traced(&collector.url()));
    let (exported, lost) = counted(&ended);
    assert_eq!(exported + lost, MADE, "{}", ended.stdout);
    assert_eq!(collector.spans().len() as u64, exported);
    assert!(lost > 0, "{}", ended.stdout);
}

#[test]
fn what_a_collector_refuses_is_lost_and_not_sent_again() {
    let collector = Collector::start(Manner::Responds(401));
    let ended = burst(
        traced(&collector.url())
            .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8192")
            .env("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    );
    assert_eq!(counted(&ended), (0, MADE), "{}", ended.stdout);
    assert_eq!(
        (collector.requests(), reason(&ended).as_str()),
        (1, "the collector responded 401 Unauthorized")
    );
}

#[test]
fn what_a_collector_rejects_of_a_request_is_lost() {
    let collector = Collector::start(Manner::Rejects(3));
    let ended = burst_into(&collector);
    let requests = collector.requests() as u64;
    assert_eq!(counted(&ended), (MADE - 3 * requests, 3 * requests), "{}", ended.stdout);
    assert_eq!(reason(&ended), "the collector rejected spans: too many");
}

#[test]
fn a_full_queue_loses_spans_and_counts_them() {
    let collector = Collector::start(Manner::Takes);
    let program = traced(&collector.url())
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "100")
        .env("OTEL_BSP_SCHEDULE_DELAY", "600000");
    let (exported, lost) = counted(&burst(program));
    assert_eq!(exported + lost, MADE);
    assert_eq!(collector.spans().len() as u64, exported);
    assert!(exported >= 100, "{exported}");
}

#[test]
fn a_program_of_ones_own_counts_too() {
    for twice in [false, true] {
        let collector = Collector::start(Manner::Takes);
        let program = sending(env!("CARGO_BIN_EXE_traced_by_hand"), &collector.url()).env("PORT", "0");
        let program = if twice { program.env("TWICE", "") } else { program };
        let process = program.spawn();
        assert!(process.stdout().find(|line| line.contains("listening").then_some(())).is_some());
        process.signal("TERM");
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(
            ended.stdout.contains("stats: Stats { exported: 1, lost: 0, queued: 0 }"),
            "{}",
            ended.stdout
        );
        assert_eq!(collector.spans().len(), 1);
    }
}

#[test]
fn metrics_have_the_counts() {
    let collector = Collector::start(Manner::Takes);
    let running = traced(&collector.url())
        .env("KIKET_METRICS_ADDR", "127.0.0.1:0")
        .env("OTEL_BSP_SCHEDULE_DELAY", "1")
        .start();
    collector.wait_for_requests(1);
    let line = running.logged("listening");
    let url = line["metrics"].as_str().unwrap();
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut connection = extension_process::Connection::open(address.parse().unwrap()).unwrap();
    connection.send(&extension_process::get("/metrics")).unwrap();
    let page = connection.response().unwrap().body;
    for series in [
        "kiket_spans_total{result=\"exported\"} ",
        "kiket_spans_total{result=\"lost\"} 0",
        "kiket_spans_queued ",
    ] {
        assert!(page.contains(series), "{page}");
    }
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn what_the_variables_cannot_mean_is_in_the_log() {
    let ended = burst(traced("not an address"));
    let log = ended.log();
    let errors: Vec<_> = log.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 1, "{}", ended.stdout);
    assert!(
        errors[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("`OTEL_EXPORTER_OTLP_ENDPOINT` is not the address")
    );
    let off = burst(traced("not an address").env("OTEL_SDK_DISABLED", "true"));
    for line in off.log() {
        assert!(line["level"] != "ERROR" && line["trace_id"] == Value::Null, "{line}");
        assert!(!line["message"].as_str().unwrap().starts_with("traces"), "{line}");
    }
}
