//! The extension of the fault test of deferred work: `later` handlers that write down each step, so that effects can be counted.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kiket::{Handler, handler::Later, params, prelude::*, transaction::Tx};

/// What a test says of a delivery.
#[derive(Debug, Deserialize)]
struct Work {
    /// How long it takes until the effect, and as long from there to the end.
    #[serde(default)]
    ms: u64,
    /// Whether some attempts fail.
    #[serde(default)]
    fails: bool,
    /// What makes it poison.
    #[serde(default)]
    poison: String,
}

/// The file of steps, and who writes there.
#[derive(Debug)]
struct Steps {
    file: File,
    /// The number of this process, which no other has.
    process: String,
    runs: AtomicU64,
}

/// A run of a handler, by its number.
struct Run<'s> {
    steps: &'s Steps,
    number: u64,
    key: String,
    has_ended: bool,
}

impl Steps {
    fn begin(&self, context: &Context) -> io::Result<Run<'_>> {
        let run = Run {
            steps: self,
            number: self.runs.fetch_add(1, Ordering::Relaxed),
            key: context.delivery_key(),
            has_ended: false,
        };
        run.write("begins")?;
        Ok(run)
    }
}

impl Run<'_> {
    /// One line, in one piece, after those of all processes.
    fn write(&self, step: &str) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let line = format!("{step} {now} {} {} {}\n", self.steps.process, self.number, self.key);
        (&self.steps.file).write_all(line.as_bytes())
    }

    fn end(mut self) -> io::Result<()> {
        self.has_ended = true;
        self.write("ends")
    }

    /// Its name, which no other has.
    fn name(&self) -> String {
        format!("{}-{}", self.steps.process, self.number)
    }

    /// Some attempts fail, whatever they are at.
    fn may_fail(&self, work: &Work) -> kiket::Result<()> {
        if !work.fails || self.number % 11 != 7 {
            return Ok(());
        }
        self.write("fails")?;
        Err(HandlerError::retry("not yet"))
    }
}

/// At its deadline, with its lease, or with an error.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = self.write("dropped");
        }
    }
}

/// Has its effect outside of any transaction.
async fn plain(work: Payload<Work>, context: Context, steps: State<Steps>) -> kiket::Result<()> {
    let run = steps.begin(&context)?;
    tokio::time::sleep(Duration::from_millis(work.ms)).await;
    run.may_fail(&work)?;
    run.write("effect")?;
    tokio::time::sleep(Duration::from_millis(work.ms)).await;
    run.end()?;
    Ok(())
}

/// Has its effect with the end of its row.
async fn with_tx(work: Payload<Work>, context: Context, steps: State<Steps>, tx: Tx) -> kiket::Result<()> {
    let run = steps.begin(&context)?;
    tokio::time::sleep(Duration::from_millis(work.ms)).await;
    let insert = "INSERT INTO effects (delivery_key, run) VALUES ($1, $2)";
    tx.execute(insert, params![run.key.clone(), run.name()]).await?;
    run.write("effect")?;
    run.may_fail(&work)?;
    tokio::time::sleep(Duration::from_millis(work.ms)).await;
    run.end()?;
    Ok(())
}

/// Never succeeds.
async fn poison(work: Payload<Work>, context: Context, steps: State<Steps>) -> kiket::Result<()> {
    let run = steps.begin(&context)?;
    match &*work.poison {
        "permanent" => Err(HandlerError::permanent("poison")),
        "crashed" => {
            run.write("aborts")?;
            std::process::abort();
        }
        _ => Err(HandlerError::retry("poison")),
    }
}

/// A lease ends five seconds after the deadline of its handler: it is short here.
fn later(handler: Handler, timeout: Duration, attempts: u32) -> Handler {
    let backoff = (Duration::from_millis(20), Duration::from_millis(500));
    handler.timeout(timeout).later(Later::new().attempts(attempts).backoff(backoff.0, backoff.1).lane("lane"))
}

/// Registers the handlers that `FAULTS_HANDLERS` names: the build that they make up.
#[allow(clippy::unused_async)] // the macro awaits it
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let file = OpenOptions::new().create(true).append(true).open(env::var("FAULTS_EFFECTS")?)?;
    let steps = Steps { file, process: env::var("FAULTS_PROCESS")?, runs: AtomicU64::new(0) };
    let mut builder = builder.id("com.example.deferring").without_manifest().state(steps);
    builder = builder.inbox(|inbox| inbox.without_secrets().ephemeral(true));
    let usual = Duration::from_millis(env::var("FAULTS_TIMEOUT_MS")?.parse()?);
    for event in env::var("FAULTS_HANDLERS")?.split(' ') {
        builder = builder.handler(match event {
            "work.tx" => later(Handler::new(event, "v1", with_tx), usual, 50),
            "poison.crashed" => later(Handler::new(event, "v1", poison), Duration::from_millis(100), 50),
            "poison.attempts" | "poison.permanent" => later(Handler::new(event, "v1", poison), usual, 3),
            _ => later(Handler::new(event, "v1", plain), usual, 50),
        });
    }
    Ok(builder)
}

kiket::main!(setup = setup);
