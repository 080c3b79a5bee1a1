//! The parts of the bench, each with its table.

use std::{error::Error, io};

use kiket::dedupe::MemoryStore;
use stores::{Postgres, Redis};

use crate::{
    client::{self, Load, Scheme},
    descriptors,
    measure::{Cost, StoreTime, once, rounds},
    options::Options,
    process::{self, ServerProcess},
};

/// Descriptors for everything but connections.
const SPARE: usize = 1_000;
const KIB: usize = 1024;
const MEMORY: &str = "memory:";

/// Measures and prints what is wanted.
pub(crate) fn all(options: &Options) -> Result<(), Box<dyn Error>> {
    // First of all, for it starts this program again where the limit can be raised.
    let many = descriptors::may_open(options.most.min(10_000) + SPARE)?;
    println!("{} rounds of {:?}, median; soak {:?}", options.rounds, options.time, options.soak);
    if options.wants("handlers") {
        handlers(options)?;
    }
    if options.wants("connections") {
        connections(options, many)?;
    }
    if options.wants("bodies") {
        bodies(options)?;
    }
    if options.wants("memory") {
        memory(options)?;
    }
    if options.wants("stores") {
        stores(options)?;
    }
    if options.wants("soak") {
        soak(options)?;
    }
    Ok(())
}

fn start(handlers: usize, store: &str) -> io::Result<ServerProcess> {
    ServerProcess::start(None, "serve", 1, &[&handlers.to_string(), store], "info", false)
}

/// The costs of one load of a server with the memory store.
fn cost(server: &ServerProcess, size: usize, connections: usize, options: &Options) -> io::Result<Cost> {
    let load =
        Load { address: server.address(), scheme: Scheme::Kiket, size, connections, time: options.time };
    Ok(rounds(server, &[load], &|| None, options)?[0])
}

fn handlers(options: &Options) -> io::Result<()> {
    head("handlers", "CPU, µs | deliveries/s | p99, ms | memory, idle | memory, loaded");
    for handlers in options.amounts([1, 100, 1_000, 10_000]) {
        let server = start(handlers, MEMORY)?;
        client::send_one(server.address(), Scheme::Kiket, KIB)?;
        let idle = server.resident_memory()?;
        let Cost { cpu, rate, p99, memory, .. } = cost(&server, KIB, 16, options)?;
        let (name, memory) = (grouped(handlers), mebibytes(memory));
        println!("| {name} | {cpu:.1} | {rate:.0} | {p99:.2} | {} | {memory} |", mebibytes(idle));
    }
    Ok(())
}

fn connections(options: &Options, many: bool) -> io::Result<()> {
    head("connections", "CPU, µs | deliveries/s | p50, ms | p99, ms | memory, loaded");
    for connections in options.amounts([1, 16, 100, 1_000, 10_000]) {
        let name = grouped(connections);
        if connections > 1_000 && !many {
            println!("| {name} | skipped: `ulimit -Hn` is too low | | | | |");
            continue;
        }
        let server = start(1, MEMORY)?;
        let Cost { cpu, rate, p50, p99, memory, .. } = cost(&server, KIB, connections, options)?;
        println!("| {name} | {cpu:.1} | {rate:.0} | {p50:.2} | {p99:.2} | {} |", mebibytes(memory));
    }
    Ok(())
}

fn bodies(options: &Options) -> io::Result<()> {
    head("body", "CPU, µs | deliveries/s | p99, ms | memory, loaded");
    for kib in options.amounts([1, 16, 64, 256, 1024]) {
        let server = start(1, MEMORY)?;
        let Cost { cpu, rate, p99, memory, .. } = cost(&server, kib * KIB, 16, options)?;
        println!("| {kib} KiB | {cpu:.1} | {rate:.0} | {p99:.2} | {} |", mebibytes(memory));
    }
    Ok(())
}

fn memory(options: &Options) -> Result<(), Box<dyn Error>> {
    head("stored deliveries", "reply | bytes each | CPU each, µs");
    let replies = [256, KIB, 16 * KIB].map(|bytes| (MemoryStore::BYTES / 2 / bytes, bytes));
    let marks = [10_000, 100_000, MemoryStore::ENTRIES, 1_000_000].map(|deliveries| (deliveries, 0));
    for (deliveries, bytes) in marks.into_iter().chain(replies) {
        let deliveries = deliveries.min(options.most);
        let filled = process::run("fill", &[deliveries.to_string(), bytes.to_string()])?;
        let (each, nanoseconds) = filled.split_once(' ').ok_or("it is filled with two numbers")?;
        let reply = if bytes == 0 { "`{\"ok\":true}`".to_owned() } else { format!("{bytes} bytes") };
        let time = nanoseconds.parse::<f64>()? / 1e3;
        println!("| {} | {reply} | {each} | {time:.2} |", grouped(deliveries));
    }
    Ok(())
}

