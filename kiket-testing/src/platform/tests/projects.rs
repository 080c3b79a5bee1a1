//! The platform's issues and projects, asked over plain sockets.

use crate::platform::tests::*;

const ISSUES: &str = "/api/v1/ext/issues";

#[test]
fn all_of_it_wants_the_extension_key() {
    let platform = platform();
    platform.add_project(json!({ "slug": "core", "id": 7 }));
    for (path, status) in [
        ("intake_forms?project_id=7", 200),
        ("intake_forms/x?project_id=7", 404),
        ("intake_forms/x/stats?project_id=7", 404),
        ("intake_forms/x/submissions?project_id=7", 404),
        ("intake_forms/x/submissions/1?project_id=7", 404),
        ("issues", 200),
        ("issues/x", 404),
        ("projects/core/workflows", 200),
        ("projects/core/boards", 200),
        ("project/members?project_id=7", 200),
        ("webhook_url?action_name=x", 200),
    ] {
        let get = || ask("GET", &format!("/api/v1/ext/{path}"));
        get().without("Authorization").check(&platform, status);
        get().without("X-Kiket-API-Key").check(&platform, 401);
        let allowed = ask("DELETE", &get().target).check(&platform, 405);
        assert!(allowed.header("allow").unwrap().contains("GET"), "{path}");
    }
    for path in [
        "intake_forms/x/submissions",
        "intake_forms/x/submissions/1/approve",
        "intake_forms/x/submissions/1/reject",
        "issues",
        "issues/x/comments",
        "issues/x/transitions",
        "analytics/events",
        "inbound_emails",
    ] {
        let post = || ask("POST", &format!("/api/v1/ext/{path}")).json(&json!({}));
        post().without("X-Kiket-API-Key").check(&platform, 401);
        let refused = post().without("Authorization").send(&platform).status;
        assert!([404, 422].contains(&refused), "{path}: {refused}");
        ask("DELETE", &post().target).check(&platform, 405);
    }
    for path in
        ["intake_forms/", "intake_forms/x/y", "issues/x/y", "projects/core", "project", "issues/x/comments/1"]
    {
        ask("GET", &format!("/api/v1/ext/{path}")).check(&platform, 404);
    }
}

#[test]
fn issues_are_made_found_changed_and_talked_about() {
    let clock = Clock::fixed(NOW);
    let platform = FakePlatform::builder().clock(clock.clone()).start().unwrap();
    let create = |issue: &Value| ask("POST", ISSUES).json(&json!({ "issue": issue }));
    let fields = json!({ "title": "No login", "project_id": 7, "assignee_id": 3, "labels": ["login"], "id": 99, "size": 5 });
    let made = create(&fields).check(&platform, 201).json();
    assert_eq!(
        made,
        json!({
            "id": 1, "key": "ISSUE-1", "project_id": 7, "title": "No login", "description": null, "status": "open",
            "priority": null, "issue_type": "Task", "assignee": { "id": 3 }, "labels": ["login"], "size": 5,
            "created_at": "2023-11-14T22:13:20Z", "updated_at": "2023-11-14T22:13:20Z",
        })
    );
    platform.add_issue(json!({ "title": "Two", "key": "CORE-42", "project_id": "core", "status": "done" }));
    for key in ["ISSUE-1", "1"] {
        assert_eq!(ask("GET", &format!("{ISSUES}/{key}")).check(&platform, 200).json(), made);
    }
    clock.advance(Duration::from_secs(60));
    let update = |issue: &Value| ask("PATCH", &format!("{ISSUES}/ISSUE-1")).json(&json!({ "issue": issue }));
    let changed =
        update(&json!({ "priority": "high", "assignee_id": null, "key": "X" })).check(&platform, 200).json();
    assert_eq!(
        (&changed["priority"], &changed["assignee"], &changed["key"]),
        (&json!("high"), &json!(null), &json!("ISSUE-1"))
    );
    assert_eq!(
        (&changed["title"], &changed["updated_at"]),
        (&json!("No login"), &json!("2023-11-14T22:14:20Z"))
    );

    let keys = |query: &str| listed(&platform, &format!("{ISSUES}?{query}"), "key");
    update(&json!({ "assignee_id": "u-3" })).check(&platform, 200);
    assert_eq!(keys(""), ["ISSUE-1", "CORE-42"]);
    assert_eq!(keys("project_id=7"), ["ISSUE-1"]);
    assert_eq!(keys("status=done"), ["CORE-42"]);
    assert_eq!(keys("assignee_id=u-3"), ["ISSUE-1"]);
    assert_eq!(keys("updated_since=2023-11-14T22:14:20Z"), ["ISSUE-1"]);
    assert_eq!(keys("limit=1&page=2"), ["CORE-42"]);
    assert_eq!(keys("status=done&project_id=7"), [] as [Value; 0]);

    let comments = format!("{ISSUES}/CORE-42/comments");
    let said = ask("POST", &comments)
        .json(&json!({ "comment": { "body": "Me, too" } }))
        .check(&platform, 201)
        .json();
    assert_eq!((&said["id"], &said["body"], &said["author"]), (&json!(1), &json!("Me, too"), &json!(null)));
    assert_eq!(platform.comments("CORE-42"), [said]);
    platform.add_comment("CORE-42", json!({ "body": "x", "author": { "id": 3 } }));
    assert_eq!(platform.comments("CORE-42")[1]["id"], 2);
    assert_eq!(platform.comments("nowhere"), [] as [Value; 0]);

    let blank = |field: &str| json!({ field: ["can't be blank"] });
    check_invalid(&platform, &create(&json!({})), &blank("title"));
    check_invalid(&platform, &update(&json!({ "title": "" })), &blank("title"));
    check_invalid(&platform, &create(&json!(7)), &json!({ "issue": ["must be an object"] }));
    check_invalid(
        &platform,
        &create(&json!({ "title": "x", "labels": [1] })),
        &json!({ "labels": ["must be a list of texts"] }),
    );
    check_invalid(
        &platform,
        &ask("POST", &comments).json(&json!({ "comment": { "body": " " } })),
        &blank("body"),
    );
    check_invalid(
        &platform,
        &ask("POST", &comments).json(&json!({})),
        &json!({ "comment": ["must be an object"] }),
    );
    check_invalid(
        &platform,
        &ask("GET", &format!("{ISSUES}?updated_since=now")),
        &json!({ "updated_since": ["is not an RFC 3339 time"] }),
    );
    for path in ["x", "x/comments", "x/transitions"] {
        let method = if path == "x" { "PATCH" } else { "POST" };
        ask(method, &format!("{ISSUES}/{path}")).json(&json!({})).check(&platform, 404);
    }
    assert_eq!(platform.issues().len(), 2);
}

