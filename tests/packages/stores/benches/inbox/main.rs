//! What an inbox does in a second, and how soon, as Markdown tables.
//!
//! ```text
//! cargo bench -p stores --bench inbox [-- [--seconds 3] [--rows 1000000] [--lane 20000] [--sqlite] [--postgres] [--url URL]… [PART…]]
//! ```
//!
//! The parts are all of these unless some are named:
//!
//! - `accept`: accepting without HTTP, and the syncs of the disk for each accepted row, counted by `strace`;
//! - `http`: accepting over HTTP, in a process that only accepts, and at 2,000 deliveries a second beside its workers;
//! - `pickup`: from the response to the start of the handler, where it wakes a worker and where polling finds it;
//! - `recovery`: from the SIGKILL of a worker to the start of its rows elsewhere;
//! - `backlog`: claiming from a thousandth, a tenth and all of `--rows`, and from a lane;
//! - `idle`: the statements of a process that has nothing to do, in a minute, and its memory.
//!
//! The engines are both unless some are named: a file of SQLite in the `target` folder, and a PostgreSQL that the bench starts
//! in the folder of temporary files, and which syncs its log. Servers are processes of their own, and the load is another one,
//! on the cores that they share. Contents have 1 KiB. The bench fails on a wrong result, never on a time.

#[path = "../../../../../benches/load/client.rs"]
mod client;
#[path = "../../../../../benches/deliveries/mod.rs"]
#[expect(dead_code, reason = "the sizes and the type of other benches are not those of this one")]
mod deliveries;
#[path = "../../../../../benches/load/process.rs"]
#[expect(dead_code, reason = "other benches measure the time on a processor")]
mod process;

mod backlog;
mod http;
mod idle;
mod options;
mod pickup;
mod raw;
mod recovery;
mod serve;
mod table;

use std::error::Error;

use self::{client::Load, options::Options};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", workers, ref server @ ..] => serve::serve(workers.parse()?, server),
        ["load", ref load @ ..] => {
            print!("{}", client::send(Load::read(load)?)?);
            Ok(())
        }
        ["paced", address, rate, seconds] => {
            print!("{}", http::paced(address.parse()?, rate.parse()?, seconds.parse()?)?);
            Ok(())
        }
        _ => all(&Options::read(&arguments)?),
    }
}

fn all(options: &Options) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for engine in &options.engines()? {
        println!("\n{}", engine.name);
        if options.wants("accept") {
            raw::all(&runtime, engine, options)?;
        }
        if options.wants("http") {
            http::all(&runtime, engine, options)?;
        }
        if options.wants("pickup") {
            pickup::all(engine, options)?;
        }
        if options.wants("recovery") {
            recovery::all(engine, options)?;
        }
        if options.wants("backlog") {
            backlog::all(&runtime, engine, options)?;
        }
        if options.wants("idle") {
            idle::all(&runtime, engine, options)?;
        }
    }
    Ok(())
}
