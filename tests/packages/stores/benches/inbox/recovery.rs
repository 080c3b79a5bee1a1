//! How soon the rows of a killed process run elsewhere.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    client::{Scheme, send_one},
    options::{Engine, Options, space},
    serve::{Handling, Reports, Server},
    table::head,
};

/// As many as there are workers.
const ROWS: usize = 8;

/// The lease is that of production, 30 s, whatever the options.
pub(crate) fn all(engine: &Engine, options: &Options) -> Outcome<()> {
    if options.is_short {
        return Ok(());
    }
    head("recovery: SIGKILL of a worker, until its 8 rows run elsewhere | first | last");
    for _ in 0..3 {
        let (url, id, reports) = (engine.url("recovery.db"), space(), Reports::new()?);
        let killed =
            Server { url: &url, id: &id, workers: ROWS, handler: Handling::Endless, reports: Some(&reports) };
        let other = Server { handler: Handling::Later, ..killed };
        let killed = killed.start()?;
        for _ in 0..ROWS {
            // Each has an id of the tenth of a second.
            send_one(killed.address(), Scheme::Kiket, 1_024)?;
            thread::sleep(Duration::from_millis(150));
        }
        (0..ROWS).try_for_each(|_| reports.next("started").map(drop))?;
        let other = other.start()?;
        let begun = Instant::now();
        drop(killed);
        reports.next("started")?;
        let first = begun.elapsed();
        (1..ROWS).try_for_each(|_| reports.next("started").map(drop))?;
        println!("| | {:.1} s | {:.1} s |", first.as_secs_f64(), begun.elapsed().as_secs_f64());
        drop(other);
    }
    Ok(())
}
