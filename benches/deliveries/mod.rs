//! The delivery that all benches send: an issue with comments and fields of its workspace, in two sizes.

use serde::Deserialize;
use serde_json::{Value, json};

/// What the deliveries are signed with.
pub(crate) const SECRET: &str = "kiket_bench_secret";
/// The event of the deliveries.
pub(crate) const EVENT: &str = "issue.created";
/// The version of the deliveries.
pub(crate) const VERSION: &str = "v1";
/// The sizes of a body, in bytes, and what they are called.
pub(crate) const SIZES: [(usize, &str); 2] = [(1024, "1 KiB"), (64 * 1024, "64 KiB")];

/// The type that the servers decode into. It reads most of the body, but not all, as the types of real handlers do.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the fields are decoded, which is what is measured")]
pub(crate) struct IssueCreated {
    pub(crate) issue: Issue,
    pub(crate) comments: Vec<Comment>,
    pub(crate) actor: Person,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the fields are decoded, which is what is measured")]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) state: State,
    pub(crate) labels: Vec<String>,
    pub(crate) assignee: Option<Person>,
    pub(crate) custom_fields: CustomFields,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Open,
    InProgress,
    Done,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the fields are decoded, which is what is measured")]
pub(crate) struct CustomFields {
    pub(crate) budget: f64,
    pub(crate) region: Option<String>,
    pub(crate) approved: bool,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the fields are decoded, which is what is measured")]
pub(crate) struct Person {
    pub(crate) id: u64,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the fields are decoded, which is what is measured")]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) author: Person,
    pub(crate) body: String,
}

/// The body of a delivery, of exactly `size` bytes: as many comments as fit, and a description that fills the rest.
pub(crate) fn body(size: usize) -> Vec<u8> {
    let without = |comments| text(comments, "").len();
    let each = without(2) - without(1);
    let comments = size.saturating_sub(without(0)) / each;
    let missing = size.checked_sub(without(comments)).expect("a body has room for an issue");
    let filler = "The launch needs a page, a mail and two posts. ";
    let description: String = filler.chars().cycle().take(missing).collect();
    let body = text(comments, &description).into_bytes();
    assert_eq!(body.len(), size, "the description fills the body");
    body
}

fn text(comments: usize, description: &str) -> String {
    // All comments are of the same length, whatever their number.
    let comments: Vec<Value> = (0..comments).map(|number| comment(10_000 + number)).collect();
    json!({
        "id": "evt_01JZ8Q4W7C5N2M",
        "event": EVENT,
        "timestamp": "2026-11-02T09:30:00Z",
        "workspace": { "id": 7, "slug": "north", "plan": "team" },
        "actor": { "id": 12, "name": "Mara Lind", "email": "mara@example.com" },
        "issue": {
            "id": 4711,
            "key": "MKT-4711",
            "title": "Launch the \"spring\" campaign",
            "description": description,
            "state": "in_progress",
            "labels": ["marketing", "launch"],
            "assignee": { "id": 31, "name": "Jörg Weiß", "email": "joerg@example.com" },
            "custom_fields": { "budget": 12500.5, "region": "emea", "approved": true, "score": 7 },
        },
        "comments": comments,
    })
    .to_string()
}

fn comment(id: usize) -> Value {
    json!({
        "id": id,
        "author": { "id": 31, "name": "Jörg Weiß", "email": "joerg@example.com" },
        "body": "Looks good to me.\nOnly the banner is missing: \u{2192} see the \"assets\" folder, please.",
        "created_at": "2026-11-02T09:31:00Z",
        "reactions": { "thumbs_up": 2 },
    })
}
