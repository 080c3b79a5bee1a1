//! A delivery as Restate keeps it: who it is for, and its sealed content.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kiket_runtime::{
    dedupe::{DedupeKey, LeaseToken},
    inbox::{ClaimedWork, HandlerName, NewWork, RowId, WorkLease},
};
use serde::{Deserialize, Serialize};

/// Work that Restate hands out.
pub(crate) struct Envelope {
    /// The work, without an attempt.
    pub(crate) work: ClaimedWork,
    /// Whether a dead delivery blocks its lane.
    pub(crate) blocks_lane: bool,
    due: SystemTime,
}

/// All but the content, which follows it after a line break. None of it is secret.
#[derive(Serialize, Deserialize)]
struct Head {
    key: String,
    event: String,
    version: String,
    organisation: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    lane: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    blocks_lane: bool,
    /// When it is due, in milliseconds of Unix time.
    due: u64,
}

/// Work as bytes.
pub(crate) fn write(work: &NewWork, now: SystemTime) -> serde_json::Result<Vec<u8>> {
    let due = now.duration_since(UNIX_EPOCH).unwrap_or_default() + work.delay;
    let head = Head {
        key: work.key.as_str().to_owned(),
        event: work.handler.event.clone(),
        version: work.handler.version.clone(),
        organisation: work.organisation.clone(),
        lane: work.lane.clone(),
        blocks_lane: work.blocks_lane,
        due: u64::try_from(due.as_millis()).unwrap_or(u64::MAX),
    };
    let mut bytes = serde_json::to_vec(&head)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&work.content);
    Ok(bytes)
}

impl Envelope {
    /// Reads what [`write`] wrote; `None` for other bytes.
    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let head: Head = serde_json::from_slice(bytes.get(..end)?).ok()?;
        let mut work = ClaimedWork::new(
            WorkLease::new(RowId(0), LeaseToken::unique()),
            DedupeKey::restored(head.key),
            HandlerName { event: head.event, version: head.version }, // as it was sealed
            head.organisation,
            bytes.slice(end + 1..),
        );
        work.lane = head.lane;
        let due = UNIX_EPOCH.checked_add(Duration::from_millis(head.due))?;
        Some(Self { work, blocks_lane: head.blocks_lane, due })
    }

    /// The work in its `attempt`th attempt.
    pub(crate) fn attempt(&self, attempt: u32, crashes: u32) -> ClaimedWork {
        let mut work = self.work.clone();
        (work.attempt, work.crashes) = (attempt, crashes);
        work.age = self.due.elapsed().unwrap_or_default();
        work
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn work(lane: Option<&str>) -> NewWork {
        let (space, handler) = ("com.example.crm", HandlerName::new("issue.created", "v1"));
        let content = Bytes::from_static(b"\x01sealed\n\n");
        let mut work = NewWork::new(space, DedupeKey::new(space, "id:1"), handler, content);
        work.organisation = "7".into();
        work.lane = lane.map(str::to_owned);
        work.blocks_lane = lane.is_some();
        work.delay = Duration::from_millis(1500);
        work
    }

    #[test]
    fn work_comes_back_as_it_was() {
        for lane in [None, Some("4711")] {
            let sent = work(lane);
            let read = Envelope::read(&write(&sent, UNIX_EPOCH).unwrap().into()).unwrap();
            assert_eq!((&read.work.key, &read.work.handler), (&sent.key, &sent.handler));
            assert_eq!((&read.work.organisation, &read.work.lane), (&sent.organisation, &sent.lane));
            assert_eq!((read.work.content.clone(), read.blocks_lane), (sent.content, lane.is_some()));
            assert_eq!(read.due, UNIX_EPOCH + Duration::from_millis(1500));
            let attempt = read.attempt(3, 1);
            assert_eq!((attempt.attempt, attempt.crashes), (3, 1));
            assert!(attempt.age > Duration::from_secs(1_000_000_000));
        }
    }

    #[test]
    fn other_bytes_are_no_work() {
        for bytes in [&b""[..], b"{}", b"{}\nx", b"\n", b"\xff\n", b"[1]\nx"] {
            assert!(Envelope::read(&Bytes::copy_from_slice(bytes)).is_none(), "{bytes:?}");
        }
    }
}
