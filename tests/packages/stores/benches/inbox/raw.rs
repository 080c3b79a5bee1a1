//! What an inbox does in a second, as Markdown tables: accepting, its syncs of the disk, and claiming from a long backlog.
//!
//! ```text
//! cargo bench -p stores --bench inbox [-- [--seconds 3] [--rows 1000000] [--lane 20000] [--url URL]…]
//! ```
//!
//! Without a URL it is SQLite, in a file in the `target` folder. Contents have 1 KiB, and each producer accepts when its last
//! delivery is stored; HTTP is not in it. Syncs are counted by `strace`, in a process of their own. The bench fails on a wrong
//! result, never on a time.

use std::{
    error::Error,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use kiket::{
    dedupe::{DedupeKey, LeaseToken},
    inbox::{Acceptance, ClaimRequest, HandlerName, Inbox, InboxLimits, NewWork, WorkEnd, inbox_from_url},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    seconds: Duration,
    rows: usize,
    lane: usize,
    urls: Vec<String>,
}

impl Options {
    /// ```text
    /// options = *( "--bench" / name value )        cargo bench itself adds `--bench`
    /// ```
    fn read(arguments: &[String]) -> Outcome<Self> {
        // As `cargo test --all-targets` runs it: only to see that it works.
        let is_bench = arguments.iter().any(|argument| argument == "--bench");
        let (seconds, rows, lane) = if is_bench { (3.0, 1_000_000, 20_000) } else { (0.02, 500, 50) };
        let mut options = Self { seconds: Duration::from_secs_f64(seconds), rows, lane, urls: Vec::new() };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            match name.as_str() {
                "--seconds" => {
                    options.seconds = Duration::from_secs_f64(value.parse::<f64>()?.clamp(0.01, 3_600.0));
                }
                "--rows" => options.rows = value.parse::<usize>()?.max(100),
                "--lane" => options.lane = value.parse::<usize>()?.max(10),
                "--url" => options.urls.push(value.clone()),
                _ => {
                    return Err(format!(
                        "`{name}`: the options are `--seconds`, `--rows`, `--lane`, `--url`"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut options = Options::read(&arguments)?;
    // Not in memory, as the folder of temporary files may be.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if options.urls.is_empty() {
        options.urls.push(format!("sqlite:{}", folder.path().join("inbox.db").display()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for url in &options.urls {
        let engine = url.split(':').next().unwrap_or_default();
        println!(
            "\n| {engine}: accept, 1 KiB | per second | p50 | p99 | syncs for each |\n|---|---|---|---|---|"
        );
        for producers in [1, 16, 64] {
            let (rate, mut times) = runtime.block_on(accept(&open(url)?, producers, options.seconds))?;
            let syncs = syncs(url, folder.path(), producers)?;
            println!("| {producers} producers | {rate:.0} | {} | {syncs} |", percentiles(&mut times));
        }
        println!("\n| {engine}: claim | p50 | p99 |\n|---|---|---|");
        for rows in [options.rows / 100, options.rows] {
            for limit in [1, 16] {
                let mut times = runtime.block_on(backlog(&open(url)?, rows, limit))?;
                println!(
                    "| {limit} of {rows} waiting rows, 1,000 organisations | {} |",
                    percentiles(&mut times)
                );
            }
        }
        let (mut claims, mut ends) = runtime.block_on(lane(&open(url)?, options.lane))?;
        println!("| 1 of a lane of {} | {} |", options.lane, percentiles(&mut claims));
        println!("| … and its end, which promotes the next | {} |", percentiles(&mut ends));
    }
    Ok(())
}

fn open(url: &str) -> Outcome<Arc<dyn Inbox>> {
    let mut limits = InboxLimits::default();
    (limits.rows, limits.is_ephemeral) = (u64::MAX, true);
    Ok(inbox_from_url(url, limits)?)
}

fn work(space: &str, number: usize) -> NewWork {
    NewWork {
        space: space.to_owned(),
        key: DedupeKey::new("com.example.bench", &format!("id:{number:032}")),
        handler: handler(),
        organisation: format!("organisation-{}", number % 1_000),
        lane: None,
        blocks_lane: false,
        delay: Duration::ZERO,
        content: vec![7; 1_024].into(),
    }
}

fn handler() -> HandlerName {
    HandlerName::new("issue.created", "v1")
}

/// A space that no other run has.
fn space() -> String {
    format!("bench-{}", LeaseToken::unique())
}

/// Accepts with so many producers until `until` says that it is enough. Returns the time of each.
async fn produce(
    inbox: &Arc<dyn Inbox>,
    producers: usize,
    is_enough: impl Fn(usize) -> bool + Clone + Send + 'static,
    work: impl Fn(usize) -> NewWork + Clone + Send + 'static,
) -> Outcome<Vec<Duration>> {
    let next = Arc::new(AtomicUsize::new(0));
    let produce = |_| {
        let (inbox, next, is_enough, work) =
            (Arc::clone(inbox), Arc::clone(&next), is_enough.clone(), work.clone());
        tokio::spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if is_enough(number) {
                    return Ok(times);
                }
                let (work, begun) = (work(number), Instant::now());
                match inbox.accept(&work, None).await {
                    Ok(Acceptance::Accepted(_)) => times.push(begun.elapsed()),
                    other => return Err(format!("a new row is not accepted: {other:?}")),
                }
            }
        })
    };
    let mut times = Vec::new();
    for produced in (0..producers).map(produce).collect::<Vec<_>>() {
        times.extend(produced.await??);
    }
    Ok(times)
}

async fn accept(inbox: &Arc<dyn Inbox>, producers: usize, time: Duration) -> Outcome<(f64, Vec<Duration>)> {
    let (space, begun) = (space(), Instant::now());
    let times =
        produce(inbox, producers, move |_| begun.elapsed() > time, move |number| work(&space, number))
            .await?;
    Ok((ratio(times.len(), begun.elapsed().as_secs_f64()), times))
}

/// How many syncs of the disk there are for each accepted row.
fn syncs(url: &str, folder: &Path, producers: usize) -> Outcome<String> {
    const COUNT: u32 = 2_000;
    if !url.starts_with("sqlite") {
        return Ok("not counted: another process syncs".to_owned());
    }
    let log = folder.join("syncs");
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_inboxed"));
    traced.args(["accept", &format!("sqlite:{}", folder.join("syncs.db").display())]);
    traced.args([&space(), "row", &COUNT.to_string(), &producers.to_string()]);
    match traced.stdin(Stdio::null()).stdout(Stdio::null()).status() {
        Err(_) => Ok("not counted: no strace".to_owned()),
        Ok(status) if !status.success() => Err("the process whose syncs are counted failed".into()),
        Ok(_) => {
            let calls = std::fs::read_to_string(&log)?;
            let syncs = calls.lines().filter(|call| !call.contains("resumed")).count();
            Ok(format!("{:.3}", ratio(syncs, f64::from(COUNT))))
        }
    }
}

fn request(space: &str, limit: usize) -> ClaimRequest {
    ClaimRequest {
        space: space.to_owned(),
        handlers: vec![handler()],
        limit,
        is_idle: false,
        lease: Duration::from_secs(600),
        after: String::new(),
    }
}

/// The times of claims from a backlog.
async fn backlog(inbox: &Arc<dyn Inbox>, rows: usize, limit: usize) -> Outcome<Vec<Duration>> {
    let space = space();
    let of = space.clone();
    produce(inbox, 256, move |number| number >= rows, move |number| work(&of, number)).await?;
    let mut request = request(&space, limit);
    let mut times = Vec::new();
    for _ in 0..(rows / limit / 2).min(1_000) {
        let begun = Instant::now();
        let claimed = inbox.claim(&request, None).await?;
        times.push(begun.elapsed());
        let last = claimed.last().filter(|_| claimed.len() == limit).ok_or("a claim must find its rows")?;
        request.after.clone_from(&last.organisation);
    }
    Ok(times)
}

/// The times of claims from one lane, and of the ends of their rows.
async fn lane(inbox: &Arc<dyn Inbox>, rows: usize) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let space = space();
    let of = space.clone();
    let in_lane = move |number| NewWork { lane: Some("lane".to_owned()), ..work(&of, number) };
    produce(inbox, 256, move |number| number >= rows, in_lane).await?;
    let request = request(&space, 1);
    let (mut claims, mut ends, now) = (Vec::new(), Vec::new(), None::<SystemTime>);
    for _ in 0..(rows / 2).min(1_000) {
        let begun = Instant::now();
        let claimed = inbox.claim(&request, now).await?;
        claims.push(begun.elapsed());
        let [row] = &claimed[..] else { return Err("a claim must find one row of the lane".into()) };
        let begun = Instant::now();
        let _ = inbox.finish(&row.lease, &WorkEnd::Done, now).await?;
        ends.push(begun.elapsed());
    }
    Ok((claims, ends))
}

#[expect(clippy::cast_precision_loss, reason = "there are far less than 2^52 rows")]
fn ratio(rows: usize, of: f64) -> f64 {
    rows as f64 / of
}

/// `p50 | p99`, in milliseconds.
fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let of =
        |percent: usize| times.get(times.len() * percent / 100).map_or(0.0, Duration::as_secs_f64) * 1_000.0;
    format!("{:.2} ms | {:.2} ms", of(50), of(99))
}
