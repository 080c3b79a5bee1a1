//! Everything the fake platform knows.

use std::{collections::BTreeMap, time::Duration};

use kiket_runtime::Secret;
use serde_json::Value;

use super::{
    collection::{Collection, Item},
    kinds,
    rate::RateWindow,
    replays::Replays,
    tokens::Tokens,
};

pub(super) struct State {
    /// The one extension there is; without it, every id is one.
    pub(super) extension_id: Option<String>,
    /// What is known about the extension besides its id.
    pub(super) metadata: Item,
    pub(super) secrets: Collection,
    /// Whether the list of secrets has times beside the keys.
    pub(super) detailed_secrets: bool,
    pub(super) records: Collection,
    /// The most records on a page.
    pub(super) page_size: Option<usize>,
    pub(super) sla_events: Collection,
    pub(super) forms: Collection,
    pub(super) submissions: Collection,
    pub(super) issues: Collection,
    pub(super) comments: Collection,
    pub(super) projects: Collection,
    pub(super) emails: Collection,
    pub(super) anchors: Collection,
    pub(super) raw_events: Collection,
    pub(super) evidence: Collection,
    /// The bodies that were reported, as they were sent.
    pub(super) reports: BTreeMap<&'static str, Vec<Value>>,
    pub(super) webhook_token: Secret,
    pub(super) tokens: Tokens,
    pub(super) rate: RateWindow,
    pub(super) replays: Replays,
}

impl Default for State {
    fn default() -> Self {
        Self {
            extension_id: None,
            metadata: Item::new(),
            secrets: Collection::new(&kinds::SECRET),
            detailed_secrets: false,
            records: Collection::new(&kinds::RECORD),
            page_size: None,
            sla_events: Collection::new(&kinds::SLA_EVENT),
            forms: Collection::new(&kinds::FORM),
            submissions: Collection::new(&kinds::SUBMISSION),
            issues: Collection::new(&kinds::ISSUE),
            comments: Collection::new(&kinds::COMMENT),
            projects: Collection::new(&kinds::PROJECT),
            emails: Collection::new(&kinds::EMAIL),
            anchors: Collection::new(&kinds::ANCHOR),
            raw_events: Collection::new(&kinds::RAW_EVENT),
            evidence: Collection::new(&kinds::EVIDENCE),
            reports: BTreeMap::new(),
            webhook_token: Secret::from("kiket_test_webhook_token"),
            tokens: Tokens::default(),
            rate: RateWindow::new(600, Duration::from_secs(60)),
            replays: Replays::default(),
        }
    }
}
