//! Accepting without HTTP.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kiket::{
    dedupe::DedupeKey,
    inbox::{Acceptance, HandlerName, Inbox, NewWork},
};
use tokio::runtime::Runtime;

use crate::{
    Outcome,
    options::{Engine, Options, space},
    table::{head, percentiles, ratio},
};

pub(crate) fn all(runtime: &Runtime, engine: &Engine, options: &Options) -> Outcome<()> {
    head("accept, without HTTP | per second | p50 | p99 | syncs for each");
    for producers in [1, 16, 64] {
        let inbox = engine.open("accept.db")?;
        let (rate, mut times) = runtime.block_on(accept(&inbox, producers, options.time))?;
        let syncs = match engine.folder() {
            Some(folder) => syncs(folder, producers)?,
            None => "not counted: another process syncs".to_owned(),
        };
        println!("| {producers} producers | {rate:.0} | {} | {syncs} |", percentiles(&mut times));
    }
    Ok(())
}

pub(crate) fn work(space: &str, number: usize) -> NewWork {
    let key = DedupeKey::new("com.example.bench", &format!("id:{number:032}"));
    let mut work = NewWork::new(space, key, handler(), vec![7; 1_024].into());
    work.organisation = format!("organisation-{}", number % 1_000);
    work
}

pub(crate) fn handler() -> HandlerName {
    HandlerName::new("issue.created", "v1")
}

/// Accepts with so many producers until `until` says that it is enough. Returns the time of each.
pub(crate) async fn produce(
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
                let mut refused = 0;
                loop {
                    match inbox.accept(&work, None).await {
                        Ok(Acceptance::Accepted(_)) => break times.push(begun.elapsed()),
                        Ok(Acceptance::Known(_)) if refused > 0 => break times.push(begun.elapsed()),
                        // As a sender does: the disk may have more to write than it can for a while.
                        Err(_) if refused < 10 => refused += 1,
                        other => return Err(format!("a new row is not accepted: {other:?}")),
                    }
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

/// How many rows are accepted in a second, and the time of each.
pub(crate) async fn accept(
    inbox: &Arc<dyn Inbox>,
    producers: usize,
    time: Duration,
) -> Outcome<(f64, Vec<Duration>)> {
    let (space, begun) = (space(), Instant::now());
    let times =
        produce(inbox, producers, move |_| begun.elapsed() > time, move |number| work(&space, number))
            .await?;
    Ok((ratio(times.len(), begun.elapsed().as_secs_f64()), times))
}

/// How many syncs of the disk there are for each accepted row, in a process of its own.
fn syncs(folder: &Path, producers: usize) -> Outcome<String> {
    const COUNT: u32 = 2_000;
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
