//! What a stored delivery costs in the memory store, in a process of its own.

use std::{error::Error, fs, time::Duration};

use kiket::{
    dedupe::{BeginOutcome, DedupeKey, DedupeStore as _, MemoryStore, StoredReply},
    http::StatusCode,
};

const HOUR: Duration = Duration::from_secs(3600);

/// ```text
/// filled = bytes nanoseconds        of resident memory and of processor time, for a delivery
/// ```
pub(crate) fn fill(deliveries: usize, bytes: usize) -> Result<String, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = if deliveries <= MemoryStore::ENTRIES {
        MemoryStore::new()
    } else {
        MemoryStore::with_limits(deliveries, MemoryStore::BYTES)
    };
    let body = if bytes == 0 { br#"{"ok":true}"#.to_vec() } else { vec![b' '; bytes] };
    let before = (resident()?, processor()?);
    runtime.block_on(async {
        for number in 0..deliveries {
            let key = DedupeKey::new("com.example.bench", &format!("id:{number}"));
            if let BeginOutcome::Leased(token) = store.begin(&key, HOUR).await? {
                // Each has a body of its own.
                let reply = StoredReply::new(StatusCode::OK, body.clone());
                let _ = store.commit(&key, &token, &reply, HOUR).await?;
            }
        }
        let time = processor()?.saturating_sub(before.1);
        let memory = resident()?.saturating_sub(before.0);
        Ok(format!("{} {}", memory / deliveries, time.as_nanos() / u128::try_from(deliveries)?))
    })
}

/// The resident memory of this process, in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("there is no VmRSS")?.parse::<usize>()? * 1024)
}

/// The time of the first thread on a processor: to the nanosecond, where the kernel counts that.
fn processor() -> Result<Duration, Box<dyn Error>> {
    let time = fs::read_to_string("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(time.split_whitespace().next().ok_or("there is no time")?.parse()?))
}
