//! What is in the fake platform, by calls.

use crate::platform::tests::*;

#[test]
fn secrets_are_set_read_rotated_and_deleted() {
    let platform = platform();
    let key = format!("{SECRETS}/A");
    ask("GET", &key).check(&platform, 404);
    ask("PATCH", &key).json(&json!({ "value": "new" })).check(&platform, 404);
    ask("DELETE", &key).check(&platform, 404);
    ask("POST", &key).json(&json!({ "value": "one" })).check(&platform, 201);
    assert_eq!(ask("GET", &key).check(&platform, 200).json(), json!({ "value": "one" }));
    ask("POST", &key).json(&json!({ "value": "two" })).check(&platform, 200);
    ask("PATCH", &key).json(&json!({ "value": "" })).check(&platform, 200);
    assert_eq!(platform.secret("A").as_deref(), Some(""));
    platform.set_secret("B", "b");
    assert_eq!(ask("GET", SECRETS).check(&platform, 200).json(), json!({ "keys": ["A", "B"] }));
    for body in [json!({}), json!({ "value": 1 }), json!({ "value": null })] {
        let error = ask("POST", &key).json(&body).check(&platform, 422).json();
        assert_eq!(error["errors"], json!({ "value": ["must be text"] }));
    }
    assert!(ask("DELETE", &key).check(&platform, 204).body.is_empty());
    assert_eq!(platform.secret("A"), None);
}

#[test]
fn the_list_of_secrets_has_a_second_shape() {
    let clock = Clock::fixed(NOW);
    let platform = FakePlatform::builder().clock(clock.clone()).detailed_secret_list(true).start().unwrap();
    platform.set_secret("A", "a");
    clock.advance(Duration::from_secs(60));
    platform.set_secret("A", "b");
    let list = ask("GET", SECRETS).check(&platform, 200).json();
    let (created, updated) = ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z");
    assert_eq!(list, json!([{ "key": "A", "created_at": created, "updated_at": updated }]));
}

#[test]
fn keys_are_one_decoded_segment_and_paths_are_kept_as_sent() {
    let platform = platform();
    for (encoded, key) in [
        ("a%2Fb", "a/b"),
        ("%3F%23%20%25", "?# %"),
        ("%2E%2E", ".."),
        ("%C3%A4%F0%9F%A6%80", "ä🦀"),
        ("a+b", "a+b"),
    ] {
        let path = format!("{SECRETS}/{encoded}");
        ask("POST", &path).json(&json!({ "value": "v" })).check(&platform, 201);
        assert_eq!(platform.secret(key).as_deref(), Some("v"), "{key}");
        let call = platform.calls_to("POST", &path).remove(0);
        assert_eq!((call.segments()[5].as_str(), call.path()), (key, path.as_str()));
    }
}

#[test]
fn records_are_made_found_changed_and_deleted() {
    let platform = platform();
    let contacts = format!("{CONTACTS}?project_id=7");
    let record = |id: &str| format!("{CONTACTS}/{id}?project_id=7");
    let create = ask("POST", &contacts).json(&json!({ "record": { "email": "a@example.com", "id": 99 } }));
    assert_eq!(create.check(&platform, 201).json(), json!({ "data": { "id": 1, "email": "a@example.com" } }));
    assert_eq!(
        ask("GET", &record("1")).check(&platform, 200).json()["data"],
        json!({ "id": 1, "email": "a@example.com" })
    );
    let update = ask("PATCH", &record("1")).json(&json!({ "record": { "name": "A", "id": 5 } }));
    let updated = json!({ "id": 1, "email": "a@example.com", "name": "A" });
    assert_eq!(update.check(&platform, 200).json(), json!({ "data": updated }));
    assert_eq!(platform.records("crm", "contacts"), [updated]);
    assert_eq!(ask("GET", &contacts).check(&platform, 200).json()["data"].as_array().unwrap().len(), 1);
    for other in ["2", "01"] {
        ask("GET", &record(other)).check(&platform, 404);
    }
    // Another project does not see it, nor another table.
    ask("GET", &format!("{CONTACTS}/1?project_id=8")).check(&platform, 404);
    ask("DELETE", "/api/v1/ext/custom_data/crm/deals/1?project_id=7").check(&platform, 404);
    for body in [json!({}), json!({ "record": [] }), json!({ "email": "a" })] {
        ask("POST", &contacts).json(&body).check(&platform, 422);
    }
    ask("DELETE", &record("1")).check(&platform, 204);
    ask("DELETE", &record("1")).check(&platform, 404);
}

