//! Anchors of the audit trail, and the proofs that lead to them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::api::merkle::{self, Hash, Node, ProofError};
use crate::{client::resources, types::Id};

/// How far an anchor came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AnchorStatus {
    /// Its tree is made, and nothing is published.
    Pending,
    /// Its root is on the way into the chain.
    Submitted,
    /// Its root is in the chain.
    Confirmed,
    /// Its root did not get there.
    Failed,
    /// A status that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The word for it, as calls and answers have it.
impl fmt::Display for AnchorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A Merkle tree of audit records, and where its root is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Anchor {
    /// The id of the anchor.
    pub id: Id,
    /// The root of the tree: 32 bytes in hex, behind `0x`.
    #[serde(deserialize_with = "root")]
    pub merkle_root: String,
    /// How many records are in it.
    #[serde(default)]
    pub leaf_count: u64,
    /// How far it came.
    pub status: AnchorStatus,
    /// The blockchain, like `polygon_mainnet`.
    #[serde(default)]
    pub network: Option<String>,
    /// The transaction that published the root.
    #[serde(default)]
    pub tx_hash: Option<String>,
    /// The block of that transaction.
    #[serde(default)]
    pub block_number: Option<u64>,
    /// When the block was made, as Kiket writes it.
    #[serde(default)]
    pub block_timestamp: Option<String>,
    /// When the first of the records was made, as Kiket writes it.
    #[serde(default)]
    pub first_record_at: Option<String>,
    /// When the last of the records was made, as Kiket writes it.
    #[serde(default)]
    pub last_record_at: Option<String>,
    /// When the chain confirmed it, as Kiket writes it.
    #[serde(default)]
    pub confirmed_at: Option<String>,
    /// When it was made, as Kiket writes it.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Where people see the transaction.
    #[serde(default)]
    pub explorer_url: Option<String>,
    /// Its records, where they were asked for.
    #[serde(default)]
    pub records: Vec<AnchorRecord>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

resources! { Anchor: "anchor", "anchors"; }

/// A record in the tree of an [`Anchor`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AnchorRecord {
    /// The id of the record.
    pub id: Id,
    /// Its type, like `AuditLog`.
    #[serde(rename = "type", default)]
    pub record_type: Option<String>,
    /// Its place among the leaves, from 0 on.
    #[serde(default)]
    pub leaf_index: u64,
    /// Its hash, which is the leaf: 32 bytes in hex, behind `0x`.
    #[serde(deserialize_with = "leaf")]
    pub content_hash: String,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The proof that a record is in the tree of an anchor.
///
/// ```
/// let proof: kiket_runtime::api::AuditProof = serde_json::from_value(serde_json::json!({
///     "record_id": 1,
///     "content_hash": "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8",
///     "merkle_root": "8450e9a90d144185def662fffc477da5e0325d80be5de388ec20d9c58d6c72d0",
///     "proof": ["f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"],
/// }))?;
/// assert!(proof.check(&proof.content_hash, &proof.merkle_root).is_ok());
/// assert!(proof.check(&"00".repeat(32), &proof.merkle_root).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditProof {
    /// The record.
    pub record_id: Id,
    /// Its type, like `AuditLog`.
    #[serde(default)]
    pub record_type: Option<String>,
    /// Its hash, which is the leaf, as Kiket tells it.
    #[serde(deserialize_with = "leaf")]
    pub content_hash: String,
    /// The anchor.
    #[serde(default)]
    pub anchor_id: Option<Id>,
    /// The root of the tree, as Kiket tells it.
    #[serde(deserialize_with = "root")]
    pub merkle_root: String,
    /// The place of the record among the leaves, from 0 on.
    #[serde(default)]
    pub leaf_index: u64,
    /// How many leaves there are.
    #[serde(default)]
    pub leaf_count: u64,
    /// The siblings on the way from the leaf to the root.
    pub proof: Vec<String>,
    /// The blockchain, like `polygon_mainnet`.
    #[serde(default)]
    pub network: Option<String>,
    /// The transaction that published the root.
    #[serde(default)]
    pub tx_hash: Option<String>,
    /// The block of that transaction.
    #[serde(default)]
    pub block_number: Option<u64>,
    /// When the block was made, as Kiket writes it.
    #[serde(default)]
    pub block_timestamp: Option<String>,
    /// Whether Kiket says that it is good; [`check`](Self::check) finds out.
    #[serde(default)]
    pub verified: bool,
    /// Where people see the proof.
    #[serde(default)]
    pub verification_url: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl AuditProof {
    /// Checks that the proof leads from `leaf`, the hash that you computed of the record, to `root`, as you read it
    /// from the chain. See [`merkle::verify`], which this is.
    ///
    /// # Errors
    ///
    /// When it does not, and when it is no proof.
    pub fn check(&self, leaf: &str, root: &str) -> Result<(), ProofError> {
        merkle::verify(leaf, &self.proof, root)
    }

    /// Whether it is a proof at all, of whatever it names.
    pub(super) fn check_itself(&self) -> Result<(), ProofError> {
        self.check(&self.content_hash, &self.merkle_root)
    }
}

/// What Kiket found out about a proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use = "a verification that nobody looks at verifies nothing"]
#[non_exhaustive]
pub struct Verification {
    /// Whether all is well.
    pub verified: bool,
    /// Whether the proof leads to the root.
    pub proof_valid: bool,
    /// Whether the root is in the chain.
    pub blockchain_verified: bool,
    /// The hash of the record.
    #[serde(default)]
    pub content_hash: Option<String>,
    /// The root.
    #[serde(default)]
    pub merkle_root: Option<String>,
    /// The block that the root is in.
    #[serde(default)]
    pub block_number: Option<u64>,
    /// When the block was made, as Kiket writes it.
    #[serde(default)]
    pub block_timestamp: Option<String>,
    /// The blockchain, like `polygon_mainnet`.
    #[serde(default)]
    pub network: Option<String>,
    /// Where people see the transaction.
    #[serde(default)]
    pub explorer_url: Option<String>,
    /// What is wrong, in Kiket's words.
    #[serde(default)]
    pub error: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Verification {
    /// Whether it is about this leaf and this root. A good one says so; a bad one may leave it out.
    pub(super) fn is_about(&self, proof: &AuditProof) -> bool {
        let same = |told: &Option<String>, asked: &str, node| match told {
            Some(told) => Hash::read(told, node).is_ok_and(|told| Hash::read(asked, node) == Ok(told)),
            None => !self.verified,
        };
        same(&self.content_hash, &proof.content_hash, Node::Leaf)
            && same(&self.merkle_root, &proof.merkle_root, Node::Root)
    }
}

fn root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    hash(deserializer, Node::Root)
}

fn leaf<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    hash(deserializer, Node::Leaf)
}

/// A text that is a hash.
fn hash<'de, D: Deserializer<'de>>(deserializer: D, node: Node) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Hash::read(&text, node).map_err(de::Error::custom)?;
    Ok(text)
}
