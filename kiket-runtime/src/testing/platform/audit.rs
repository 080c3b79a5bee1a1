//! The audit trail, which only a seed or a test makes.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    call::Call,
    fields,
    items::fill,
    pages::{counted_page, written},
    tree::Tree,
};
use crate::{
    api::merkle::{self, Hash, Node, ProofError},
    types::rfc3339,
};

#[derive(Default)]
pub(super) struct Audit(Vec<Anchor>);

struct Anchor {
    tree: Tree,
    root: String,
    records: Vec<Record>,
    status: Status,
    /// The rest of what is told.
    fields: Map<String, Value>,
}

/// An anchor as it is given: its records, and what else is to be told.
#[derive(Deserialize)]
pub(super) struct Given {
    records: Records,
    #[serde(default)]
    status: Status,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// At least one record.
struct Records {
    first: Record,
    others: Vec<Record>,
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

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Submitted,
    #[default]
    Confirmed,
    Failed,
}

/// The fields that every anchor has, if only as `null`.
const FIELDS: [&str; 7] = [
    "first_record_at",
    "last_record_at",
    "tx_hash",
    "block_number",
    "block_timestamp",
    "confirmed_at",
    "explorer_url",
];

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut records = Vec::deserialize(deserializer)?.into_iter();
        let first = records.next().ok_or_else(|| de::Error::custom("an anchor has at least one record"))?;
        Ok(Self { first, others: records.collect() })
    }
}

fn given_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hash>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Hash::read(&text, Node::Leaf).map(Some).map_err(de::Error::custom)
}

impl Record {
    fn hash(&self) -> Hash {
        self.content_hash
            .unwrap_or_else(|| Hash::of(format!("{}:{}", self.kind, written(&self.id)).as_bytes()))
    }
}

impl Anchor {
    fn told(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    fn with_records(&self) -> Value {
        let records = self.records.iter().enumerate().map(|(index, record)| {
            json!({
                "id": record.id,
                "type": record.kind,
                "leaf_index": index,
                "content_hash": record.hash().to_string(),
            })
        });
        let mut told = self.fields.clone();
        told.insert("records".into(), records.collect());
        told.into()
    }

    fn proof(&self, index: usize, record: &Record) -> Value {
        let proof: Vec<_> = self.tree.proof(index).iter().map(Hash::to_string).collect();
        let field = |name| self.fields.get(name).unwrap_or(&Value::Null);
        json!({
            "record_id": record.id,
            "record_type": record.kind,
            "content_hash": record.hash().to_string(),
            "anchor_id": field("id"),
            "merkle_root": self.root,
            "leaf_index": index,
            "leaf_count": self.records.len(),
            "proof": proof,
            "network": field("network"),
            "tx_hash": field("tx_hash"),
            "block_number": field("block_number"),
            "block_timestamp": field("block_timestamp"),
            "verified": self.status == Status::Confirmed,
            "verification_url": null,
        })
    }

    /// Whether it was made between two times.
    fn is_within(&self, from: Option<jiff::Timestamp>, to: Option<jiff::Timestamp>) -> bool {
        let made = self.fields.get("created_at").and_then(Value::as_str).and_then(|text| text.parse().ok());
        from.is_none_or(|from| made.is_some_and(|made| from <= made))
            && to.is_none_or(|to| made.is_some_and(|made| made <= to))
    }
}

impl Audit {
    /// Adds an anchor; without an id it gets the next number.
    pub(super) fn add(&mut self, given: Given, now: u64) -> Value {
        let Given { records: Records { first, others }, status, rest: mut fields } = given;
        let tree = Tree::of(first.hash(), others.iter().map(Record::hash));
        let root = tree.root().to_string();
        let records: Vec<_> = std::iter::once(first).chain(others).collect();
        let id = self.0.len().saturating_add(1);
        let own =
            [("id", id.into()), ("network", "polygon_amoy".into()), ("created_at", rfc3339(now).into())];
        fill(&mut fields, own);
        fill(&mut fields, FIELDS.map(|field| (field, Value::Null)));
        fields.insert("status".into(), json!(status));
        fields.insert("merkle_root".into(), json!(root));
        fields.insert("leaf_count".into(), json!(records.len()));
        let anchor = Anchor { tree, root, records, status, fields };
        let told = anchor.with_records();
        self.0.push(anchor);
        told
    }

