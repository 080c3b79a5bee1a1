//! What a seed puts into the fake platform.

use crate::platform::tests::*;

const SEED: &str = "
extension: { id: com.example.x, version: 1.10, metadata: { tier: pro } }
secrets: { A: 007 }
custom_data:
  - project_id: 7
    module: crm
    table: contacts
    records:
      - { id: c-1, email: a@example.com }
      - { email: b@example.com }
sla_events:
  - { issue_id: 42, project_id: 7, state: imminent }
anchors:
  - { network: polygon_mainnet, records: [{ id: 1 }, { id: x, type: AIAuditLog, content_hash: 0xabababababababababababababababababababababababababababababababab }] }
raw_events:
  - { sourceSystem: github, sourceEventType: push, idempotencyKey: k-1, payload: { a: 1 } }
  - { sourceSystem: github, sourceEventType: push, idempotencyKey: k-1, payload: { a: 2 } }
rate_limit: { limit: 10, remaining: 3 }
";

#[test]
fn a_seed_is_there_before_the_first_call() {
    let platform = FakePlatform::builder().clock(Clock::fixed(NOW)).seed_yaml(SEED).start().unwrap();
    let metadata = ask("GET", "/api/v1/extensions/com.example.x").check(&platform, 200);
    let expected =
        json!({ "id": "com.example.x", "name": "com.example.x", "version": "1.10", "tier": "pro" });
    assert_eq!(metadata.json(), expected);
    assert_eq!(metadata.header("x-ratelimit-remaining"), Some("2"));
    ask("GET", "/api/v1/extensions/other").check(&platform, 404);
    assert_eq!(platform.secret("A").as_deref(), Some("007"));
    let record = ask("GET", &format!("{CONTACTS}/c-1?project_id=7")).check(&platform, 200).json();
    assert_eq!(record["data"]["email"], "a@example.com");
    assert_eq!(platform.records("crm", "contacts")[1]["id"], 1);
    let anchor = &platform.anchors()[0];
    assert_eq!((&anchor["status"], &anchor["leaf_count"]), (&json!("confirmed"), &json!(2)));
    assert_eq!(anchor["records"][1]["content_hash"], format!("0x{}", "ab".repeat(32)));
    let events = platform.raw_events();
    assert_eq!((events.len(), &events[0]["payload"]["a"]), (1, &json!(1)), "the first of two with one key");
}

#[test]
fn the_hash_of_a_record_is_that_of_its_type_and_id() {
    let platform = platform();
    platform.add_anchor(json!({ "records": [{ "id": 1 }] }));
    // printf AuditLog:1 | sha256sum
    assert_eq!(
        platform.anchors()[0]["merkle_root"],
        "0x46c79cad04c02d1597e265cac230f02943fd24fb1c49bad37e7dc8b6044628bb"
    );
}

#[test]
fn what_is_wrong_with_seeds_is_said_with_its_place() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"secrets:\n  A: [x]\n").unwrap();
    let missing = file.path().with_extension("missing");
    let builder = FakePlatform::builder().seed_yaml("custom: []").seed_file(file.path()).seed_file(&missing);
    let error = builder.start().unwrap_err();
    let places: Vec<_> = error.problems().iter().map(|problem| problem.place.as_ref().unwrap()).collect();
    assert_eq!((places[0].file.to_str(), places[0].line, places[0].column), (Some("seed.yaml"), 1, 1));
    assert_eq!((&*places[1].file, places[1].line), (file.path(), 2));
    assert_eq!((&places[2].file, places[2].line), (&missing, 0));
    assert!(error.to_string().starts_with("the platform does not start, for 3 reasons"), "{error}");
}
