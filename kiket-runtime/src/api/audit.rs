//! The audit trail: anchors of records in a blockchain, and proofs.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    bodies::bodies,
    merkle::{self, Hash, Node, ProofError},
    setters::filter,
};
use crate::{
    client::{Client, Idempotency, Paginator, Request},
    error::{ClientError, ClientErrorKind},
    types::{Id, Timestamp},
};

/// The audit trail of the organisation: records are collected in Merkle trees, whose roots are published in a blockchain.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// # let (hash_of_my_record, root_on_the_chain) = ("", "");
/// let audit = context.endpoints().audit();
/// let proof = audit.proof(4711, None).await?;
/// // With the hash that you computed and the root that the chain shows, you need not trust Kiket:
/// if proof.check(hash_of_my_record, root_on_the_chain).is_err() {
///     tracing::info!("record 4711 is not what was anchored");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Its functions fail when the call fails, and when the response has a hash that is not 32 bytes in hex.
#[derive(Debug, Clone)]
pub struct Audit {
    pub(super) client: Client,
}

filter! {
    /// Query parameters for listing anchors. Matches everything by default.
    #[must_use = "a filter filters nothing until it is given to `anchors`"]
    AnchorFilter:
    /// This many anchors per page. Kiket's default is 25, its maximum 100.
    per_page(u32) => per_page: u32;
    /// Only anchors in this status.
    status(AnchorStatus) => status: AnchorStatus;
    /// Only anchors in this blockchain, like `polygon_mainnet`.
    network(into String) => network: String;
    /// Only anchors made at this time or later: a `SystemTime`, or RFC 3339.
    from(into Timestamp) => from: Timestamp;
    /// Only anchors made at this time or earlier: a `SystemTime`, or RFC 3339.
    to(into Timestamp) => to: Timestamp;
    /// The page, from 1 on; of a stream, its first.
    page(u32) => page: u32;
}

/// The status of an [`Anchor`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AnchorStatus {
    /// The tree exists, and its root is not published yet.
    Pending,
    /// The root was sent to the blockchain.
    Submitted,
    /// The root is in the blockchain.
    Confirmed,
    /// The root could not be published.
    Failed,
    /// A status that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The word in calls and responses.
impl fmt::Display for AnchorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

