//! What a process costs that has nothing to do.

use std::{
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use kiket::{
    dedupe::{LeaseState, StoreError},
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, Inbox, InboxCount, InboxFilter, InboxRow, NewWork, Redrive,
        SqliteInbox, Swept, WorkEnd, WorkLease,
    },
};
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

/// An inbox that is shared with what counts its statements.
pub(crate) struct Counted(pub(crate) Arc<SqliteInbox>);

type Step<'s, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

macro_rules! shared {
    ($s:lifetime $($name:ident($($value:ident: $type:ty),*) -> $result:ty;)*) => {$(
        fn $name<$s>(&$s self, $($value: $type),*) -> Step<$s, $result> {
            self.0.$name($($value),*)
        }
    )*};
}

impl Inbox for Counted {
    shared! { 's
        accept(work: &'s NewWork, now: Option<SystemTime>) -> Acceptance;
        claim(request: &'s ClaimRequest, now: Option<SystemTime>) -> Vec<ClaimedWork>;
        waits_alone(request: &'s ClaimRequest, now: Option<SystemTime>) -> bool;
        renew(leases: &'s [(WorkLease, Duration)], now: Option<SystemTime>) -> Vec<LeaseState>;
        finish(lease: &'s WorkLease, end: &'s WorkEnd, now: Option<SystemTime>) -> LeaseState;
        release(lease: &'s WorkLease, delay: Duration, now: Option<SystemTime>) -> LeaseState;
        promote(space: &'s str, now: Option<SystemTime>) -> Swept;
        list(filter: &'s InboxFilter) -> Vec<InboxRow>;
        count(space: &'s str) -> Vec<InboxCount>;
        redrive(redrive: &'s Redrive, now: Option<SystemTime>) -> u64;
        hurry(filter: &'s InboxFilter, now: Option<SystemTime>) -> u64;
        drop_rows(filter: &'s InboxFilter, now: Option<SystemTime>) -> u64;
        forget(space: &'s str, organisation: &'s str, now: Option<SystemTime>) -> u64;
        pause(space: &'s str, event: &'s str, paused: bool) -> ();
        paused(space: &'s str) -> Vec<String>;
        check() -> ();
    }
}