#[test]
fn an_issue_goes_where_its_workflow_leads() {
    #[track_caller]
    fn check(platform: &FakePlatform, ask: &Ask, status: &str) {
        assert_eq!(ask.check(platform, 200).json()["status"], status);
    }
    let platform = platform();
    platform.add_project(json!({ "slug": "core", "id": 7, "workflows": [
        { "name": "Odd" },
        { "name": "Delivery", "transitions": [
            { "name": "start", "from": "open", "to": "doing" },
            { "name": "finish", "from": ["doing", "review"], "to": "done" },
            { "name": "drop", "to": "dropped" },
        ] },
    ] }));
    let go = |key: &str, transition: &str| {
        ask("POST", &format!("{ISSUES}/{key}/transitions")).json(&json!({ "transition": transition }))
    };
    for (issue, project) in [("ISSUE-1", json!(7)), ("ISSUE-2", json!("core"))] {
        platform.add_issue(json!({ "project_id": project }));
        let refused = json!({ "transition": ["is not possible from open"] });
        check_invalid(&platform, &go(issue, "finish"), &refused);
        check(&platform, &go(issue, "start"), "doing");
        check(&platform, &go(issue, "done"), "done");
        check(&platform, &go(issue, "drop"), "dropped");
    }
    // Without a workflow, every transition is possible.
    platform.add_issue(json!({}));
    check(&platform, &go("ISSUE-3", "anything"), "anything");
    check_invalid(&platform, &go("ISSUE-3", ""), &json!({ "transition": ["can't be blank"] }));
}

#[test]
fn projects_have_workflows_boards_and_members() {
    let platform = platform();
    platform.add_project(json!({ "slug": "core", "id": 6 }));
    platform.add_project(json!({
        "slug": "core", "id": 7, "workflows": [{ "name": "A" }], "boards": [{ "name": "B" }, { "name": "C" }],
        "members": [{ "id": 1, "name": "Ada" }],
    }));
    assert_eq!(listed(&platform, "/api/v1/ext/projects/core/workflows", "name"), ["A"]);
    assert_eq!(listed(&platform, "/api/v1/ext/projects/core/boards?limit=1&page=2", "name"), ["C"]);
    for project in ["7", "core"] {
        assert_eq!(
            listed(&platform, &format!("/api/v1/ext/project/members?project_id={project}"), "name"),
            ["Ada"]
        );
    }
    for path in ["projects/7/workflows", "projects/other/boards", "project/members?project_id=6"] {
        ask("GET", &format!("/api/v1/ext/{path}")).check(&platform, 404);
    }
    check_invalid(
        &platform,
        &ask("GET", "/api/v1/ext/project/members"),
        &json!({ "project_id": ["can't be blank"] }),
    );
}