bodies! {
    /// A Merkle tree of audit records, and the place where its root is published.
    pub struct Anchor = "anchor", "anchors" {
        /// The id of the anchor.
        pub id: Id,
        /// The root of the tree: 32 bytes in hex, behind `0x`.
        #[serde(deserialize_with = "root")]
        pub merkle_root: String,
        /// The number of records.
        #[serde(default)]
        pub leaf_count: u64,
        /// The status.
        pub status: AnchorStatus,
        /// The blockchain, like `polygon_mainnet`.
        pub network: Option<String>,
        /// The transaction that published the root.
        pub tx_hash: Option<String>,
        /// The block of that transaction.
        pub block_number: Option<u64>,
        /// The time of the block.
        pub block_timestamp: Option<Timestamp>,
        /// The time of the first record.
        pub first_record_at: Option<Timestamp>,
        /// The time of the last record.
        pub last_record_at: Option<Timestamp>,
        /// The time of the confirmation by the blockchain.
        pub confirmed_at: Option<Timestamp>,
        /// The time of creation.
        pub created_at: Option<Timestamp>,
        /// The page that shows the transaction.
        pub explorer_url: Option<String>,
        /// The records, if the call included them.
        #[serde(default)]
        pub records: Vec<AnchorRecord>,
    }

    /// A record in the tree of an [`Anchor`].
    pub struct AnchorRecord {
        /// The id of the record.
        pub id: Id,
        /// The type of the record, like `AuditLog`.
        #[serde(rename = "type")]
        pub record_type: Option<String>,
        /// The index among the leaves, from 0 on.
        #[serde(default)]
        pub leaf_index: u64,
        /// The hash of the record, which is the leaf: 32 bytes in hex, behind `0x`.
        #[serde(deserialize_with = "leaf")]
        pub content_hash: String,
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
    pub struct AuditProof {
        /// The id of the record.
        pub record_id: Id,
        /// The type of the record, like `AuditLog`.
        pub record_type: Option<String>,
        /// The hash of the record, which is the leaf, as Kiket has it.
        #[serde(deserialize_with = "leaf")]
        pub content_hash: String,
        /// The id of the anchor.
        pub anchor_id: Option<Id>,
        /// The root of the tree, as Kiket has it.
        #[serde(deserialize_with = "root")]
        pub merkle_root: String,
        /// The index of the record among the leaves, from 0 on.
        #[serde(default)]
        pub leaf_index: u64,
        /// The number of leaves.
        #[serde(default)]
        pub leaf_count: u64,
        /// The siblings on the path from the leaf to the root.
        pub proof: Vec<String>,
        /// The blockchain, like `polygon_mainnet`.
        pub network: Option<String>,
        /// The transaction that published the root.
        pub tx_hash: Option<String>,
        /// The block of that transaction.
        pub block_number: Option<u64>,
        /// The time of the block.
        pub block_timestamp: Option<Timestamp>,
        /// Whether Kiket says that the proof holds; use [`check`](Self::check) to verify it yourself.
        #[serde(default)]
        pub verified: bool,
        /// The page that shows the proof.
        pub verification_url: Option<String>,
    }

    /// The result of [`Audit::verify`].
    #[must_use = "check `verified`"]
    pub struct Verification {
        /// Whether the proof holds and the root is in the blockchain.
        pub verified: bool,
        /// Whether the proof leads to the root.
        pub proof_valid: bool,
        /// Whether the root is in the blockchain.
        pub blockchain_verified: bool,
        /// The hash of the record.
        pub content_hash: Option<String>,
        /// The root of the tree.
        pub merkle_root: Option<String>,
        /// The block that has the root.
        pub block_number: Option<u64>,
        /// The time of the block.
        pub block_timestamp: Option<Timestamp>,
        /// The blockchain, like `polygon_mainnet`.
        pub network: Option<String>,
        /// The page that shows the transaction.
        pub explorer_url: Option<String>,
        /// Kiket's description of what is wrong.
        pub error: Option<String>,
    }
}

impl AuditProof {
    /// Checks that the proof leads from `leaf`, the hash that you computed of the record, to `root`, as you read it
    /// from the blockchain. It calls [`merkle::verify`].
    ///
    /// # Errors
    ///
    /// As for [`merkle::verify`].
    pub fn check(&self, leaf: &str, root: &str) -> Result<(), ProofError> {
        merkle::verify(leaf, &self.proof, root)
    }

    /// Checks that it leads from its own hash to its own root.
    fn check_itself(&self) -> Result<(), ProofError> {
        self.check(&self.content_hash, &self.merkle_root)
    }
}

impl Verification {
    /// Whether it is about this leaf and this root. Only a failed verification may omit them.
    fn is_about(&self, proof: &AuditProof) -> bool {
        let same = |found: &Option<String>, expected: &str, node| match found {
            Some(found) => Hash::read(found, node).is_ok_and(|found| Hash::read(expected, node) == Ok(found)),
            None => !self.verified,
        };
        same(&self.content_hash, &proof.content_hash, Node::Leaf)
            && same(&self.merkle_root, &proof.merkle_root, Node::Root)
    }
}

impl Audit {
    /// The anchors that `filter` matches: one page of them.
    pub async fn anchors(&self, filter: AnchorFilter) -> Result<Vec<Anchor>, ClientError> {
        self.stream_anchors(filter).first().await
    }

    /// The anchors that `filter` matches, through all pages.
    pub fn stream_anchors(&self, mut filter: AnchorFilter) -> Paginator<Anchor> {
        let first = filter.page.take().map(|page| page.to_string());
        self.client.pages(Request::get(&["audit", "anchors"]).params(filter)).starting_at(first)
    }

    /// The anchor with this root: 64 hex digits, with or without `0x`.
    ///
    /// # Errors
    ///
    /// Also when `merkle_root` is no root, and when the response is another anchor.
    pub async fn anchor(&self, merkle_root: &str, include_records: bool) -> Result<Anchor, ClientError> {
        let asked = Hash::read(merkle_root, Node::Root);
        let root = asked.map_or_else(|_| merkle_root.to_owned(), |root| root.to_string());
        let mut request = Request::get(&["audit", "anchors", &root])
            .maybe_query("include_records", include_records.then_some(true));
        if let Err(error) = asked {
            request = request.invalid(error.to_string());
        }
        let call = request.call();
        let anchor: Anchor = self.client.send(request).await?;
        if Hash::read(&anchor.merkle_root, Node::Root) != asked {
            return Err(unreadable(call, "the response is an anchor with another root"));
        }
        Ok(anchor)
    }

    /// The proof that a record is anchored. Record types number their records separately; `None` is `AuditLog`.
    ///
    /// # Errors
    ///
    /// Also when the response is the proof of another record, and when it does not lead from the hash to the root that
    /// it names. While the record is in no anchor, the call fails with 404.
    pub async fn proof<'t>(
        &self,
        record_id: impl fmt::Display,
        record_type: impl Into<Option<&'t str>>,
    ) -> Result<AuditProof, ClientError> {
        let (id, record_type) = (record_id.to_string(), record_type.into());
        let request =
            Request::get(&["audit", "records", &id, "proof"]).maybe_query("record_type", record_type);
        let call = request.call();
        let proof: AuditProof = self.client.send(request).await?;
        if proof.record_id != id
            || record_type.is_some_and(|asked| proof.record_type.as_deref() != Some(asked))
        {
            return Err(unreadable(call, "the response is the proof of another record"));
        }
        match proof.check_itself() {
            Ok(()) => Ok(proof),
            Err(error) => Err(unreadable(call, format!("the response proves nothing: {error}"))),
        }
    }

    /// Asks Kiket whether the root of a proof is in the blockchain. The proof itself is checked first, without a call.
    ///
    /// # Errors
    ///
    /// Also when the proof does not hold, and when the response is about another proof or contradicts itself.
    pub async fn verify(&self, proof: &AuditProof) -> Result<Verification, ClientError> {
        #[derive(Serialize)]
        struct Body<'p> {
            content_hash: &'p str,
            merkle_root: &'p str,
            proof: &'p [String],
            leaf_index: u64,
            tx_hash: Option<&'p str>,
        }

        let AuditProof { content_hash, merkle_root, proof: steps, leaf_index, tx_hash, .. } = proof;
        let mut request = Request::post(&["audit", "verify"]);
        if let Err(error) = proof.check_itself() {
            request = request.invalid(error.to_string());
        }
        // The call changes nothing and may be repeated. Its key is new, not the delivery's: a redelivery needs to know
        // the state at that time.
        request.idempotency = Idempotency::Random;
        let tx_hash = tx_hash.as_deref();
        let body = Body { content_hash, merkle_root, proof: steps, leaf_index: *leaf_index, tx_hash };
        let call = request.call();
        let verification: Verification = self.client.send(request.json(&body)).await?;
        if !verification.is_about(proof) {
            return Err(unreadable(call, "the response is about another proof"));
        }
        if verification.verified && !(verification.proof_valid && verification.blockchain_verified) {
            return Err(unreadable(call, "the response says `verified`, and that a part is not"));
        }
        Ok(verification)
    }
}

fn unreadable(call: String, message: impl Into<String>) -> ClientError {
    ClientError::new(ClientErrorKind::Unreadable, call, message)
}

fn root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    hash(deserializer, Node::Root)
}

fn leaf<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    hash(deserializer, Node::Leaf)
}

/// Reads a text that is a hash.
fn hash<'de, D: Deserializer<'de>>(deserializer: D, node: Node) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Hash::read(&text, node).map_err(de::Error::custom)?;
    Ok(text)
}
