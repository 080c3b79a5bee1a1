//! The latency of good deliveries while attackers load the server.
//!
//! ```text
//! cargo bench --bench siege [-- [--seconds 12] [--idle 10000]]
//! ```
//!
//! The server runs in a process of its own, with one worker, and remembers deliveries in its memory. Good deliveries, each
//! with an id of its own, come at a steady pace: alone; beside connections that asked once and stay; beside senders who
//! send a byte now and then, of a head or of a body, until they are cut off; beside a flood of wrong signatures; beside
//! connections that send requests and read no response; and beside all of that. All of it shares the machine's cores. The
//! bench fails when the response to a good delivery is not 200, never on a time.

#[path = "../deliveries/mod.rs"]
mod deliveries;
#[path = "../descriptors/mod.rs"]
mod descriptors;
#[path = "../load/process.rs"]
#[expect(dead_code, reason = "the load bench also runs programs to their end")]
mod process;

mod attack;
mod good;

use std::{error::Error, time::Duration};

use kiket::prelude::*;

use self::{attack::Attack, deliveries::SECRET, process::ServerProcess};

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(_payload: Payload) -> Reply {
    Reply::ok()
}

/// What the bench does.
struct Options {
    /// How long each part takes: longer than slow heads (5 s) and slow bodies (10 s) are waited for.
    time: Duration,
    /// How many connections are idle.
    idle: usize,
}

/// Descriptors for everything else.
const SPARE: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    if arguments.first() == Some(&"serve") {
        return serve().map_err(|error| format!("{error:?}").into());
    }
    let options = Options::read(&arguments)?;
    if !descriptors::may_open(options.idle + SPARE)? {
        return Ok(());
    }
    besiege(&options)
}

impl Options {
    /// ```text
    /// options = *( "--bench" / name number )        cargo bench itself adds `--bench`
    /// ```
    fn read(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let bench = arguments.contains(&"--bench");
        // As `cargo test --all-targets` runs it: only to see that it works.
        let (seconds, idle) = if bench { (12.0, 10_000) } else { (0.2, 100) };
        let mut options = Self { time: Duration::from_secs_f64(seconds), idle };
        let mut arguments = arguments.iter().filter(|argument| **argument != "--bench");
        while let Some(&name) = arguments.next() {
            let value = *arguments.next().ok_or_else(|| format!("`{name}` needs a number"))?;
            match name {
                "--seconds" => options.time = Duration::from_secs_f64(value.parse::<f64>()?.clamp(0.1, 60.0)),
                "--idle" => options.idle = value.parse::<usize>()?.min(25_000),
                _ => return Err(format!("`{name}`: the options are `--seconds` and `--idle`").into()),
            }
        }
        Ok(options)
    }
}

/// Serves until the process is killed.
fn serve() -> kiket::Result<()> {
    kiket::telemetry::init_logging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = Extension::builder().webhook_secret(SECRET).without_manifest();
        let server = builder.http(|http| http.host("127.0.0.1").port(0).workers(1)).build()?.bind()?;
        process::announce(server.addresses()[0]);
        Ok(server.run().await?)
    })
}

fn besiege(options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { time, idle } = *options;
    let parts = [
        ("alone", Attack::default()),
        ("idle", Attack { idle, ..Attack::default() }),
        ("slow", Attack { slow: 500, ..Attack::default() }),
        ("flood", Attack { flood: 32, ..Attack::default() }),
        ("unread", Attack { unread: 300, ..Attack::default() }),
        ("all", Attack { idle, slow: 500, flood: 32, unread: 300 }),
    ];
    println!("| beside | good deliveries | p50 | p99 | longest | memory | attacks |");
    println!("|---|---|---|---|---|---|---|");
    for (name, attack) in parts {
        let server = ServerProcess::start(None, "serve", 1, &[], "error", false)?;
        let address = server.address();
        good::send(address, Duration::from_millis(100))?; // warms up
        let under_way = attack.begin(address)?;
        let answered = good::send(address, time)?;
        let memory = server.resident_memory()? / (1024 * 1024);
        let done = under_way.end()?;
        let good::Responses { count, p50, p99, longest } = answered;
        println!("| {name} | {count} | {p50:.1?} | {p99:.1?} | {longest:.1?} | {memory} MiB | {done} |");
    }
    Ok(())
}
