//! The platform's intake forms, asked over plain sockets.

use crate::platform::tests::*;

#[test]
fn forms_are_found_by_what_they_are() {
    let platform = platform();
    let bugs = platform.add_intake_form(7, json!({ "key": "bug-report", "public": true, "theme": "dark" }));
    platform.add_intake_form("7", json!({ "key": "old", "active": false, "id": 40 }));
    platform.add_intake_form(7, json!({}));
    platform.add_intake_form(8, json!({ "key": "other" }));
    assert_eq!(
        bugs,
        json!({
            "id": 1, "key": "bug-report", "name": "bug-report", "description": null, "active": true, "public": true,
            "fields": [], "form_url": "https://kiket.test/forms/bug-report", "embed_allowed": false,
            "submissions_count": 0, "theme": "dark",
            "created_at": "2023-11-14T22:13:20Z", "updated_at": "2023-11-14T22:13:20Z",
        })
    );
    let keys = |query: &str| listed(&platform, &format!("{FORMS}?project_id=7{query}"), "key");
    assert_eq!(keys(""), ["bug-report", "old", "form-41"]);
    assert_eq!(keys("&active=true"), ["bug-report", "form-41"]);
    assert_eq!(keys("&active=false"), ["old"]);
    assert_eq!(keys("&public=true"), ["bug-report"]);
    assert_eq!(keys("&public=false&active=true"), ["form-41"]);
    assert_eq!(keys("&limit=1&page=2"), ["old"]);
    for key in ["bug-report", "1"] {
        assert_eq!(ask("GET", &format!("{FORMS}/{key}?project_id=7")).check(&platform, 200).json(), bugs);
    }
    ask("GET", &format!("{FORMS}/bug-report?project_id=8")).check(&platform, 404);
    for wrong in ["active=yes", "public=1"] {
        let (name, _) = wrong.split_once('=').unwrap();
        let ask = ask("GET", &format!("{FORMS}?project_id=7&{wrong}"));
        check_invalid(&platform, &ask, &json!({ name: ["must be true or false"] }));
    }
    let blank = json!({ "project_id": ["can't be blank"] });
    for path in
        ["", "/bug-report", "/bug-report/stats", "/bug-report/submissions", "/bug-report/submissions/1"]
    {
        check_invalid(&platform, &ask("GET", &format!("{FORMS}{path}")), &blank);
    }
}

#[test]
fn something_is_sent_in_and_decided() {
    let clock = Clock::fixed(NOW);
    let platform = FakePlatform::builder().clock(clock.clone()).start().unwrap();
    let fields = json!([{ "key": "title", "required": true }, { "key": "steps", "required": false }]);
    platform.add_intake_form(7, json!({ "key": "bug-report", "fields": fields }));
    let send = |body: &Value| ask("POST", SENT).json(body);
    let body = json!({ "project_id": "7", "data": { "title": "No login" }, "metadata": { "source": "mail" }, "id": 9 });
    let made = send(&body).check(&platform, 201).json();
    assert_eq!(
        (&made["id"], &made["intake_form_id"], &made["status"]),
        (&json!(1), &json!(1), &json!("pending"))
    );
    assert_eq!((&made["data"], &made["metadata"]), (&body["data"], &body["metadata"]));
    send(&json!({ "project_id": 7, "data": { "title": "Two" }, "metadata": null })).check(&platform, 201);
    for (body, errors) in [
        (json!({ "data": {} }), json!({ "project_id": ["can't be blank"] })),
        (json!({ "data": {}, "project_id": " " }), json!({ "project_id": ["can't be blank"] })),
        (json!({ "project_id": 7 }), json!({ "data": ["must be an object"] })),
        (
            json!({ "project_id": 7, "data": [], "metadata": 1 }),
            json!({ "data": ["must be an object"], "metadata": ["must be an object"] }),
        ),
        (json!({ "project_id": 7, "data": { "title": " " } }), json!({ "title": ["can't be blank"] })),
    ] {
        check_invalid(&platform, &send(&body), &errors);
    }
    send(&json!({ "project_id": 8, "data": {} })).check(&platform, 404);
    assert_eq!(platform.submissions("bug-report").len(), 2, "what is refused has no effect");

    clock.advance(Duration::from_secs(60));
    let decide = |id: &str, how: &str, body: &Value| ask("POST", &format!("{SENT}/{id}/{how}")).json(body);
    check_invalid(
        &platform,
        &decide("1", "approve", &json!({ "project_id": 7, "notes": 1 })),
        &json!({ "notes": ["must be text"] }),
    );
    let approved =
        decide("1", "approve", &json!({ "project_id": 7, "notes": "Fine" })).check(&platform, 200).json();
    assert_eq!((&approved["status"], &approved["notes"]), (&json!("approved"), &json!("Fine")));
    assert_eq!(
        (&approved["reviewed_at"], &approved["updated_at"]),
        (&json!("2023-11-14T22:14:20Z"), &json!("2023-11-14T22:14:20Z"))
    );
    check_invalid(
        &platform,
        &decide("1", "reject", &json!({ "project_id": 7 })),
        &json!({ "status": ["is already approved"] }),
    );
    assert_eq!(
        decide("2", "reject", &json!({ "project_id": 7 })).check(&platform, 200).json()["status"],
        "rejected"
    );
    decide("3", "reject", &json!({ "project_id": 7 })).check(&platform, 404);
    decide("1", "convert", &json!({ "project_id": 7 })).check(&platform, 404);
    assert_eq!(ask("GET", &format!("{SENT}/1?project_id=7")).check(&platform, 200).json(), approved);
    ask("GET", &format!("{SENT}/3?project_id=7")).check(&platform, 404);

    platform.add_intake_form(7, json!({ "key": "closed", "active": false }));
    let closed =
        ask("POST", &format!("{FORMS}/closed/submissions")).json(&json!({ "project_id": 7, "data": {} }));
    check_invalid(&platform, &closed, &json!({ "form": ["is not active"] }));
}