fn stores(options: &Options) -> io::Result<()> {
    head(
        "store, connections",
        "CPU, µs | the store's CPU, µs | deliveries/s | p50, ms | p99, ms | memory, loaded",
    );
    store("memory", MEMORY, &|| None, options)?;
    if let Some(redis) = Redis::start() {
        store("Redis", redis.url(), &|| redis.processor_time(), options)?;
    }
    if let Some(postgres) = Postgres::start() {
        store("PostgreSQL", postgres.url(), &|| postgres.processor_time(), options)?;
    }
    Ok(())
}

fn store(name: &str, url: &str, time: StoreTime<'_>, options: &Options) -> io::Result<()> {
    let server = start(1, url)?;
    let counts = [1, 16, 64, 256];
    let load = |connections| Load {
        address: server.address(),
        scheme: Scheme::Kiket,
        size: KIB,
        connections,
        time: options.time,
    };
    let costs = rounds(&server, &counts.map(load), time, options)?;
    for (connections, cost) in counts.into_iter().zip(costs) {
        let Cost { cpu, store, rate, p50, p99, memory, .. } = cost;
        let store = if store > 0.0 { format!("{store:.1}") } else { "–".to_owned() };
        let memory = mebibytes(memory);
        println!(
            "| {name}, {connections} | {cpu:.1} | {store} | {rate:.0} | {p50:.2} | {p99:.2} | {memory} |"
        );
    }
    Ok(())
}

/// How many parts a soak has, of which each has its most memory.
const SLICES: u32 = 20;
/// By how much the memory of the second half may exceed that of the first, in bytes: less than what any leak of a delivery
/// would sum up to in five minutes.
const FLAT: u64 = 1024 * 1024;

fn soak(options: &Options) -> io::Result<()> {
    let server = start(1, MEMORY)?;
    let load =
        |time| Load { address: server.address(), scheme: Scheme::Kiket, size: KIB, connections: 16, time };
    // Until then memory grows, as it should: the store remembers every delivery.
    let (mut filled, full) = (0, MemoryStore::ENTRIES.min(options.most));
    while filled < full {
        let sent = once(&server, load(options.time), &|| None)?.deliveries;
        filled += usize::try_from(sent).map_err(io::Error::other)?;
    }
    let mut costs = Vec::new();
    for _ in 0..SLICES {
        costs.push(once(&server, load(options.soak / SLICES), &|| None)?);
    }
    head("soak", "deliveries | CPU, µs | most memory | at the end");
    let halves = costs.split_at(costs.len() / 2);
    let most = [halves.0, halves.1].map(|half| half.iter().map(|cost| cost.memory).max().unwrap_or_default());
    for (name, half, most) in [("first half", halves.0, most[0]), ("second half", halves.1, most[1])] {
        let deliveries: u64 = half.iter().map(|cost| cost.deliveries).sum();
        #[expect(clippy::cast_precision_loss, reason = "a soak has far less than 2^52 deliveries")]
        let cpu = half.iter().map(|cost| cost.cpu * cost.deliveries as f64).sum::<f64>() / deliveries as f64;
        let end = half.last().map_or(0, |cost| cost.memory);
        let [most, end] = [most, end].map(mebibytes);
        println!("| {name} | {deliveries} | {cpu:.1} | {most} | {end} |");
    }
    let flat = if most[1] <= most[0] + FLAT { "flat" } else { "NOT flat" };
    println!(
        "\nMemory is {flat}: it counts as flat if the second half needs at most {} more than the first.",
        mebibytes(FLAT)
    );
    Ok(())
}

/// The head of a table, whose first column has the name of the part.
fn head(first: &str, others: &str) {
    println!("\n| {first} | {others} |");
    println!("|---{}|", "|---".repeat(others.split(" | ").count()));
}

/// `10,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is printed")]
    let mebibytes = bytes as f64 / (1024.0 * 1024.0);
    format!("{mebibytes:.1} MiB")
}