#[test]
fn analytics_and_emails_are_checked_and_kept() {
    let platform = platform();
    let track = |body: &Value| ask("POST", "/api/v1/ext/analytics/events").json(body);
    let event = json!({ "name": "report.sent", "properties": { "pages": 3 } });
    track(&event).check(&platform, 202);
    track(&json!({ "name": "bare" })).check(&platform, 202);
    assert_eq!(platform.analytics_events(), [event, json!({ "name": "bare" })]);
    check_invalid(
        &platform,
        &track(&json!({ "name": "", "properties": [] })),
        &json!({ "name": ["can't be blank"], "properties": ["must be an object"] }),
    );

    let hand =
        |email: &Value| ask("POST", "/api/v1/ext/inbound_emails").json(&json!({ "inbound_email": email }));
    let email = json!({ "from_email": "a@example.com", "to_email": "b@example.com", "subject": "S" });
    assert_eq!(hand(&email).check(&platform, 201).json(), json!({ "id": 1, "status": "pending" }));
    check_invalid(
        &platform,
        &hand(&json!({ "from_email": 7 })),
        &json!({ "from_email": ["must be text"], "to_email": ["can't be blank"] }),
    );
    check_invalid(&platform, &hand(&json!(null)), &json!({ "inbound_email": ["must be an object"] }));
    let kept = platform.inbound_emails();
    assert_eq!((kept.len(), &kept[0]["subject"], &kept[0]["status"]), (1, &json!("S"), &json!("pending")));
}

#[test]
fn webhook_urls_have_the_token_of_the_builder_or_a_seed() {
    #[track_caller]
    fn check(builder: FakePlatformBuilder, token: &str) {
        let platform = builder.start().unwrap();
        let body =
            ask("GET", "/api/v1/ext/webhook_url?action_name=inbound_email").check(&platform, 200).json();
        let base = format!("https://kiket.test/webhooks/ext/{token}");
        let url = format!("{base}/inbound_email");
        assert_eq!(body, json!({ "webhook_url": url, "webhook_token": token, "webhook_base_url": base }));
        assert_eq!(platform.webhook_url("inbound_email"), url);
        for query in ["", "?action_name=%20"] {
            let ask = ask("GET", &format!("/api/v1/ext/webhook_url{query}"));
            check_invalid(&platform, &ask, &json!({ "action_name": ["can't be blank"] }));
        }
    }
    check(FakePlatform::builder(), "kiket_test_webhook_token");
    check(FakePlatform::builder().seed_yaml("webhook_token: abc123"), "abc123");
    check(FakePlatform::builder().webhook_token("given").seed_yaml("webhook_token: abc123"), "given");
}

#[test]
fn a_seed_has_forms_issues_and_projects() {
    let seed = "
intake_forms:
  - project_id: 7
    key: bug-report
    public: true
    fields: [{ key: title, required: true }]
    submissions: [{ data: { title: No login }, status: approved }]
issues:
  - { title: No login, project_id: 7, key: CORE-42, comments: [{ body: Same here }] }
projects:
  - { slug: core, id: 7, workflows: [{ name: W }], boards: [{ name: B }], members: [{ id: 1, email: ada@example.com }] }
";
    let platform = FakePlatform::builder().seed_yaml(seed).start().unwrap();
    let form = ask("GET", &format!("{FORMS}/bug-report?project_id=7")).check(&platform, 200).json();
    assert_eq!((&form["public"], &form["submissions_count"]), (&json!(true), &json!(1)));
    assert_eq!(form["fields"][0], json!({ "key": "title", "required": true }));
    assert_eq!(platform.submissions("bug-report")[0]["status"], "approved");
    assert_eq!(
        (&platform.issues()[0]["key"], &platform.comments("CORE-42")[0]["body"]),
        (&json!("CORE-42"), &json!("Same here"))
    );
    assert_eq!(listed(&platform, "/api/v1/ext/project/members?project_id=7", "email"), ["ada@example.com"]);
    for (wrong, words) in [
        ("issues: [{ project_id: 7 }]", "title"),
        ("intake_forms: [{ key: x }]", "project_id"),
        ("projects: [{ slug: x, board: [] }]", "board"),
        ("projects: [{ slug: x, boards: [B] }]", ""),
    ] {
        let error = FakePlatform::builder().seed_yaml(wrong).start().unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("seed.yaml:1"), "{wrong}: {error}");
    }
}

#[test]
fn a_key_keeps_a_call_from_taking_effect_twice() {
    let platform = platform();
    platform.add_intake_form(7, json!({ "key": "bug-report" }));
    for _ in 0..2 {
        let keyed = |target: &str, body: &Value| {
            ask("POST", target).json(body).header("Idempotency-Key", target).send(&platform).status
        };
        assert_eq!(keyed(ISSUES, &json!({ "issue": { "title": "x" } })), 201);
        assert_eq!(keyed(SENT, &json!({ "project_id": 7, "data": {} })), 201);
        assert_eq!(keyed(&format!("{SENT}/1/approve"), &json!({ "project_id": 7 })), 200);
        assert_eq!(keyed(&format!("{ISSUES}/1/comments"), &json!({ "comment": { "body": "x" } })), 201);
    }
    let counts =
        (platform.issues().len(), platform.submissions("bug-report").len(), platform.comments("1").len());
    assert_eq!(counts, (1, 1, 1));
}
