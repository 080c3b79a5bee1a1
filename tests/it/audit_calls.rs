//! The calls of the audit trail, against the fake platform (wire contract, calls-audit).

use kiket::{
    Extension,
    api::{Anchor, AnchorFilter, AnchorStatus, Audit, AuditProof, Id, Verification},
    config::Clock,
    error::{ClientError, ClientErrorKind},
    merkle::ProofError,
    testing::{Call, Failure, FakePlatform},
};
use serde_json::{Value, json};

use crate::world::{SEGMENTS, builder, one_call, request, status};

/// 2023-11-14T22:13:20Z
const NOW: u64 = 1_700_000_000;

struct World {
    platform: FakePlatform,
    extension: Extension,
}

impl World {
    /// A platform with three anchors: of five records, of one, and of two with the ids of the first.
    fn new() -> Self {
        let platform = FakePlatform::builder().clock(Clock::fixed(NOW)).start().unwrap();
        platform.add_anchor(json!({
            "records": (1..=5).map(|id| json!({ "id": id })).collect::<Vec<_>>(),
            "network": "polygon_mainnet", "tx_hash": "0xabc", "block_number": 17, "gas": "cheap",
        }));
        platform.add_anchor(json!({ "records": [{ "id": "a/b" }], "status": "pending" }));
        platform.add_anchor(json!({
            "records": [{ "id": 1, "type": "AIAuditLog" }, { "id": 2, "type": "AIAuditLog" }],
            "created_at": "2023-11-13T00:00:00Z",
        }));
        let extension = platform.extension(builder()).build().unwrap();
        Self { platform, extension }
    }

    fn audit(&self) -> Audit {
        self.extension.endpoints().audit()
    }

    /// The one call that was made since the last time. It carries the workspace token, and no extension key.
    #[track_caller]
    fn call(&self) -> Call {
        let call = one_call(&self.platform);
        assert_eq!(call.header("authorization"), Some(format!("Bearer {}", self.platform.token()).as_str()));
        for absent in ["x-kiket-api-key", "x-api-key", "x-organization-id"] {
            assert_eq!(call.header(absent), None);
        }
        call
    }

    #[track_caller]
    fn request(&self) -> String {
        request(&self.call())
    }

    /// The next call gets this.
    fn response(&self, body: &Value) {
        self.platform.fail(Failure::body(body.to_string()).times(1));
    }

    /// The root of an anchor, as the platform tells it.
    fn root(&self, anchor: usize) -> String {
        self.platform.anchors()[anchor]["merkle_root"].as_str().unwrap().to_owned()
    }
}

/// The calls of a response that must not be believed.
#[track_caller]
pub(crate) fn unreadable<T: std::fmt::Debug>(result: Result<T, ClientError>, call: &str, words: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.call()), (ClientErrorKind::Unreadable, call), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[track_caller]
fn invalid<T: std::fmt::Debug>(result: Result<T, ClientError>, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{error}");
    assert!(error.message().contains(words), "{error}");
}

fn networks(anchors: &[Anchor]) -> Vec<&str> {
    anchors.iter().filter_map(|anchor| anchor.network.as_deref()).collect()
}

#[tokio::test]
async fn anchors_are_filtered_and_keep_unknown_fields() {
    let world = World::new();
    let all = world.audit().anchors(AnchorFilter::default()).await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/audit/anchors");
    assert_eq!(networks(&all), ["polygon_mainnet", "polygon_amoy", "polygon_amoy"]);
    assert_eq!(
        (all[0].leaf_count, &all[0].status, all[0].block_number),
        (5, &AnchorStatus::Confirmed, Some(17))
    );
    assert_eq!((&all[0].extra["gas"], all[0].records.len()), (&json!("cheap"), 0));
    assert_eq!(all[0].created_at, Some("2023-11-14T22:13:20Z".into()));

    let filter = AnchorFilter::default()
        .status(AnchorStatus::Confirmed)
        .network("polygon_amoy")
        .from("2023-11-12T00:00:00+01:00")
        .to("2023-11-14T00:00:00Z")
        .page(1)
        .per_page(2);
    let found = world.audit().anchors(filter).await.unwrap();
    assert_eq!(found.iter().map(|anchor| anchor.leaf_count).collect::<Vec<_>>(), [2]);
    assert_eq!(
        world.request(),
        "GET /api/v1/audit/anchors?per_page=2&status=confirmed&network=polygon_amoy\
         &from=2023-11-12T00%3A00%3A00%2B01%3A00&to=2023-11-14T00%3A00%3A00Z&page=1"
    );
    for (status, count) in
        [(AnchorStatus::Pending, 1), (AnchorStatus::Submitted, 0), (AnchorStatus::Failed, 0)]
    {
        let found = world.audit().anchors(AnchorFilter::default().status(status)).await.unwrap();
        assert_eq!(found.len(), count);
    }
    let odd = AnchorFilter::default().status(AnchorStatus::Other("odd".into()));
    assert_eq!(status(world.audit().anchors(odd).await), 422);
    assert_eq!(status(world.audit().anchors(AnchorFilter::default().from("yesterday")).await), 422);
    assert_eq!(status(world.audit().anchors(AnchorFilter::default().page(0)).await), 422);

    let odd = json!({ "anchors": [{ "id": "a", "merkle_root": world.root(0), "status": "reorganised" }] });
    world.response(&odd);
    let anchors = world.audit().anchors(AnchorFilter::default()).await.unwrap();
    assert_eq!(anchors[0].status, AnchorStatus::Other("reorganised".into()));
}

