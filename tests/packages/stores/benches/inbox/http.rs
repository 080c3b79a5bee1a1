//! Accepting over HTTP: as fast as senders can, and at a rate.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, runtime::Runtime, task::JoinSet, time::sleep_until};

use crate::{
    Outcome,
    client::{Deliveries, Load, Responses, Scheme, response, send_one},
    deliveries,
    options::{Engine, Options, space},
    process,
    raw::accept,
    serve::{Handling, Server},
    table::{head, milliseconds},
};

const KIB: usize = 1_024;
/// Deliveries in a second, over so many connections.
const RATE: (u32, u32) = (2_000, 64);

pub(crate) fn all(runtime: &Runtime, engine: &Engine, options: &Options) -> Outcome<()> {
    let (url, id) = (engine.url("http.db"), space());
    let server = Server { url: &url, id: &id, workers: 0, handler: Handling::Later, reports: None };
    head("accept, over HTTP | per second | p50 | p99");
    let accepting = server.start()?;
    send_one(accepting.address(), Scheme::Kiket, KIB)?;
    let mut rate = 0.0;
    for connections in [1, 16, 64] {
        let (address, scheme, time) = (accepting.address(), Scheme::Kiket, options.time);
        let load = Load { address, scheme, size: KIB, connections, time };
        let responses: Responses = process::run("load", &load.arguments())?.parse()?;
        rate = responses.requests_per_second();
        println!("| {connections} senders | {}", row(&responses));
    }
    let (raw, _) = runtime.block_on(accept(&engine.open("raw.db")?, 64, options.time))?;
    println!("| … and 64 producers without HTTP: {:.2} times as many | {raw:.0} | | |", raw / rate);
    paced_row("only accepts", accepting.address(), options)?;
    drop(accepting);
    // Its workers run what it accepts, at the same time.
    let id = space();
    let working = Server { id: &id, workers: 8, ..server }.start()?;
    send_one(working.address(), Scheme::Kiket, KIB)?;
    paced_row("8 workers run the handlers", working.address(), options)
}

fn paced_row(what: &str, address: SocketAddr, options: &Options) -> Outcome<()> {
    let arguments = [address.to_string(), RATE.0.to_string(), options.time.as_secs_f64().to_string()];
    let responses: Responses = process::run("paced", &arguments)?.parse()?;
    println!("| at {} a second; the process {what} | {}", RATE.0, row(&responses));
    Ok(())
}

fn row(responses: &Responses) -> String {
    let (p50, p99) = (milliseconds(responses.p50), milliseconds(responses.p99));
    format!("{:.0} | {p50} | {p99} |", responses.requests_per_second())
}

/// Sends `rate` deliveries in a second, whether or not those before have their responses. A time is from when a delivery was to
/// be sent: one that waits for its connection is as late as its sender would see it.
pub(crate) fn paced(address: SocketAddr, rate: u32, seconds: f64) -> io::Result<Responses> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (begun, time) = (Instant::now(), Duration::from_secs_f64(seconds));
        let each = Duration::from_secs(1) / rate * RATE.1;
        let mut connections = JoinSet::new();
        for number in 0..RATE.1 {
            let first = begun + Duration::from_secs(1) / rate * number + Duration::from_millis(50);
            let deliveries = Deliveries::new(deliveries::body(KIB), Scheme::Kiket, number as usize)?;
            connections.spawn(connection(address, deliveries, (first, each, begun + time)));
        }
        let mut latencies = Vec::new();
        while let Some(connection) = connections.join_next().await {
            latencies.append(&mut connection.map_err(io::Error::other)??);
        }
        Ok(Responses::new(latencies, begun.elapsed()))
    })
}

async fn connection(
    address: SocketAddr,
    mut deliveries: Deliveries,
    (first, each, until): (Instant, Duration, Instant),
) -> io::Result<Vec<u32>> {
    use tokio::io::AsyncWriteExt as _;

    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut latencies, mut buffer, mut due) = (Vec::new(), [0; 4_096], first);
    loop {
        sleep_until(due.into()).await;
        stream.write_all(deliveries.next()?).await?;
        response(&mut stream, &mut buffer).await?;
        latencies.push(u32::try_from(due.elapsed().as_nanos()).unwrap_or(u32::MAX));
        due += each;
        if due >= until {
            return Ok(latencies);
        }
    }
}