#[test]
fn submissions_are_filtered_and_counted() {
    let platform = platform();
    platform.add_intake_form(7, json!({ "key": "bug-report" }));
    for (status, created) in [
        ("pending", "2023-11-14T22:00:00Z"),   // today
        ("approved", "2023-11-10T00:00:00Z"),  // this week
        ("converted", "2023-10-20T00:00:00Z"), // this month
        ("rejected", "2023-01-01T00:00:00Z"),
    ] {
        platform.add_submission(7, "bug-report", json!({ "status": status, "created_at": created }));
    }
    let ids = |query: &str| listed(&platform, &format!("{SENT}?project_id=7{query}"), "id");
    assert_eq!(ids(""), [1, 2, 3, 4]);
    assert_eq!(ids("&status=converted"), [3]);
    assert_eq!(ids("&since=2023-11-10T00:00:00Z"), [1, 2]);
    assert_eq!(ids("&since=2023-11-10T00:00:00%2B01:00&status=approved&limit=5"), [2]);
    assert_eq!(ids("&limit=3&page=2"), [4]);
    for (query, errors) in [
        ("status=lost", json!({ "status": ["is not included in the list"] })),
        ("since=yesterday", json!({ "since": ["is not an RFC 3339 time"] })),
    ] {
        check_invalid(&platform, &ask("GET", &format!("{SENT}?project_id=7&{query}")), &errors);
    }
    let stats = |query: &str| ask("GET", &format!("{FORMS}/bug-report/stats?project_id=7{query}"));
    for (period, counts) in [
        ("", [4, 1, 1, 1, 1]),
        ("day", [1, 1, 0, 0, 0]),
        ("week", [2, 1, 1, 0, 0]),
        ("month", [3, 1, 1, 0, 1]),
    ] {
        let query = if period.is_empty() { String::new() } else { format!("&period={period}") };
        let stats = stats(&query).check(&platform, 200).json();
        let found = ["total_submissions", "pending", "approved", "rejected", "converted"]
            .map(|name| stats[name].clone());
        assert_eq!(found, counts, "{period}");
        assert_eq!(stats["period"], if period.is_empty() { Value::Null } else { period.into() });
    }
    check_invalid(&platform, &stats("&period=year"), &json!({ "period": ["is not included in the list"] }));
    assert_eq!(
        ask("GET", &format!("{FORMS}/1?project_id=7")).check(&platform, 200).json()["submissions_count"],
        4
    );
}
