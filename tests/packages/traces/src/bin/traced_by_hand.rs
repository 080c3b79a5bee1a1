//! An extension with a `main` and a log subscriber of its own.

use kiket::{Extension, telemetry::log_writer};
use tracing_subscriber::{fmt, layer::SubscriberExt as _, registry, util::SubscriberInitExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> kiket::Result<()> {
    let traces = kiket_otel::start()?;
    registry().with(fmt::layer().with_ansi(false).with_writer(log_writer)).with(traces.layer()).init();
    tracing::info_span!("main").in_scope(|| {});
    if std::env::var_os("TWICE").is_some() {
        kiket_otel::init(); // it is not needed, and does no harm
    }
    let builder = Extension::builder().without_manifest().on("issue.created", "v1", async || {});
    let served = builder.build()?.serve().await;
    println!("stats: {:?}", traces.stats());
    drop(traces);
    Ok(served?)
}
