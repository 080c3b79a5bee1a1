//! A process that uses an inbox, so that a test can watch its system calls, and kill it.
//!
//! ```text
//! inboxed accept URL SPACE NAME COUNT PRODUCERS     accepts NAME:0:, NAME:1:, …, and prints `accepted NAME:0:` when it is stored
//! inboxed work URL SPACE                            claims rows, and prints `done NAME:0:` when one is, until all are
//! ```

use std::{
    error::Error,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    dedupe::{DedupeKey, LeaseState},
    inbox::{
        Acceptance, ClaimRequest, HandlerName, Inbox, InboxLimits, NewWork, RowState, WorkEnd, inbox_from_url,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments[..] {
        ["accept", url, space, name, count, producers] => {
            let (count, producers) = (count.parse()?, producers.parse()?);
            runtime.block_on(accept(open(url)?, space, name, count, producers))
        }
        ["work", url, space] => runtime.block_on(work(open(url)?, space)),
        _ => Err("`accept URL SPACE NAME COUNT PRODUCERS`, or `work URL SPACE`".into()),
    }
}

fn open(url: &str) -> Result<Arc<dyn Inbox>, Box<dyn Error>> {
    let mut limits = InboxLimits::default();
    limits.is_ephemeral = true;
    Ok(inbox_from_url(url, limits)?)
}

async fn accept(
    inbox: Arc<dyn Inbox>,
    space: &str,
    name: &str,
    count: usize,
    producers: usize,
) -> Result<(), Box<dyn Error>> {
    let next = Arc::new(AtomicUsize::new(0));
    let produce = |_| {
        let (inbox, next, space, name) =
            (Arc::clone(&inbox), Arc::clone(&next), space.to_owned(), name.to_owned());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let key = format!("{name}:{number}:");
                let content = key.clone().into();
                let mut work =
                    NewWork::new(space.clone(), DedupeKey::new("inboxed", &key), handler(), content);
                work.organisation = format!("o{}", number % 5);
                work.lane = (number % 3 == 0).then(|| format!("l{}", number % 7));
                match inbox.accept(&work, None).await {
                    Ok(Acceptance::Accepted(_)) => say(&format!("accepted {key}")),
                    other => return Err(format!("{key}: {other:?}")),
                }
            }
        })
    };
    let producing: Vec<_> = (0..producers).map(produce).collect();
    for produced in producing {
        produced.await??;
    }
    Ok(())
}

async fn work(inbox: Arc<dyn Inbox>, space: &str) -> Result<(), Box<dyn Error>> {
    let mut request = ClaimRequest::new(space, vec![handler()], 4, Duration::from_secs(2));
    request.is_idle = true;
    loop {
        inbox.promote(space, None).await?;
        let claimed = inbox.claim(&request, None).await?;
        if claimed.is_empty() {
            let counts = inbox.count(space).await?;
            if !counts.is_empty() && counts.iter().all(|count| count.state == RowState::Done) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for work in claimed {
            if inbox.finish(&work.lease, &WorkEnd::Done, None).await? == LeaseState::Held {
                say(&format!("done {}", String::from_utf8_lossy(&work.content)));
            }
        }
    }
}

fn handler() -> HandlerName {
    HandlerName::new("issue.created", "v1")
}

/// In one system call. Its reader may be gone.
fn say(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}