#[tokio::test]
async fn anchors_are_walked_through_all_their_pages() {
    let world = World::new();
    let filter = AnchorFilter::default().per_page(2);
    let mut anchors = world.audit().stream_anchors(filter.clone());
    let mut counts = Vec::new();
    while let Some(anchor) = anchors.next().await {
        counts.push(anchor.unwrap().leaf_count);
    }
    assert_eq!(counts, [5, 1, 2]);
    let queries: Vec<_> = world.platform.calls().iter().map(|call| call.query().to_owned()).collect();
    assert_eq!(queries, ["per_page=2", "per_page=2&page=2"]);
    world.platform.forget_calls();

    let mut rest = world.audit().stream_anchors(filter.clone().page(2));
    assert_eq!(rest.next().await.unwrap().unwrap().leaf_count, 2);
    assert!(rest.next().await.is_none());
    assert_eq!(world.request(), "GET /api/v1/audit/anchors?per_page=2&page=2");

    world.platform.fail(Failure::status(500).times(1).when(|call| call.query_value("page") == Some("2")));
    let mut anchors = world.audit().stream_anchors(filter.clone());
    assert!(anchors.next().await.unwrap().is_ok() && anchors.next().await.unwrap().is_ok());
    assert_eq!(status(anchors.next().await.unwrap()), 500);
    assert!(anchors.next().await.is_none(), "it ends after the first error");

    // Counts that promise more than there is end, too.
    world.platform.forget_calls();
    world.platform.fail(Failure::body(
        json!({ "anchors": [], "pagination": { "page": 1, "total_pages": u64::MAX } }).to_string(),
    ));
    assert!(world.audit().stream_anchors(filter).next().await.is_none());
    assert_eq!(world.platform.calls().len(), 1);
}

#[tokio::test]
async fn an_anchor_is_found_by_its_root() {
    let world = World::new();
    let root = world.root(0);
    let anchor = world.audit().anchor(&root, false).await.unwrap();
    assert_eq!((anchor.merkle_root.as_str(), anchor.records.len()), (root.as_str(), 0));
    assert_eq!(world.request(), format!("GET /api/v1/audit/anchors/{root}"));

    for spelling in [root[2..].to_owned(), root[2..].to_uppercase()] {
        let anchor = world.audit().anchor(&spelling, true).await.unwrap();
        assert_eq!(world.request(), format!("GET /api/v1/audit/anchors/{root}?include_records=true"));
        let ids: Vec<_> = anchor.records.iter().map(|record| record.id.clone()).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5].map(Id::from));
        assert_eq!(anchor.records[4].leaf_index, 4);
        assert_eq!(anchor.records[4].record_type.as_deref(), Some("AuditLog"));
    }

    for (odd, words) in [
        ("", "cannot be a segment"),
        ("..", "cannot be a segment"),
        ("../x?y#z", "not hex"),
        ("a b%", "not hex"),
        ("grün", "not hex"),
        (&root[..64], "62 hex digits"),
        (&format!("{root}00"), "66 hex digits"),
    ] {
        invalid(world.audit().anchor(odd, false).await, words);
    }
    assert_eq!(world.platform.calls().len(), 0);
    assert_eq!(status(world.audit().anchor(&"0".repeat(64), false).await), 404);
}

#[tokio::test]
async fn the_proof_of_every_record_holds() {
    let world = World::new();
    let root = world.root(0);
    for (index, record) in world.audit().anchor(&root, true).await.unwrap().records.iter().enumerate() {
        world.platform.forget_calls();
        let proof = world.audit().proof(&record.id, None).await.unwrap();
        assert_eq!(world.request(), format!("GET /api/v1/audit/records/{}/proof", record.id));
        assert_eq!((proof.leaf_index, proof.leaf_count, proof.verified), (index as u64, 5, true));
        assert_eq!(proof.check(&record.content_hash, &root), Ok(()));
        assert_eq!(proof.check(&world.root(1), &root), Err(ProofError::Mismatch));
        assert_eq!(proof.check(&record.content_hash, &world.root(1)), Err(ProofError::Mismatch));
    }
    let other = world.audit().proof(1, "AIAuditLog").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/audit/records/1/proof?record_type=AIAuditLog");
    assert_eq!(other.merkle_root, world.root(2));
    let alone = world.audit().proof("a/b", None).await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/audit/records/a%2Fb/proof");
    assert_eq!(
        (alone.proof.len(), alone.verified, alone.content_hash == alone.merkle_root),
        (0, false, true)
    );
    assert_eq!(status(world.audit().proof(6, None).await), 404);
}