#[test]
fn a_project_must_be_named() {
    let platform = platform();
    for query in ["", "?project_id", "?project_id=", "?project_id=%20+", "?project=7"] {
        for (method, path) in [("GET", CONTACTS), ("POST", CONTACTS), ("GET", "/api/v1/ext/sla/events")] {
            let ask = ask(method, &format!("{path}{query}")).json(&json!({ "record": {} }));
            let error = ask.check(&platform, 422).json();
            assert_eq!(error["error"], "project_id can't be blank");
            assert_eq!(error["errors"], json!({ "project_id": ["can't be blank"] }));
        }
    }
    assert_eq!(platform.records("crm", "contacts"), [] as [Value; 0]);
}

#[test]
fn lists_are_filtered_and_paged() {
    let platform = platform();
    for (name, active) in [("a", true), ("b", false), ("c", true), ("d", true)] {
        platform.add_record(7, "crm", "contacts", json!({ "name": name, "active": active }));
    }
    platform.add_record("other", "crm", "contacts", json!({ "name": "e" }));
    let list = |query: &str| ask("GET", &format!("{CONTACTS}?project_id=7{query}")).send(&platform);
    let names = |query: &str| {
        let list = list(query).json();
        let names = list["data"].as_array().unwrap().iter().map(|record| record["name"].as_str().unwrap());
        (names.collect::<String>(), list["meta"]["next_page"].clone())
    };
    assert_eq!(names(""), ("abcd".into(), json!(null)));
    assert_eq!(names("&limit=3"), ("abc".into(), json!(2)));
    assert_eq!(names("&limit=3&page=2"), ("d".into(), json!(null)));
    assert_eq!(names("&limit=2&page=2"), ("cd".into(), json!(null)));
    assert_eq!(names("&limit=2&page=9"), (String::new(), json!(null)));
    // %7B is `{`: {"active":true}
    assert_eq!(names("&filters=%7B%22active%22:true%7D"), ("acd".into(), json!(null)));
    assert_eq!(names("&filters=%7B%22active%22:true,%22name%22:%22c%22%7D"), ("c".into(), json!(null)));
    assert_eq!(names("&filters=%7B%22none%22:1%7D"), (String::new(), json!(null)));
    for wrong in ["&limit=0", "&limit=x", "&page=-1", "&filters=x", "&filters=[]"] {
        assert_eq!(list(wrong).status, 422, "{wrong}");
    }
}

#[test]
fn the_platform_may_make_its_pages_smaller() {
    let platform = FakePlatform::builder().page_size(2).start().unwrap();
    for _ in 0..3 {
        platform.add_record(7, "crm", "contacts", json!({}));
    }
    for query in ["", "&limit=50"] {
        let list = ask("GET", &format!("{CONTACTS}?project_id=7{query}")).check(&platform, 200).json();
        assert_eq!(list["data"].as_array().unwrap().len(), 2);
        assert_eq!(list["meta"], json!({ "page": 1, "next_page": 2, "total": 3 }));
    }
}

