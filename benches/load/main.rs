//! What a delivery costs over HTTP: ours as it is shipped, and bare, beside a hand-written actix-web server that does the same
//! work.
//!
//! ```text
//! cargo bench --bench load [-- [--rounds 15] [--seconds 0.8] [--connections 16] [--workers 1] [--starts 9]
//!                               [--peers PROGRAM]]
//! ```
//!
//! `PROGRAM` adds the crates webhook-verify and webhooksmith-actix with the same handler; it is built by
//! `cargo build --release --manifest-path benches/peers/Cargo.toml`, apart, because their dependencies would change ours.
//!
//! As it is shipped, ours deduplicates in memory and writes a log line for each delivery. Each delivery has an id of its own.
//!
//! Servers and load run in processes of their own, over loopback, and the servers are loaded in turn, so that
//! whatever else the machine does meets all of them. The figure that holds is the processor time of the server for
//! a request, and the ratio of two servers in the same round. The bench fails on a wrong response, never on a time.

#[path = "../deliveries/mod.rs"]
mod deliveries;

mod client;
mod limit;
mod measure;
mod options;
mod ours;
mod process;
mod round;
mod table;

use std::error::Error;

use client::Load;
use options::Options;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve-ours", workers, handler, dedupe] => ours::serve(workers.parse()?, handler, dedupe.parse()?)
            .map_err(|error| format!("{error:?}").into()),
        ["serve-limit", workers, logs] => Ok(limit::serve(workers.parse()?, logs.parse()?)?),
        ["load", ref load @ ..] => {
            print!("{}", client::send(Load::read(load)?)?);
            Ok(())
        }
        _ => {
            let measured = measure::all(Options::read(&arguments)?)?;
            print!("{}", table::of(&measured));
            Ok(())
        }
    }
}
