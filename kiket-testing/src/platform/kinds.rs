//! What the items of each list have in common.

use serde_json::{Value, json};

use super::collection::Kind;

/// A kind whose items have no defaults and no times, and are numbered together.
const PLAIN: Kind =
    Kind { name: "", keys: &["id"], numbered: 0, stamped: false, defaults: |_, _| Value::Null };

/// Its scope is empty.
pub(super) const SECRET: Kind = Kind { name: "secret", keys: &["key"], stamped: true, ..PLAIN };

/// Its scope is module, table and project; a table numbers its records in all projects.
pub(super) const RECORD: Kind = Kind { name: "record", numbered: 2, ..PLAIN };

pub(super) const SLA_EVENT: Kind = Kind {
    name: "event",
    defaults: |_, _| {
        json!({
            "issue_id": null, "project_id": null, "state": null, "triggered_at": null, "resolved_at": null,
            "definition": null, "metrics": null,
        })
    },
    ..PLAIN
};

/// Its scope is its project.
pub(super) const FORM: Kind = Kind {
    name: "form",
    keys: &["key", "id"],
    stamped: true,
    defaults: |number, form| {
        let key = form.get("key").and_then(Value::as_str).map_or(format!("form-{number}"), str::to_owned);
        json!({
            "key": key, "name": key, "form_url": format!("https://kiket.test/forms/{key}"), "description": null,
            "active": true, "public": false, "fields": [], "embed_allowed": false, "submissions_count": 0,
        })
    },
    ..PLAIN
};

/// Its scope is the project and the id of its form.
pub(super) const SUBMISSION: Kind = Kind {
    name: "submission",
    numbered: 2,
    stamped: true,
    defaults: |_, _| {
        json!({
            "status": "pending", "data": {}, "metadata": {}, "submitted_by_email": null, "reviewed_by": null,
            "reviewed_at": null, "notes": null,
        })
    },
    ..PLAIN
};

pub(super) const ISSUE: Kind = Kind {
    name: "issue",
    keys: &["key", "id"],
    stamped: true,
    defaults: |number, _| {
        json!({
            "key": format!("ISSUE-{number}"), "project_id": null, "title": format!("Issue {number}"),
            "description": null, "status": "open", "priority": null, "issue_type": "Task", "assignee": null,
            "labels": [],
        })
    },
    ..PLAIN
};

/// Its scope is the id of its issue.
pub(super) const COMMENT: Kind =
    Kind { name: "comment", numbered: 1, stamped: true, defaults: |_, _| json!({ "author": null }), ..PLAIN };

pub(super) const PROJECT: Kind = Kind { name: "project", keys: &["slug"], ..PLAIN };

pub(super) const EMAIL: Kind = Kind { name: "e-mail", ..PLAIN };

pub(super) const RAW_EVENT: Kind =
    Kind { name: "raw event", defaults: |_, _| json!({ "metadata": {} }), ..PLAIN };

pub(super) const EVIDENCE: Kind = Kind { name: "evidence", ..PLAIN };

/// The records are in it, with their place in the tree and their hash.
pub(super) const ANCHOR: Kind = Kind {
    name: "anchor",
    keys: &["merkle_root"],
    defaults: |_, _| {
        json!({
            "network": "polygon_amoy", "first_record_at": null, "last_record_at": null, "tx_hash": null,
            "block_number": null, "block_timestamp": null, "confirmed_at": null, "explorer_url": null,
        })
    },
    ..PLAIN
};
