//! What a store costs at 1, 16, 64 and 256 connections: deliveries in a second, and their latency, through a server. Then what
//! a delivery and its reply cost in the memory store.
//!
//! ```text
//! cargo bench -p stores --bench stores [-- SECONDS]
//! ```
//!
//! Every delivery has an id of its own, so each is claimed and its reply is stored. Redis and PostgreSQL are started for the
//! bench; those at `KIKET_TEST_REDIS_URL` and `KIKET_TEST_POSTGRES_URL` are used instead, for example one that syncs its log:
//! the PostgreSQL of the bench does not. A row of PostgreSQL finds the table as the row before left it, which is why the first
//! one is repeated at the end.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kiket::{
    StatusCode,
    dedupe::{BeginOutcome, DedupeKey, DedupeStore as _, MemoryStore, StoredReply},
    prelude::*,
    signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign},
};
use stores::{Postgres, Redis};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

const SECRET: &str = "kiket_bench_secret";
const HOUR: Duration = Duration::from_secs(3600);
const CONNECTIONS: [usize; 5] = [1, 16, 64, 256, 16];

async fn on_issue_created(payload: Payload) -> Reply {
    std::hint::black_box(payload.0);
    Reply::ok()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that it works.
    let default = if arguments.iter().any(|argument| argument == "--bench") { 3.0 } else { 0.02 };
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(default);
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let redis = redis.as_ref().map(|redis| ("Redis", redis.url()));
    let postgres = postgres.as_ref().map(|postgres| ("PostgreSQL", postgres.url()));
    println!("{:<12}{:>12}{:>14}{:>12}{:>12}", "store", "connections", "deliveries/s", "p50 ms", "p99 ms");
    for (name, url) in [Some(("memory", "memory:")), redis, postgres].into_iter().flatten() {
        measure(name, url, Duration::from_secs_f64(seconds))?;
    }
    let full = seconds >= default && default > 1.0;
    let marks = fill(if full { MemoryStore::ENTRIES } else { 1000 }, 0)?;
    println!("\nmemory: {marks} bytes for a delivery that replies `{{\"ok\":true}}`");
    for bytes in [256, 1024, 16 * 1024] {
        let deliveries = if full { MemoryStore::BYTES / 2 / bytes } else { 10 };
        println!(
            "memory: {} bytes more for a reply of {bytes} bytes",
            fill(deliveries, bytes)?.saturating_sub(marks)
        );
    }
    Ok(())
}

/// The resident memory that a delivery costs in an empty memory store, in bytes, when so many are done.
fn fill(deliveries: usize, bytes: usize) -> Result<usize, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (before, store) = (resident()?, MemoryStore::new());
    let body = if bytes == 0 { br#"{"ok":true}"#.to_vec() } else { vec![b' '; bytes] };
    let reply = StoredReply::new(StatusCode::OK, body);
    runtime.block_on(async {
        for number in 0..deliveries {
            let key = DedupeKey::new("com.example.bench", &format!("id:{number}"));
            if let BeginOutcome::Leased(token) = store.begin(&key, HOUR).await? {
                let _ = store.commit(&key, &token, &reply, HOUR).await?;
            }
        }
        Ok(resident()?.saturating_sub(before) / deliveries)
    })
}

/// The resident memory of this process, in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("there is no VmRSS")?.parse::<usize>()? * 1024)
}

/// Prints the rows of one store.
fn measure(name: &str, url: &str, time: Duration) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let extension = Extension::builder()
            .id("com.example.bench")
            .webhook_secret(SECRET)
            .without_manifest()
            .without_collected()
            .on("issue.created", "v1", on_issue_created)
            .dedupe(|dedupe| dedupe.url(url))
            .http(|http| http.host("127.0.0.1").port(0).workers(1));
        let server = extension.build()?.bind()?;
        let (address, handle) = (server.addresses()[0], server.handle());
        let load = async {
            for connections in CONNECTIONS {
                let mut sorted = load(address, connections, time).await?;
                sorted.sort_unstable();
                let rate = f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX)) / time.as_secs_f64();
                let [p50, p99] =
                    [50, 99].map(|percent| sorted[sorted.len() * percent / 100].as_secs_f64() * 1e3);
                println!("{name:<12}{connections:>12}{rate:>14.0}{p50:>12.2}{p99:>12.2}");
            }
            handle.stop();
            io::Result::Ok(())
        };
        let (end, loaded) = tokio::join!(server.run(), load);
        loaded?;
        Ok(end?)
    })
}

/// Sends deliveries over so many connections, each when the one before has its response; the latencies.
async fn load(address: SocketAddr, connections: usize, time: Duration) -> io::Result<Vec<Duration>> {
    let until = Instant::now() + time;
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        senders.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut latencies, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let from = Instant::now();
                stream.write_all(&request()?).await?;
                let read = stream.read(&mut buffer).await?;
                // A small response comes in one piece.
                if !buffer[..read].starts_with(b"HTTP/1.1 200 OK\r\n") {
                    return Err(io::Error::other(String::from_utf8_lossy(&buffer[..read]).into_owned()));
                }
                latencies.push(from.elapsed());
                if Instant::now() >= until {
                    return Ok(latencies);
                }
            }
        });
    }
    let mut all = Vec::new();
    while let Some(latencies) = senders.join_next().await {
        all.append(&mut latencies.map_err(io::Error::other)??);
    }
    Ok(all)
}

fn request() -> io::Result<Vec<u8>> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let title = "The launch needs a page, a mail and two posts. ".repeat(18);
    // A server that is used again knows the ids of the run before.
    let body = format!(r#"{{"id":"{}-{number}","issue":{{"id":1,"title":"{title}"}}}}"#, now.as_nanos());
    let seconds = now.as_secs();
    let signature = sign(SECRET, seconds, body.as_bytes());
    let length = body.len();
    Ok(format!(
        "POST /v/v1/webhooks/issue.created HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{TIMESTAMP_HEADER}: {seconds}\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n{body}"
    )
    .into_bytes())
}
