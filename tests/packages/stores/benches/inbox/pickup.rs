//! How soon a handler starts in a process that is idle.

use std::{net::SocketAddr, thread, time::Duration};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    Outcome,
    client::{Deliveries, Scheme, response},
    deliveries,
    options::{Engine, Options, space},
    serve::{Handling, Reports, SCHEDULED, Server, now},
    table::{head, percentiles},
};

pub(crate) fn all(engine: &Engine, options: &Options) -> Outcome<()> {
    let (url, reports) = (engine.url("pickup.db"), Reports::new()?);
    let server =
        Server { url: &url, id: &space(), workers: 8, handler: Handling::Later, reports: Some(&reports) };
    head("pick-up: until the handler starts | p50 | p99");
    let running = server.start()?;
    let rows = if options.is_short { 10 } else { 500 };
    let (mut sent, mut accepted) = woken(running.address(), &reports, rows)?;
    drop(running);
    println!("| from the sending of the delivery, {rows} times | {} |", percentiles(&mut sent));
    println!("| from its 202 | {} |", percentiles(&mut accepted));
    if options.is_short {
        return Ok(());
    }
    // Nothing announces what becomes due.
    let running = Server { id: &space(), handler: Handling::Scheduled, ..server }.start()?;
    let mut late = Vec::new();
    for _ in 0..SCHEDULED.0 {
        let [started, due] = reports.next("started")?[..] else { return Err("a row has its time".into()) };
        late.push(Duration::from_nanos(started.saturating_sub(due)));
    }
    drop(running);
    println!("| by polling alone: from when it is due, {} rows | {} |", late.len(), percentiles(&mut late));
    Ok(())
}

/// Delivers one after the other, each when the last one is done for a while.
fn woken(address: SocketAddr, reports: &Reports, rows: usize) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut deliveries = Deliveries::new(deliveries::body(1_024), Scheme::Kiket, 0)?;
    let (mut from_sent, mut from_accepted, mut buffer) = (Vec::new(), Vec::new(), [0; 4_096]);
    let mut stream = runtime.block_on(TcpStream::connect(address))?;
    stream.set_nodelay(true)?;
    for _ in 0..rows {
        thread::sleep(Duration::from_millis(fastrand::u64(5..40)));
        let request = deliveries.next()?;
        let sent = now();
        runtime.block_on(async {
            stream.write_all(request).await?;
            response(&mut stream, &mut buffer).await
        })?;
        let accepted = now();
        let [started] = reports.next("started")?[..] else { return Err("a row has no time".into()) };
        let started = Duration::from_nanos(started);
        from_sent.push(started.saturating_sub(sent));
        from_accepted.push(started.saturating_sub(accepted));
    }
    Ok((from_sent, from_accepted))
}