    /// The anchors with their records, in the order of their making.
    pub(super) fn anchors(&self) -> Vec<Value> {
        self.0.iter().map(Anchor::with_records).collect()
    }

    pub(super) fn list(&self, call: &Call) -> Result<Answer, Answer> {
        let status = call.query_value("status").map(|text| serde_json::from_value::<Status>(text.into()));
        let status =
            status.transpose().map_err(|_| Answer::invalid(&[("status", "is not included in the list")]))?;
        let network = call.query_value("network");
        let (from, to) = (time(call, "from")?, time(call, "to")?);
        let found = self.0.iter().filter(|anchor| {
            status.is_none_or(|status| anchor.status == status)
                && network
                    .is_none_or(|network| anchor.fields.get("network").is_some_and(|own| own == network))
                && anchor.is_within(from, to)
        });
        counted_page(call, "anchors", &found.map(Anchor::told).collect::<Vec<_>>())
    }

    pub(super) fn get(&self, root: &str, call: &Call) -> Result<Answer, Answer> {
        let anchor = self.with_root(root).ok_or_else(|| Answer::not_found("anchor"))?;
        let with_records = call.query_value("include_records") == Some("true");
        Ok(Answer::json(200, &if with_records { anchor.with_records() } else { anchor.told() }))
    }

    /// The proof of a record, of the type that the call names or of any.
    pub(super) fn proof(&self, id: &str, call: &Call) -> Result<Answer, Answer> {
        let kind = call.query_value("record_type").map_or_else(audit_log, str::to_owned);
        let all = self.0.iter().flat_map(|anchor| {
            anchor.records.iter().enumerate().map(move |(index, record)| (anchor, index, record))
        });
        let mut found = all.filter(|(_, _, record)| written(&record.id) == id && record.kind == kind);
        let (anchor, index, record) = found.next().ok_or_else(|| Answer::not_found("proof"))?;
        Ok(Answer::json(200, &anchor.proof(index, record)))
    }

    pub(super) fn verify(&self, call: &Call) -> Result<Answer, Answer> {
        let body = fields::object(call)?;
        fields::Fields::of(&body).text("content_hash").text("merkle_root").finish()?;
        let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (leaf, root) = (text("content_hash"), text("merkle_root"));
        let proof = body.get("proof").and_then(Value::as_array);
        let proof = proof.and_then(|steps| steps.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let proof = proof.ok_or_else(|| Answer::invalid(&[("proof", "must be a list of texts")]))?;
        let error = match merkle::verify(leaf, &proof, root) {
            Ok(()) => None,
            Err(error @ (ProofError::Mismatch | ProofError::Empty)) => Some(error),
            Err(error) => return Err(Answer::invalid(&[("proof", &error.to_string())])),
        };
        let anchor = self.with_root(root).filter(|anchor| anchor.status == Status::Confirmed);
        let field = |name| anchor.and_then(|anchor| anchor.fields.get(name)).unwrap_or(&Value::Null);
        Ok(Answer::json(
            200,
            &json!({
                "verified": error.is_none() && anchor.is_some(),
                "proof_valid": error.is_none(),
                "blockchain_verified": anchor.is_some(),
                "content_hash": leaf,
                "merkle_root": root,
                "leaf_index": body.get("leaf_index"),
                "block_number": field("block_number"),
                "block_timestamp": field("block_timestamp"),
                "network": field("network"),
                "explorer_url": field("explorer_url"),
                "error": error.map(|error| error.to_string()),
            }),
        ))
    }

    fn with_root(&self, root: &str) -> Option<&Anchor> {
        let root = Hash::read(root, Node::Root).ok()?.to_string();
        self.0.iter().find(|anchor| anchor.root == root)
    }
}

fn time(call: &Call, name: &'static str) -> Result<Option<jiff::Timestamp>, Answer> {
    let time = call.query_value(name).map(str::parse).transpose();
    time.map_err(|_| Answer::invalid(&[(name, "is not an RFC 3339 time")]))
}
