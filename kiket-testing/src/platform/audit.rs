//! The audit trail, which only a seed or a test makes: anchors, and the proofs of their records.

use kiket_runtime::{
    internals::rfc3339,
    merkle::{self, Hash, Node, ProofError},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};

use super::{
    collection::{By, Item, text, written},
    fields::{Rule::Text, check},
    request::Request,
    response::{Outcome, Response},
    state::State,
    tree::Tree,
};

/// An anchor as it is given: its records, and other fields that it shall have.
#[derive(Deserialize)]
pub(super) struct Given {
    #[serde(deserialize_with = "at_least_one")]
    records: Vec<Record>,
    #[serde(default)]
    status: Status,
    #[serde(flatten)]
    rest: Item,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: Value,
    #[serde(rename = "type", default = "audit_log")]
    kind: String,
    /// Unless it is given, the hash of `type:id`.
    #[serde(default, deserialize_with = "given_hash")]
    content_hash: Option<Hash>,
}

fn audit_log() -> String {
    "AuditLog".to_owned()
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Submitted,
    #[default]
    Confirmed,
    Failed,
}

const STATUSES: [&str; 4] = ["pending", "submitted", "confirmed", "failed"];

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Record>, D::Error> {
    let records = Vec::deserialize(deserializer)?;
    if records.is_empty() { Err(de::Error::custom("an anchor has at least one record")) } else { Ok(records) }
}

fn given_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hash>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Hash::read(&text, Node::Leaf).map(Some).map_err(de::Error::custom)
}

/// Adds an anchor and returns it, with its records.
pub(super) fn add(state: &mut State, given: Given, now: u64) -> Value {
    let Given { records: leaves, status, rest: mut anchor } = given;
    let leaves = leaves.into_iter().enumerate().map(|(index, Record { id, kind, content_hash })| {
        let hash = content_hash.unwrap_or_else(|| Hash::of(format!("{kind}:{}", written(&id)).as_bytes()));
        json!({ "id": id, "type": kind, "leaf_index": index, "content_hash": hash.to_string() })
    });
    anchor.insert("records".into(), leaves.collect());
    let root = tree(&anchor).map(|tree| tree.root().to_string());
    anchor.entry("created_at").or_insert_with(|| rfc3339(now).into());
    let count = records(&anchor).len().into();
    for (field, value) in [("status", json!(status)), ("merkle_root", json!(root)), ("leaf_count", count)] {
        anchor.insert(field.into(), value);
    }
    state.anchors.add(&[], anchor, now)
}

fn records(anchor: &Item) -> &[Value] {
    anchor.get("records").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn tree(anchor: &Item) -> Option<Tree> {
    let hash = |record: &Value| Hash::read(record["content_hash"].as_str()?, Node::Leaf).ok();
    let mut leaves = records(anchor).iter().filter_map(hash);
    Some(Tree::of(leaves.next()?, leaves))
}

pub(super) fn list(state: &mut State, request: &Request<'_>) -> Outcome {
    let filters = [
        ("status", By::Word(&STATUSES)),
        ("network", By::Text),
        ("from", By::Since("created_at")),
        ("to", By::Until("created_at")),
    ];
    let mut anchors = state.anchors.picked(&[], request.call, &filters)?;
    for anchor in anchors.iter_mut().filter_map(Value::as_object_mut) {
        anchor.remove("records");
    }
    request.counted_page("anchors", &anchors)
}

pub(super) fn get(state: &mut State, request: &Request<'_>) -> Outcome {
    let mut anchor = with_root(state, request.path("root"))?.clone();
    if request.call.query_value("include_records") != Some("true") {
        anchor.remove("records");
    }
    Ok(Response::json(200, &anchor.into()))
}

/// The proof of a record, of the type that the query names.
pub(super) fn proof(state: &mut State, request: &Request<'_>) -> Outcome {
    let (id, kind) = (request.path("id"), request.call.query_value("record_type").unwrap_or("AuditLog"));
    let anchors = state.anchors.within(&[]).into_iter();
    let mut all = anchors.flat_map(|anchor| {
        records(anchor).iter().enumerate().map(move |(index, record)| (anchor, index, record))
    });
    let found = all.find(|(_, _, record)| written(&record["id"]) == id && record["type"] == kind);
    let Some((anchor, index, record)) = found else { return Err(Response::not_found("proof")) };
    let proof = tree(anchor).map(|tree| tree.proof(index)).unwrap_or_default();
    let body = json!({
        "record_id": record["id"], "record_type": record["type"], "content_hash": record["content_hash"],
        "anchor_id": anchor["id"], "merkle_root": anchor["merkle_root"], "leaf_index": index,
        "leaf_count": records(anchor).len(), "proof": proof.iter().map(Hash::to_string).collect::<Vec<_>>(),
        "network": anchor["network"], "tx_hash": anchor["tx_hash"], "block_number": anchor["block_number"],
        "block_timestamp": anchor["block_timestamp"], "verified": anchor["status"] == "confirmed",
        "verification_url": null,
    });
    Ok(Response::json(200, &body))
}

pub(super) fn verify(state: &mut State, request: &Request<'_>) -> Outcome {
    let body = request.object()?;
    check(&body, &[("content_hash", Text), ("merkle_root", Text)])?;
    let (leaf, root) = (text(&body, "content_hash"), text(&body, "merkle_root"));
    let proof = body.get("proof").and_then(Value::as_array);
    let proof = proof.and_then(|steps| steps.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let proof = proof.ok_or_else(|| Response::invalid(&[("proof", "must be a list of texts")]))?;
    let error = match merkle::verify(leaf, &proof, root) {
        Ok(()) => None,
        Err(error @ (ProofError::Mismatch | ProofError::Empty)) => Some(error),
        Err(error) => return Err(Response::invalid(&[("proof", &error.to_string())])),
    };
    let anchor = with_root(state, root).ok().filter(|anchor| anchor["status"] == "confirmed");
    let field = |name| anchor.and_then(|anchor| anchor.get(name));
    let body = json!({
        "verified": error.is_none() && anchor.is_some(), "proof_valid": error.is_none(),
        "blockchain_verified": anchor.is_some(), "content_hash": leaf, "merkle_root": root,
        "leaf_index": body.get("leaf_index"), "block_number": field("block_number"),
        "block_timestamp": field("block_timestamp"), "network": field("network"),
        "explorer_url": field("explorer_url"), "error": error.map(|error| error.to_string()),
    });
    Ok(Response::json(200, &body))
}

fn with_root<'s>(state: &'s State, root: &str) -> Result<&'s Item, Response> {
    let root = Hash::read(root, Node::Root).map_err(|_| Response::not_found("anchor"))?;
    state.anchors.find(&[], &root.to_string())
}