#[tokio::test]
async fn every_record_stays_one_segment_of_the_path() {
    let world = World::new();
    for (id, encoded) in SEGMENTS {
        world.platform.add_anchor(json!({ "records": [{ "id": id }] }));
        let proof = world.audit().proof(id, None).await.unwrap();
        assert_eq!(world.call().path(), format!("/api/v1/audit/records/{encoded}/proof"));
        assert_eq!(proof.record_id, Id::from(id));
    }
    for id in ["", ".", ".."] {
        invalid(world.audit().proof(id, None).await, "cannot be a segment");
    }
    let typed = world.audit().proof("a/b", "a&b=c").await;
    assert_eq!(world.call().query(), "record_type=a%26b%3Dc");
    assert_eq!(status(typed), 404);
}

#[tokio::test]
async fn a_proof_is_verified_here_and_its_root_there() {
    let world = World::new();
    let good = world.audit().proof(3, None).await.unwrap();
    world.platform.forget_calls();
    let response = world.audit().verify(&good).await.unwrap();
    assert!(response.verified && response.proof_valid && response.blockchain_verified, "{response:?}");
    let call = world.call();
    assert_eq!((call.method(), call.path(), call.query()), ("POST", "/api/v1/audit/verify", ""));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(
        call.json(),
        json!({
            "content_hash": good.content_hash, "merkle_root": good.merkle_root, "proof": good.proof,
            "leaf_index": 2, "tx_hash": "0xabc",
        })
    );

    let pending = world.audit().proof("a/b", None).await.unwrap();
    let response = world.audit().verify(&pending).await.unwrap();
    assert_eq!((response.verified, response.proof_valid, response.blockchain_verified), (false, true, false));
    world.platform.forget_calls();

    for (change, words) in [
        (json!({ "content_hash": world.root(1) }), "does not lead"),
        (json!({ "merkle_root": world.root(1) }), "does not lead"),
        (json!({ "proof": [] }), "the proof is empty"),
        (json!({ "proof": ["zz"] }), "step 1 of the proof is not hex"),
        (json!({ "proof": vec![world.root(1); 65] }), "65 steps"),
    ] {
        invalid(world.audit().verify(&changed(&good, &change)).await, words);
    }
    assert_eq!(world.platform.calls().len(), 0, "what does not hold is not asked about");
    world.platform.fail(Failure::status(422).times(1));
    assert_eq!(status(world.audit().verify(&good).await), 422);
}

#[tokio::test]
async fn a_verification_may_be_repeated_and_is_asked_anew() {
    let world = World::new();
    let proof = world.audit().proof("a/b", None).await.unwrap();
    world.platform.forget_calls();
    world.platform.fail(Failure::status(503).times(1));
    for _ in 0..2 {
        let response = world.audit().verify(&proof).await.unwrap();
        assert!(!response.verified);
    }
    let calls = world.platform.calls();
    let keys: Vec<_> = calls.iter().map(|call| call.header("idempotency-key").unwrap()).collect();
    assert_eq!((keys.len(), keys[0] == keys[1], keys[1] == keys[2]), (3, true, false));
}

/// A proof with some of its fields changed.
fn changed(proof: &AuditProof, change: &Value) -> AuditProof {
    serde_json::from_value(with(&serde_json::to_value(proof).unwrap(), change)).unwrap()
}

/// An object with some of its fields changed.
fn with(object: &Value, change: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    object
}

