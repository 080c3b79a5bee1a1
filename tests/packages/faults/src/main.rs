//! The extension: handlers that leave a line in a file, which is what they are for.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use kiket::prelude::*;

/// What a test says of a delivery.
#[derive(Debug, Deserialize)]
struct Work {
    id: String,
    /// Which attempt it is, from 1.
    attempt: u32,
    /// How many attempts fail, before they have an effect.
    failures: u32,
    /// How long it takes until the effect, and from there to the response.
    before_ms: u64,
    after_ms: u64,
    /// Whether the response is a permanent failure.
    refused: bool,
}

/// The file of effects, and who writes there.
#[derive(Debug)]
struct Effects {
    file: File,
    /// The name of this process, which no other has.
    process: String,
    runs: AtomicU64,
}

impl Effects {
    /// The name of a run, which no other has.
    fn run(&self) -> String {
        format!("{}-{}", self.process, self.runs.fetch_add(1, Ordering::Relaxed))
    }

    /// One line, in one piece, after those of all processes.
    fn write(&self, id: &str, run: &str) -> io::Result<()> {
        (&self.file).write_all(format!("{id} {run}\n").as_bytes())
    }
}

/// Works a while, fails or has its effect, and works on.
#[kiket::webhook("work.done", version = "v1", timeout = "2s")]
async fn done(work: Payload<Work>, effects: State<Effects>) -> kiket::Result<Reply> {
    tokio::time::sleep(Duration::from_millis(work.before_ms)).await;
    if work.attempt <= work.failures {
        return Err(match work.attempt {
            1 => HandlerError::retry("not yet"),
            2 => HandlerError::retry_after(Duration::from_secs(1), "not yet"),
            _ => panic!("not yet"),
        });
    }
    let run = effects.run();
    effects.write(&work.id, &run)?;
    tokio::time::sleep(Duration::from_millis(work.after_ms)).await;
    if work.refused { Err(HandlerError::permanent(run)) } else { Ok(Reply::json(json!({ "run": run }))) }
}

/// What holds a handler up.
#[derive(Debug, Deserialize)]
struct Held {
    until: PathBuf,
    fails: bool,
}

/// Takes until a file appears.
#[kiket::webhook("work.held", version = "v1")]
async fn held(held: Payload<Held>, effects: State<Effects>) -> kiket::Result<Reply> {
    let run = effects.run();
    tracing::info!("work began");
    while !held.until.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if held.fails { Err(HandlerError::retry("not yet")) } else { Ok(Reply::json(json!({ "run": run }))) }
}

/// Which attempt it is, from 1.
#[derive(Debug, Deserialize)]
struct Late {
    attempt: u32,
}

/// Never ends, the first time.
#[kiket::webhook("work.late", version = "v1", timeout = "200ms")]
async fn late(late: Payload<Late>, effects: State<Effects>) -> Reply {
    if late.attempt == 1 {
        std::future::pending::<()>().await;
    }
    Reply::json(json!({ "run": effects.run() }))
}

/// Reads what a test says of the process.
#[allow(clippy::unused_async)] // the macro awaits it
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let file = OpenOptions::new().create(true).append(true).open(env::var("FAULTS_EFFECTS")?)?;
    let effects = Effects { file, process: env::var("FAULTS_PROCESS")?, runs: AtomicU64::new(0) };
    let builder = builder.id("com.example.faults").without_manifest().state(effects);
    match env::var("FAULTS_IN_FLIGHT") {
        Ok(limit) => Ok(builder.concurrency_limit(limit.parse()?)),
        Err(_) => Ok(builder),
    }
}

kiket::main!(setup = setup);
