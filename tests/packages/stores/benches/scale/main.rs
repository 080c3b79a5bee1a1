//! How kiket scales, as Markdown tables: handlers, connections, bodies, stored deliveries, stores, and a soak.
//!
//! ```text
//! cargo bench -p stores --bench scale [-- [--seconds 1] [--rounds 3] [--soak 300] [PART…]]
//! ```
//!
//! The parts are `handlers`, `connections`, `bodies`, `memory`, `stores` and `soak`; all of them unless some are named.
//!
//! The server is a process of its own with one worker, as it is shipped: it deduplicates and writes a log line for each delivery.
//! The load is another one. Each delivery has an id of its own and 1 KiB, and each connection sends when its last delivery has its
//! response. Figures are medians of the rounds. The one that holds on a busy machine is the processor time for a delivery; a rate
//! is what the server and the load reach together, on the cores that they share.
//!
//! Redis and PostgreSQL are started for the bench; those at `KIKET_TEST_REDIS_URL` and `KIKET_TEST_POSTGRES_URL` are used instead,
//! for example one that syncs its log: the PostgreSQL of the bench does not. The bench fails on a wrong response, never on a
//! time.

#[path = "../../../../../benches/load/client.rs"]
mod client;
#[path = "../../../../../benches/deliveries/mod.rs"]
#[expect(dead_code, reason = "the sizes of other benches are not those of this one")]
mod deliveries;
#[path = "../../../../../benches/descriptors/mod.rs"]
mod descriptors;
#[path = "../../../../../benches/load/process.rs"]
mod process;

mod measure;
mod memory;
mod options;
mod parts;
mod serve;

use std::error::Error;

use self::{client::Load, options::Options};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", workers, handlers, store] => serve::serve(workers.parse()?, handlers.parse()?, store)
            .map_err(|error| format!("{error:?}").into()),
        ["load", ref load @ ..] => {
            print!("{}", client::send(Load::read(load)?)?);
            Ok(())
        }
        ["fill", deliveries, bytes] => {
            print!("{}", memory::fill(deliveries.parse()?, bytes.parse()?)?);
            Ok(())
        }
        _ => parts::all(&Options::read(&arguments)?),
    }
}
