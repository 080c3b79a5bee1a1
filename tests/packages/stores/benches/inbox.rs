//! What the inbox in PostgreSQL can do, as Markdown tables: accepts, and claims with a backlog.
//!
//! ```text
//! cargo bench -p stores --bench inbox [-- --rows 1000000 --lane 20000 --seconds 5]
//! ```
//!
//! The PostgreSQL of the bench waits for the disk, as one in production does; `KIKET_TEST_POSTGRES_URL` names another one, whose
//! table `kiket_inbox` grows. The bench fails on a wrong result, never on a time.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kiket::{
    dedupe::{DedupeKey, LeaseState, LeaseToken},
    inbox::{Acceptance, ClaimRequest, HandlerName, Inbox, NewWork, PostgresInbox, WorkEnd},
};
use stores::Postgres;
use tokio::runtime::Runtime;

const EVENT: &str = "issue.created";

struct Options {
    rows: usize,
    lane: usize,
    time: Duration,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        // As `cargo test --all-targets` runs it: only to see that it works.
        let bench = arguments.iter().any(|argument| argument == "--bench");
        let (rows, lane, seconds) = if bench { (1_000_000, 20_000, 5.0) } else { (500, 50, 0.1) };
        let number = |name: &str, default: f64| -> Result<f64, Box<dyn Error>> {
            let place = arguments.iter().position(|argument| argument == name);
            Ok(place.and_then(|place| arguments.get(place + 1)).map_or(Ok(default), |value| value.parse())?)
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
        let amount = |name, default: u32| number(name, f64::from(default)).map(|amount| amount as usize);
        Ok(Self {
            rows: amount("--rows", rows)?,
            lane: amount("--lane", lane)?,
            time: Duration::from_secs_f64(number("--seconds", seconds)?),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    let Some(postgres) = Postgres::start_synced() else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let inbox = Arc::new(postgres.inbox());
    runtime.block_on(inbox.check())?;
    accepts(&runtime, &inbox, &options)?;
    runtime.block_on(async {
        println!("\n| claim of 1 and its end | p50, ms | p99, ms |\n|---|---|---|");
        for rows in [0, options.rows] {
            let space = format!("bench-{}", LeaseToken::unique());
            fill(&postgres, &space, rows, "NULL", "'o' || n % 1000", "'waiting'").await;
            for number in 0..200 {
                let first = work(&space, &format!("first-{number}"));
                assert!(matches!(inbox.accept(&first, None).await?, Acceptance::Accepted(_)));
            }
            claims(&inbox, &space, &format!("{rows} rows of 1,000 organisations wait")).await?;
        }
        let space = format!("bench-{}", LeaseToken::unique());
        let state = "CASE WHEN n = 1 THEN 'waiting' ELSE 'behind' END";
        fill(&postgres, &space, options.lane, "'lane'", "'acme'", state).await;
        claims(&inbox, &space, &format!("one lane of {} rows", options.lane)).await?;
        let space = format!("bench-{}", LeaseToken::unique());
        fill(&postgres, &space, options.rows / 10, "NULL", "'acme'", "'waiting'").await;
        claims(&inbox, &space, &format!("one organisation has {} rows", options.rows / 10)).await
    })
}

fn work(space: &str, key: &str) -> NewWork {
    NewWork {
        space: space.to_owned(),
        key: DedupeKey::new(space, key),
        handler: HandlerName::new(EVENT, "v1"),
        organisation: "acme".to_owned(),
        lane: None,
        blocks_lane: false,
        delay: Duration::ZERO,
        content: vec![1; 1024].into(),
    }
}

fn accepts(runtime: &Runtime, inbox: &Arc<PostgresInbox>, options: &Options) -> Result<(), Box<dyn Error>> {
    println!("\n| senders, rows of 1 KiB | accepts/s | p50, ms | p99, ms |\n|---|---|---|---|");
    for senders in [1, 16, 64] {
        for lanes in [false, true] {
            let space = format!("bench-{}", LeaseToken::unique());
            let (next, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + options.time);
            let sending = (0..senders).map(|_| {
                let (inbox, next, space) = (Arc::clone(inbox), Arc::clone(&next), space.clone());
                runtime.spawn(async move {
                    let mut took = Vec::new();
                    while Instant::now() < until {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let lane = lanes.then(|| (number % 1000).to_string());
                        let work = NewWork { lane, ..work(&space, &number.to_string()) };
                        let from = Instant::now();
                        assert!(matches!(inbox.accept(&work, None).await, Ok(Acceptance::Accepted(_))));
                        took.push(from.elapsed());
                    }
                    took
                })
            });
            let mut took = Vec::new();
            for sent in sending.collect::<Vec<_>>() {
                took.extend(runtime.block_on(sent)?);
            }
            #[expect(clippy::cast_precision_loss, reason = "far less than 2^52 accepts")]
            let rate = took.len() as f64 / options.time.as_secs_f64();
            let (p50, p99) = quantiles(took);
            let kind = if lanes { ", 1,000 lanes" } else { "" };
            println!("| {senders}{kind} | {rate:.0} | {p50:.2} | {p99:.2} |");
        }
    }
    Ok(())
}

/// Adds rows as they are when they were accepted.
async fn fill(postgres: &Postgres, space: &str, rows: usize, lane: &str, organisation: &str, state: &str) {
    postgres
        .execute(&format!(
            "INSERT INTO kiket_inbox
               (space, key, event, version, organisation, lane, blocks_lane, state, accepted_at, at, content)
             SELECT '{space}', n::text, '{EVENT}', 'v1', {organisation}, {lane}, false, {state}, n, n, '\\x01'
             FROM generate_series(1, {rows}) AS n"
        ))
        .await;
}

async fn claims(inbox: &PostgresInbox, space: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut request = ClaimRequest {
        space: space.to_owned(),
        handlers: (0..10).map(|number| HandlerName::new(format!("event.{number}"), "v1")).collect(),
        limit: 1,
        is_idle: false,
        lease: Duration::from_secs(30),
        after: String::new(),
    };
    request.handlers.push(HandlerName::new(EVENT, "v1"));
    let (mut claiming, mut ending) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let from = Instant::now();
        let claimed = inbox.claim(&request, None).await?;
        claiming.push(from.elapsed());
        let Some(work) = claimed.first() else { break };
        request.after.clone_from(&work.organisation);
        let from = Instant::now();
        assert_eq!(inbox.finish(&work.lease, &WorkEnd::Done, None).await?, LeaseState::Held);
        ending.push(from.elapsed());
    }
    for (step, took) in [("claim", claiming), ("end", ending)] {
        let (p50, p99) = quantiles(took);
        println!("| {step}: {name} | {p50:.2} | {p99:.2} |");
    }
    Ok(())
}

/// The median and the 99th of a hundred, in milliseconds.
fn quantiles(mut took: Vec<Duration>) -> (f64, f64) {
    took.sort();
    let at = |percent: usize| {
        took.get((took.len().saturating_sub(1)) * percent / 100).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    (at(50), at(99))
}