#[test]
fn sla_events_are_filtered() {
    let platform = platform();
    platform.add_sla_event(json!({ "issue_id": 42, "project_id": 7, "state": "imminent" }));
    platform.add_sla_event(json!({ "issue_id": "43", "project_id": "7", "state": "breached", "id": 9 }));
    platform.add_sla_event(json!({ "issue_id": 42, "project_id": 8, "state": "imminent" }));
    let list = |query: &str| {
        let response =
            ask("GET", &format!("/api/v1/ext/sla/events?project_id=7{query}")).check(&platform, 200);
        let events = response.json()["data"].as_array().unwrap().clone();
        events.iter().map(|event| event["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(list(""), [1, 9]);
    assert_eq!(list("&issue_id=42"), [1]);
    assert_eq!(list("&issue_id=43&state=breached"), [9]);
    assert_eq!(list("&state=recovered"), [] as [u64; 0]);
    assert_eq!(list("&limit=1&page=2"), [9]);
    ask("GET", "/api/v1/ext/sla/events?project_id=7&state=late").check(&platform, 422);
    let event = &ask("GET", "/api/v1/ext/sla/events?project_id=8").check(&platform, 200).json()["data"][0];
    for field in
        ["id", "issue_id", "project_id", "state", "triggered_at", "resolved_at", "definition", "metrics"]
    {
        assert!(event.get(field).is_some(), "{field}");
    }
}

#[test]
fn reports_are_checked_and_kept() {
    let platform = platform();
    let time = "2026-01-17T10:30:00.000Z";
    let event = json!({ "event": "issue.created", "version": "v1", "data": { "a": 1 }, "timestamp": time });
    let note = json!({ "title": "T", "body": "B", "level": "warning" });
    let metric = json!({ "name": "n", "value": 1.5, "unit": "ms" });
    let record =
        json!({ "event": "e", "version": "v1", "status": "ok", "duration_ms": 12, "timestamp": time });
    let cases = [
        (
            "/api/v1/extensions/com.example.x/events",
            &event,
            "timestamp",
            json!("2026-01-17T10:30:00+01:00"),
            202,
        ),
        ("/api/v1/extensions/notifications", &note, "level", json!("loud"), 201),
        ("/api/v1/extensions/metrics", &metric, "value", json!("1.5"), 202),
        ("/api/v1/ext/telemetry", &record, "status", json!("fine"), 202),
        ("/telemetry", &record, "duration_ms", json!(null), 202),
    ];
    for (path, right, field, wrong, status) in cases {
        ask("POST", path).json(right).check(&platform, status);
        let mut body = right.clone();
        body[field] = wrong;
        let error = ask("POST", path).json(&body).check(&platform, 422).json();
        assert!(error["errors"][field].is_array(), "{path}: {error}");
        ask("POST", path).json(&json!({})).check(&platform, 422);
        ask("POST", path).json(&json!([])).check(&platform, 400);
        let mut cut = ask("POST", path).json(right);
        cut.body.pop();
        cut.check(&platform, 400);
        ask("POST", path).check(&platform, 415);
        ask("GET", path).check(&platform, 405);
    }
    assert_eq!(platform.events(), [event]);
    assert_eq!(platform.notifications(), [note]);
    assert_eq!(platform.metrics(), [metric]);
    assert_eq!(platform.telemetry(), [record.clone(), record]);
}

#[test]
fn metadata_is_of_the_extension_that_is_asked_for() {
    let platform = platform();
    let response = ask("GET", "/api/v1/extensions/com.example.x").check(&platform, 200).json();
    assert_eq!(response, json!({ "id": "com.example.x", "name": "com.example.x", "version": "1.0.0" }));
}

#[test]
fn another_extension_than_the_one_there_is_is_unknown() {
    let platform = FakePlatform::builder().extension_id("com.example.x").start().unwrap();
    ask("GET", "/api/v1/extensions/com.example.x").check(&platform, 200);
    for path in ["/api/v1/extensions/other", "/api/v1/extensions/other/secrets/A"] {
        assert_eq!(ask("GET", path).check(&platform, 404).json()["error"], "extension not found");
    }
}
