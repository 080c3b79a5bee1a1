//! Claiming from a long backlog, and from a lane.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kiket::inbox::{ClaimRequest, Inbox, WorkEnd};
use tokio::runtime::Runtime;

use crate::{
    Outcome,
    options::{Engine, Options, space},
    raw::{handler, produce, work},
    table::{head, percentiles},
};

pub(crate) fn all(runtime: &Runtime, engine: &Engine, options: &Options) -> Outcome<()> {
    head("claim, of rows of 1,000 organisations | p50 | p99");
    for rows in [options.rows / 1_000, options.rows / 10, options.rows] {
        let inbox = engine.open("backlog.db")?;
        let space = space();
        runtime.block_on(fill(&inbox, &space, rows))?;
        for limit in [1, 16] {
            let mut times = runtime.block_on(claims(&inbox, &space, rows, limit))?;
            println!("| {limit} of {rows} waiting rows | {} |", percentiles(&mut times));
        }
    }
    let (mut claims, mut ends) = runtime.block_on(lane(&engine.open("backlog.db")?, options.lane))?;
    println!("| 1 of a lane of {} | {} |", options.lane, percentiles(&mut claims));
    println!("| … and its end, which promotes the next | {} |", percentiles(&mut ends));
    Ok(())
}

fn request(space: &str, limit: usize) -> ClaimRequest {
    ClaimRequest::new(space, vec![handler()], limit, Duration::from_secs(600))
}

async fn fill(inbox: &Arc<dyn Inbox>, space: &str, rows: usize) -> Outcome<()> {
    let space = space.to_owned();
    produce(inbox, 256, move |number| number >= rows, move |number| work(&space, number)).await.map(drop)
}

/// The times of claims from a backlog, of a quarter of its rows at most.
async fn claims(inbox: &Arc<dyn Inbox>, space: &str, rows: usize, limit: usize) -> Outcome<Vec<Duration>> {
    let mut request = request(space, limit);
    let mut times = Vec::new();
    for _ in 0..(rows / limit / 4).min(1_000) {
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
    let in_lane = move |number| {
        let mut work = work(&of, number);
        work.lane = Some("lane".to_owned());
        work
    };
    produce(inbox, 256, move |number| number >= rows, in_lane).await?;
    let request = request(&space, 1);
    let (mut claims, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..(rows / 2).min(1_000) {
        let begun = Instant::now();
        let claimed = inbox.claim(&request, None).await?;
        claims.push(begun.elapsed());
        let [row] = &claimed[..] else { return Err("a claim must find one row of the lane".into()) };
        let begun = Instant::now();
        let _ = inbox.finish(&row.lease, &WorkEnd::Done, None).await?;
        ends.push(begun.elapsed());
    }
    Ok((claims, ends))
}