#[tokio::test]
async fn a_hostile_response_is_never_verified() {
    let world = World::new();
    let (root, other) = (world.root(0), world.root(2));
    let listed = "GET /api/v1/audit/anchors";
    for (anchors, words) in [
        (json!("none"), "missing field `data`"),
        (json!([{ "id": 1, "status": "confirmed" }]), "merkle_root"),
        (json!([{ "id": 1, "status": "confirmed", "merkle_root": 7 }]), "invalid type"),
        (json!([{ "id": 1, "status": "confirmed", "merkle_root": &root[..40] }]), "38 hex digits"),
        (json!([{ "id": 1, "status": 7, "merkle_root": root }]), "AnchorStatus"),
        (json!([{ "id": 1, "status": "failed", "merkle_root": root, "leaf_count": -1 }]), "-1"),
    ] {
        world.response(&json!({ "anchors": anchors }));
        unreadable(world.audit().anchors(AnchorFilter::default()).await, listed, words);
    }

    let of_anchor = format!("{listed}/{root}");
    world.response(&json!({ "id": 1, "status": "confirmed", "merkle_root": other }));
    unreadable(world.audit().anchor(&root, false).await, &of_anchor, "another root");
    world.response(&json!({
        "id": 1, "status": "confirmed", "merkle_root": root, "records": [{ "id": 1, "content_hash": "0x" }],
    }));
    unreadable(world.audit().anchor(&root, true).await, &of_anchor, "the leaf has 0 hex digits");

    let of_proof = "GET /api/v1/audit/records/3/proof";
    let good = world.audit().proof(3, None).await.unwrap();
    let response = serde_json::to_value(&good).unwrap();
    for (change, words) in [
        (json!({ "record_id": 4 }), "another record"),
        (json!({ "record_id": null }), "expected an id, a whole number or a text"),
        (json!({ "record_id": [3] }), "expected an id, a whole number or a text"),
        (json!({ "content_hash": other }), "does not lead"),
        (json!({ "merkle_root": other }), "does not lead"),
        (json!({ "merkle_root": &root[..64] }), "the root has 62 hex digits"),
        (json!({ "merkle_root": null }), "invalid type"),
        (json!({ "content_hash": "0xgg" }), "the leaf is not hex"),
        (json!({ "proof": [] }), "the proof is empty"),
        (json!({ "proof": null }), "invalid type"),
        (json!({ "proof": "0x00" }), "invalid type"),
        (json!({ "proof": [root, "0x00"] }), "step 2 of the proof has 2 hex digits"),
        (json!({ "proof": vec![root.clone(); 65] }), "65 steps"),
        (json!({ "verified": "yes" }), "invalid type"),
    ] {
        world.response(&with(&response, &change));
        unreadable(world.audit().proof(3, None).await, of_proof, words);
    }
    world.response(&with(&response, &json!({ "record_id": "3" })));
    assert!(world.audit().proof(3, None).await.is_ok(), "an id may be a text");
    world.response(&response);
    unreadable(world.audit().proof(3, "AIAuditLog").await, of_proof, "another record");

    let of_verify = "POST /api/v1/audit/verify";
    let response = json!({
        "verified": true, "proof_valid": true, "blockchain_verified": true,
        "content_hash": good.content_hash, "merkle_root": good.merkle_root,
    });
    for (change, words) in [
        (json!({ "verified": "true" }), "invalid type"),
        (json!({ "verified": 1 }), "invalid type"),
        (json!({ "proof_valid": null }), "invalid type"),
        (json!({ "proof_valid": false }), "a part is not"),
        (json!({ "blockchain_verified": false }), "a part is not"),
        (json!({ "content_hash": other }), "another proof"),
        (json!({ "merkle_root": other }), "another proof"),
        (json!({ "merkle_root": "0x" }), "another proof"),
        (json!({ "content_hash": null }), "another proof"),
    ] {
        world.response(&with(&response, &change));
        unreadable(world.audit().verify(&good).await, of_verify, words);
    }
    world.response(&json!({}));
    unreadable(world.audit().verify(&good).await, of_verify, "missing field");
    world.response(
        &json!({ "verified": false, "proof_valid": true, "blockchain_verified": false, "error": "no node" }),
    );
    let Verification { verified, error, .. } = world.audit().verify(&good).await.unwrap();
    assert_eq!((verified, error.as_deref()), (false, Some("no node")));
}

#[tokio::test]
async fn the_platform_refuses_what_is_no_question() {
    let world = World::new();
    let client = world.extension.client();
    let ask = async |body: Value| client.post::<Value>("/api/v1/audit/verify", &body).await;
    let proof = world.audit().proof(3, None).await.unwrap();
    let question = json!({
        "content_hash": proof.content_hash, "merkle_root": proof.merkle_root, "proof": proof.proof, "leaf_index": 2,
    });
    assert_eq!(ask(question.clone()).await.unwrap()["verified"], true);
    let mismatch = ask(with(&question, &json!({ "content_hash": world.root(1) }))).await.unwrap();
    assert_eq!((&mismatch["verified"], &mismatch["blockchain_verified"]), (&json!(false), &json!(true)));
    for change in [
        json!({ "content_hash": "" }),
        json!({ "merkle_root": 7 }),
        json!({ "merkle_root": "0x12" }),
        json!({ "proof": "x" }),
        json!({ "proof": [1] }),
    ] {
        assert_eq!(status(ask(with(&question, &change)).await), 422);
    }
    assert_eq!(status(client.delete::<Value>("/api/v1/audit/anchors").await), 405);
}
