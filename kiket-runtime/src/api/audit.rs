//! The audit trail: which records are anchored in a blockchain, and the proofs of it.

use std::fmt;

use http::Method;
use serde::Serialize;

use super::anchor::{Anchor, AnchorStatus, AuditProof, Verification};
use crate::api::merkle::{Hash, Node};
use crate::{
    client::{Client, Idempotency, Paginator, Request},
    error::{ClientError, ClientErrorKind},
};

/// The audit trail of the organisation: records are gathered in Merkle trees, whose roots are published in a blockchain.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// # let (hash_of_my_record, root_on_the_chain) = ("", "");
/// let audit = context.endpoints().audit();
/// let proof = audit.proof(4711, None).await?;
/// // With what you computed and what the chain shows, nobody has to be believed:
/// if proof.check(hash_of_my_record, root_on_the_chain).is_err() {
///     println!("record 4711 is not what was anchored");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Audit {
    client: Client,
}

/// Which anchors are asked for: all of them, until something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter filters nothing until it is given to `anchors`"]
pub struct AnchorFilter {
    status: Option<AnchorStatus>,
    network: Option<String>,
    from: Option<String>,
    to: Option<String>,
    page: Option<u32>,
    per_page: Option<u32>,
}

impl AnchorFilter {
    /// Those that came so far.
    pub fn status(mut self, status: AnchorStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Those in one blockchain, like `polygon_mainnet`.
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Those made at this time or later; RFC 3339.
    pub fn from(mut self, time: impl Into<String>) -> Self {
        self.from = Some(time.into());
        self
    }

    /// Those made at this time or earlier; RFC 3339.
    pub fn to(mut self, time: impl Into<String>) -> Self {
        self.to = Some(time.into());
        self
    }

    /// This page, from 1 on; a stream begins with it.
    pub fn page(mut self, page: u32) -> Self {
        self.page = Some(page);
        self
    }

    /// So many a page; Kiket gives 25 unless told, and 100 at most.
    pub fn per_page(mut self, anchors: u32) -> Self {
        self.per_page = Some(anchors);
        self
    }
}

impl Audit {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The anchors that `filter` lets through: one page of them.
    ///
    /// # Errors
    ///
    /// When the call fails, or a root in its answer is not 32 bytes in hex.
    pub async fn anchors(&self, filter: AnchorFilter) -> Result<Vec<Anchor>, ClientError> {
        let page = filter.page;
        self.client.list(listing(filter)?.maybe_query("page", page)).await
    }

    /// All anchors that `filter` lets through, page by page as they are asked for.
    pub fn stream_anchors(&self, filter: AnchorFilter) -> Paginator<Anchor> {
        let first = filter.page.map(|page| page.to_string());
        Paginator::new(self.client.clone(), listing(filter)).starting_at(first)
    }

    /// The anchor with this root: 64 hex digits, with or without `0x`.
    ///
    /// # Errors
    ///
    /// When `merkle_root` is no root, the call fails, or its answer is another anchor.
    pub async fn anchor(&self, merkle_root: &str, include_records: bool) -> Result<Anchor, ClientError> {
        let asked = Hash::read(merkle_root, Node::Root);
        let root = asked.map_or_else(|_| merkle_root.to_owned(), |root| root.to_string());
        let request = Request::new(Method::GET, &["audit", "anchors", &root])?
            .maybe_query("include_records", include_records.then_some(true));
        let asked = asked.map_err(|error| request.invalid(error.to_string()))?;
        let call = request.call();
        let anchor: Anchor = self.client.send(request).await?;
        if Hash::read(&anchor.merkle_root, Node::Root) != Ok(asked) {
            return Err(unreadable(call, "the answer is an anchor with another root"));
        }
        Ok(anchor)
    }

    /// The proof that a record is anchored. Record types number their records separately: `None` is `AuditLog`.
    ///
    /// # Errors
    ///
    /// When the call fails (404 while the record is in no anchor), its answer is about another record, or it does not
    /// lead from the hash to the root that it names.
    pub async fn proof<'t>(
        &self,
        record_id: impl fmt::Display,
        record_type: impl Into<Option<&'t str>>,
    ) -> Result<AuditProof, ClientError> {
        let (id, record_type) = (record_id.to_string(), record_type.into());
        let request = Request::new(Method::GET, &["audit", "records", &id, "proof"])?
            .maybe_query("record_type", record_type);
        let call = request.call();
        let proof: AuditProof = self.client.send(request).await?;
        if proof.record_id != id
            || record_type.is_some_and(|asked| proof.record_type.as_deref() != Some(asked))
        {
            return Err(unreadable(call, "the answer is the proof of another record"));
        }
        match proof.check_itself() {
            Ok(()) => Ok(proof),
            Err(error) => Err(unreadable(call, format!("the answer proves nothing: {error}"))),
        }
    }

    /// Asks Kiket whether the root of a proof is in the chain. The proof itself is checked here, before anything is
    /// sent.
    ///
    /// # Errors
    ///
    /// When the proof does not hold, the call fails, or its answer is about another proof or contradicts itself.
    pub async fn verify(&self, proof: &AuditProof) -> Result<Verification, ClientError> {
        #[derive(Serialize)]
        struct Question<'p> {
            content_hash: &'p str,
            merkle_root: &'p str,
            proof: &'p [String],
            leaf_index: u64,
            tx_hash: Option<&'p str>,
        }

        let AuditProof { content_hash, merkle_root, proof: steps, leaf_index, tx_hash, .. } = proof;
        let mut request = Request::new(Method::POST, &["audit", "verify"])?;
        proof.check_itself().map_err(|error| request.invalid(error.to_string()))?;
        // Asking changes nothing and may be repeated. The key is a new one, not the delivery's: a repeated delivery
        // wants to know how things are by then.
        request.idempotency = Idempotency::Random;
        let tx_hash = tx_hash.as_deref();
        let question = Question { content_hash, merkle_root, proof: steps, leaf_index: *leaf_index, tx_hash };
        let call = request.call();
        let answer: Verification = self.client.send(request.json(&question)?).await?;
        if !answer.is_about(proof) {
            return Err(unreadable(call, "the answer is about another proof"));
        }
        if answer.verified && !(answer.proof_valid && answer.blockchain_verified) {
            return Err(unreadable(call, "the answer says `verified`, and that a part is not"));
        }
        Ok(answer)
    }
}

fn listing(filter: AnchorFilter) -> Result<Request, ClientError> {
    let AnchorFilter { status, network, from, to, page: _, per_page } = filter;
    Ok(Request::new(Method::GET, &["audit", "anchors"])?
        .maybe_query("per_page", per_page)
        .maybe_query("status", status)
        .maybe_query("network", network)
        .maybe_query("from", from)
        .maybe_query("to", to))
}

fn unreadable(call: String, message: impl Into<String>) -> ClientError {
    ClientError::new(ClientErrorKind::Unreadable, call, message)
}
