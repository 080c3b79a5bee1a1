//! What a process costs that has nothing to do.

use std::{thread, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    Outcome,
    client::{Scheme, send_one},
    options::{Engine, Options, space},
    serve::{Handling, Reports, Server},
    table::head,
};

/// How long a process has before it is idle.
const SETTLED: Duration = Duration::from_secs(5);
/// What the kernel calls the memory in use, and that of it which is no page of the program's file or of another.
const MEMORY: [&str; 2] = ["VmRSS", "RssAnon"];

pub(crate) fn all(runtime: &Runtime, engine: &Engine, options: &Options) -> Outcome<()> {
    if options.is_short {
        return Ok(());
    }
    let (url, id, reports) = (engine.url("idle.db"), space(), Reports::new()?);
    let without =
        Server { url: &url, id: &id, workers: 8, handler: Handling::AtOnce, reports: Some(&reports) };
    let with = Server { handler: Handling::Counted, ..without };
    let running = without.start()?;
    send_one(running.address(), Scheme::Kiket, 1_024)?;
    thread::sleep(SETTLED);
    let [memory, own] = MEMORY.map(|line| running.memory(line));
    let (memory, own) = (memory?, own?);
    drop(running);

    let running = with.start()?;
    send_one(running.address(), Scheme::Kiket, 1_024)?;
    thread::sleep(SETTLED);
    let before = statements(runtime, engine, &reports)?;
    thread::sleep(Duration::from_secs(60));
    let statements = statements(runtime, engine, &reports)?.zip(before).map(|(to, from)| to - from);
    let [more, more_of_its_own] = [(MEMORY[0], memory), (MEMORY[1], own)]
        .map(|(line, before)| running.memory(line).map(|now| now.saturating_sub(before) / 1_024));
    head(
        "idle, 8 workers, one `later` handler | statements in a minute | memory, KiB | without pages of files, KiB",
    );
    let statements = statements.map_or_else(|| "not counted".to_owned(), |count| count.to_string());
    println!("| more than without a `later` handler | {statements} | + {} | + {} |", more?, more_of_its_own?);
    Ok(())
}

/// How many statements there were so far.
fn statements(runtime: &Runtime, engine: &Engine, reports: &Reports) -> Outcome<Option<u64>> {
    if engine.folder().is_some() {
        reports.discard()?;
        return Ok(reports.next("statements")?.first().copied());
    }
    let Some(server) = engine.own_server() else { return Ok(None) };
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
                 WHERE query NOT LIKE '%pg_stat_statements%'";
    Ok(Some(runtime.block_on(server.number(calls)).try_into()?))
}
