//! More calls to the fake platform (wire contract, calls-intake-forms to calls-inbound-emails), and their failures.

use std::pin::Pin;

use kiket::{
    Context,
    api::{
        EmailAttachment, Endpoints, Id, InboundEmail, IntakeForm, IntakeFormFilter, IntakeSubmission, Issue,
        IssueFields, IssueFilter, SubmissionFilter, SubmissionStatus,
    },
    error::{ClientError, ClientErrorKind},
    http::StatusCode,
    testing::{Failure, FakePlatform, TestExtension, delivery},
};
use serde_json::{Value, json};

use crate::world::{ID, SEGMENTS, World, builder, refuse, status};

/// A world whose project 7 has a form, two issues, and people.
fn world() -> World {
    let world = World::new();
    let fields = json!([{ "key": "title", "type": "text", "required": true, "options": null, "mask": "x" }]);
    world.platform.add_intake_form(
        7,
        json!({ "key": "bug-report", "public": true, "form_url": "https://kiket.dev/f/1", "fields": fields }),
    );
    world.platform.add_intake_form(7, json!({ "key": "inside", "active": false, "theme": "dark" }));
    world.platform.add_issue(json!({ "title": "No login", "project_id": 7, "key": "CORE-42", "size": 5 }));
    world.platform.add_issue(json!({ "title": "Typo", "project_id": "site", "status": "done" }));
    world.platform.add_project(json!({
        "slug": "core", "id": 7,
        "workflows": [{ "name": "Delivery", "states": ["open", "done"], "transitions": [{ "from": "open", "to": "done" }] }],
        "boards": [{ "id": "b-1", "name": "Team", "columns": ["open"], "swimlanes": true }],
        "members": [{ "id": 1, "name": "Ada", "email": "ada@example.com", "role": "admin", "locale": "en" }, { "id": "u-2" }],
    }));
    world
}

type Calling = Pin<Box<dyn Future<Output = Result<(), ClientError>>>>;

macro_rules! calls {
    ($endpoints:ident: $($name:literal => $call:expr,)*) => {
        vec![$(($name, {
            let $endpoints = $endpoints.clone();
            Box::pin(async move { $call.await.map(drop) }) as Calling
        })),*]
    };
}

/// Every call whose response is read, and what errors call it.
fn reading_calls(endpoints: &Endpoints) -> Vec<(&'static str, Calling)> {
    let fields = IssueFields::default;
    calls! { endpoints:
        "GET /api/v1/ext/intake_forms" => endpoints.intake_forms(7).list(IntakeFormFilter::default()),
        "GET /api/v1/ext/intake_forms/k" => endpoints.intake_forms(7).get("k"),
        "GET /api/v1/ext/intake_forms/k/stats" => endpoints.intake_forms(7).stats("k", None),
        "GET /api/v1/ext/intake_forms/k/submissions" =>
            endpoints.intake_forms(7).submissions("k").list(SubmissionFilter::default()),
        "GET /api/v1/ext/intake_forms/k/submissions/1" => endpoints.intake_forms(7).submissions("k").get(1),
        "POST /api/v1/ext/intake_forms/k/submissions" =>
            endpoints.intake_forms(7).submissions("k").create(&json!({}), ()),
        "POST /api/v1/ext/intake_forms/k/submissions/1/approve" =>
            endpoints.intake_forms(7).submissions("k").approve(1, None),
        "POST /api/v1/ext/intake_forms/k/submissions/1/reject" =>
            endpoints.intake_forms(7).submissions("k").reject(1, "no"),
        "GET /api/v1/ext/issues" => endpoints.issues().list(IssueFilter::default()),
        "GET /api/v1/ext/issues/K-1" => endpoints.issues().get("K-1"),
        "POST /api/v1/ext/issues" => endpoints.issues().create("t", fields()),
        "PATCH /api/v1/ext/issues/K-1" => endpoints.issues().update("K-1", fields()),
        "POST /api/v1/ext/issues/K-1/comments" => endpoints.issues().comment("K-1", "b"),
        "POST /api/v1/ext/issues/K-1/transitions" => endpoints.issues().transition("K-1", "done"),
        "GET /api/v1/ext/projects/core/workflows" => endpoints.projects().workflows("core"),
        "GET /api/v1/ext/projects/core/boards" => endpoints.projects().boards("core"),
        "GET /api/v1/ext/project/members" => endpoints.projects().members(7),
        "GET /api/v1/ext/webhook_url" => endpoints.webhook_url("inbound_email"),
        "POST /api/v1/ext/inbound_emails" => endpoints.inbound_emails().create(&InboundEmail::new("a", "b")),
    }
}

/// Every call.
fn every_call(endpoints: &Endpoints) -> Vec<(&'static str, Calling)> {
    let mut calls = reading_calls(endpoints);
    calls.extend(calls! { endpoints:
        "POST /api/v1/ext/analytics/events" => endpoints.analytics().track("e", ()),
    });
    calls
}

#[tokio::test]
async fn every_refusal_names_its_status_and_its_call() {
    let world = World::new();
    for code in [401, 403, 404, 422, 500] {
        for (name, call) in every_call(&world.endpoints()) {
            refuse(&world, code);
            let error = call.await.expect_err(name);
            assert_eq!((error.status().map(|s| s.as_u16()), error.call()), (Some(code), name));
        }
    }
}

#[tokio::test]
async fn a_response_of_another_shape_is_an_error_naming_the_call() {
    let world = World::new();
    let hostile = [
        "",
        "null",
        "7",
        "\"data\"",
        "{}",
        "[7]",
        "[[]]",
        "<html>",
        "{\"data\"",
        r#"{"data":null}"#,
        r#"{"data":7}"#,
        r#"{"data":[7]}"#,
        r#"{"data":{"id":null}}"#,
        r#"[{"id":[],"key":1,"name":{}}]"#,
        r#"{"id":1.5,"key":[],"status":{},"title":0,"body":0,"webhook_url":7,"total_submissions":"many"}"#,
    ];
    for body in hostile {
        for (name, call) in reading_calls(&world.endpoints()) {
            world.platform.fail(Failure::body(body).times(1));
            let error = call.await.expect_err(name);
            assert_eq!((error.kind(), error.call()), (ClientErrorKind::Unreadable, name), "{body}");
            assert!(error.to_string().starts_with(&format!("`{name}` failed: ")), "{error}");
        }
    }
    for (name, call) in every_call(&world.endpoints()) {
        world.platform.fail(Failure::oversize(9 * 1024 * 1024).times(1));
        let error = call.await.expect_err(name);
        assert_eq!((error.kind(), error.call()), (ClientErrorKind::TooLarge, name));
    }
}

#[tokio::test]
async fn every_call_is_retried_with_the_same_key_and_has_one_effect() {
    let world = world();
    for (name, call) in every_call(&world.endpoints()) {
        world.platform.forget_calls();
        world.platform.fail(Failure::status(503).with_effect().times(1));
        let _ = call.await; // what is asked for need not be there
        let calls = world.platform.calls();
        assert_eq!(calls.len(), 2, "{name}");
        let keys: Vec<_> = calls.iter().map(|call| call.header("idempotency-key")).collect();
        assert_eq!((keys[0].is_some(), keys[0]), (!name.starts_with("GET"), keys[1]), "{name}");
    }
    assert_eq!((world.platform.issues().len(), world.platform.inbound_emails().len()), (3, 1));
    assert_eq!(world.platform.analytics_events().len(), 1);
}

/// The calls whose path has an argument: `{}` stands for it.
fn calls_with(key: &'static str, endpoints: &Endpoints) -> Vec<(&'static str, Calling)> {
    calls! { endpoints:
        "intake_forms/{}" => endpoints.intake_forms(7).get(key),
        "intake_forms/{}/stats" => endpoints.intake_forms(7).stats(key, None),
        "intake_forms/{}/submissions" => endpoints.intake_forms(7).submissions(key).create(&json!({}), ()),
        "intake_forms/{}/submissions/{}" => endpoints.intake_forms(7).submissions(key).get(key),
        "intake_forms/f/submissions/{}" => endpoints.intake_forms(7).submissions("f").get(key),
        "intake_forms/f/submissions/{}/approve" => endpoints.intake_forms(7).submissions("f").approve(key, None),
        "intake_forms/f/submissions/{}/reject" => endpoints.intake_forms(7).submissions("f").reject(key, None),
        "issues/{}" => endpoints.issues().get(key),
        "issues/{}" => endpoints.issues().update(key, IssueFields::default()),
        "issues/{}/comments" => endpoints.issues().comment(key, "b"),
        "issues/{}/transitions" => endpoints.issues().transition(key, "done"),
        "projects/{}/workflows" => endpoints.projects().workflows(key),
        "projects/{}/boards" => endpoints.projects().boards(key),
    }
}

#[tokio::test]
async fn every_key_stays_one_segment_of_the_path() {
    let world = World::new();
    for (key, encoded) in SEGMENTS {
        for (path, call) in calls_with(key, &world.endpoints()) {
            assert_eq!(status(call.await), 404, "{path}");
            let call = world.call();
            assert_eq!(call.path(), format!("/api/v1/ext/{}", path.replace("{}", encoded)));
            assert!(call.segments().iter().any(|segment| segment == key), "{:?}", call.segments());
        }
    }
    for key in ["", ".", ".."] {
        for (path, call) in calls_with(key, &world.endpoints()) {
            assert_eq!(call.await.unwrap_err().kind(), ClientErrorKind::InvalidRequest, "{path} {key}");
        }
    }
    assert_eq!(world.platform.calls().len(), 0);
}

#[tokio::test]
async fn every_value_stays_one_value_of_the_query() {
    let world = world();
    for (key, encoded) in SEGMENTS {
        let endpoints = world.endpoints();
        let forms = endpoints.intake_forms(key);
        forms.list(IntakeFormFilter::default()).await.unwrap();
        assert_eq!(world.request(), format!("GET /api/v1/ext/intake_forms?project_id={encoded}"));
        let _ = forms.stats("k", key).await;
        assert_eq!(world.call().query(), format!("project_id={encoded}&period={encoded}"));
        let filter = SubmissionFilter::default().status(SubmissionStatus::Other(key.into())).since(key);
        let _ = forms.submissions("k").list(filter).await;
        assert_eq!(world.call().query(), format!("project_id={encoded}&status={encoded}&since={encoded}"));
        let filter = IssueFilter::default().project(key).status(key).assignee(key).pair(key, key);
        let _ = endpoints.issues().list(filter).await;
        let query =
            format!("project_id={encoded}&status={encoded}&assignee_id={encoded}&{encoded}={encoded}");
        assert_eq!(world.call().query(), query);
        let _ = endpoints.projects().members(key).await;
        assert_eq!(world.call().query(), format!("project_id={encoded}"));
        let webhook = endpoints.webhook_url(key).await.unwrap();
        assert_eq!(world.call().query(), format!("action_name={encoded}"));
        assert!(webhook.url.ends_with(key));
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_an_error_before_it_is_sent() {
    #[track_caller]
    fn check<T: std::fmt::Debug>(result: Result<T, ClientError>, message: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
    let world = World::new();
    let endpoints = world.endpoints();
    for blank in ["", " \t"] {
        let (forms, project) = (endpoints.intake_forms(blank), "the project is blank");
        let submissions = forms.submissions("k");
        check(forms.list(IntakeFormFilter::default()).await, project);
        check(forms.stream(IntakeFormFilter::default()).next().await.unwrap(), project);
        check(forms.get("k").await, project);
        check(forms.stats("k", None).await, project);
        check(submissions.list(SubmissionFilter::default()).await, project);
        check(submissions.get(1).await, project);
        check(submissions.create(&json!({}), ()).await, project);
        check(submissions.approve(1, None).await, project);
        check(submissions.reject(1, None).await, project);
        check(endpoints.issues().list(IssueFilter::default().project(blank)).await, project);
        check(endpoints.issues().create("t", IssueFields::default().project(blank)).await, project);
        check(endpoints.issues().update("K-1", IssueFields::default().project(blank)).await, project);
        check(endpoints.projects().members(blank).await, project);
        check(endpoints.projects().stream_members(blank).next().await.unwrap(), project);
        check(endpoints.webhook_url(blank).await, "the action is blank");
        check(endpoints.analytics().track(blank, ()).await, "the name of the event is blank");
    }
    check(endpoints.analytics().track("e", json!([1])).await, "`properties` is a JSON object, or `()`");
    assert_eq!(world.platform.calls().len(), 0);
}

#[tokio::test]
async fn intake_forms_are_listed_read_and_counted() {
    let world = world();
    let forms = world.endpoints().intake_forms(7);
    let filter = IntakeFormFilter::default().active(true).public(true).limit(5);
    let found = forms.list(filter).await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/intake_forms?project_id=7&active=true&public=true&limit=5");
    assert_eq!(found.iter().map(|form| form.key.as_str()).collect::<Vec<_>>(), ["bug-report"]);
    let field = &found[0].fields[0];
    assert_eq!(
        (field.key.as_str(), field.field_type.as_deref(), field.required),
        ("title", Some("text"), true)
    );
    assert_eq!((field.options.len(), &field.extra["mask"]), (0, &json!("x")));

    let form = forms.get("inside").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/intake_forms/inside?project_id=7");
    assert_eq!(
        (form.id, form.active, form.public, form.submissions_count),
        (Id::from(2), false, false, Some(0))
    );
    assert_eq!(form.extra["theme"], "dark", "unknown fields are kept");

    world.platform.add_submission(7, "bug-report", json!({ "status": "converted" }));
    let stats = forms.stats("bug-report", "month").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/intake_forms/bug-report/stats?project_id=7&period=month");
    assert_eq!((stats.total_submissions, stats.converted, stats.pending), (1, 1, 0));
    assert_eq!(stats.period.as_deref(), Some("month"));
    forms.stats("bug-report", None).await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/intake_forms/bug-report/stats?project_id=7");
}

#[test]
fn a_form_has_a_public_address_only_where_it_is_public() {
    #[track_caller]
    fn check(more: &Value, address: Option<&str>) {
        let mut form = json!({ "id": "f-1", "key": "k", "name": "n" });
        form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let form: IntakeForm = serde_json::from_value(form).unwrap();
        assert_eq!(form.public_url(), address, "{more}");
    }
    check(&json!({ "public": true, "form_url": "https://kiket.dev/f/1" }), Some("https://kiket.dev/f/1"));
    check(&json!({ "public": false, "form_url": "https://kiket.dev/f/1" }), None);
    check(&json!({ "public": null, "form_url": "https://kiket.dev/f/1" }), None);
    check(&json!({ "form_url": "https://kiket.dev/f/1" }), None);
    check(&json!({ "public": true, "form_url": null }), None);
    check(&json!({ "public": true }), None);
}

#[tokio::test]
async fn submissions_are_made_listed_read_and_decided() {
    const PATH: &str = "/api/v1/ext/intake_forms/bug-report/submissions";
    let world = world();
    let submissions = world.endpoints().intake_forms(7).submissions("bug-report");
    let data = json!({ "title": "No login" });
    let sent = submissions.create(&data, json!({ "source": "mail" })).await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path(), call.query()), ("POST", PATH, ""));
    assert_eq!(call.json(), json!({ "project_id": "7", "data": data, "metadata": { "source": "mail" } }));
    assert_eq!(
        (&sent.status, &sent.data, sent.id.to_string()),
        (&SubmissionStatus::Pending, &data, "1".to_owned())
    );
    submissions.create(&data, ()).await.unwrap();
    assert_eq!(world.call().json(), json!({ "project_id": "7", "data": data }));

    let approved = submissions.approve(&sent.id, "Fine").await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", format!("{PATH}/1/approve").as_str()));
    assert_eq!(call.json(), json!({ "project_id": "7", "notes": "Fine" }));
    assert_eq!((approved.status, approved.notes.as_deref()), (SubmissionStatus::Approved, Some("Fine")));
    let rejected = submissions.reject(2, None).await.unwrap();
    let call = world.call();
    assert_eq!(
        (call.path(), call.json()),
        (format!("{PATH}/2/reject").as_str(), json!({ "project_id": "7" }))
    );
    assert_eq!((rejected.status, rejected.notes), (SubmissionStatus::Rejected, None));
    let error = submissions.approve(2, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`POST {PATH}/2/approve` failed with status 422: status is already rejected; `status` is already rejected \
             (request {})",
            error.request_id().unwrap()
        )
    );
    world.platform.forget_calls();

    assert_eq!(submissions.get(&sent.id).await.unwrap().status, SubmissionStatus::Approved);
    assert_eq!(world.request(), format!("GET {PATH}/1?project_id=7"));
    let filter =
        SubmissionFilter::default().status(SubmissionStatus::Rejected).since("2020-01-01T00:00:00Z").limit(3);
    assert_eq!(submissions.list(filter).await.unwrap()[0].id, Id::from(2));
    assert_eq!(
        world.request(),
        format!("GET {PATH}?project_id=7&status=rejected&limit=3&since=2020-01-01T00%3A00%3A00Z")
    );
    let error = submissions.create(&json!({ "title": "" }), ()).await.unwrap_err();
    assert_eq!(
        (error.status(), error.fields()[0].field.as_str()),
        (Some(StatusCode::UNPROCESSABLE_ENTITY), "title")
    );
}

#[tokio::test]
async fn issues_are_listed_read_made_changed_moved_and_talked_about() {
    let world = world();
    let issues = world.endpoints().issues();
    let filter =
        IssueFilter::default().project(7).status("open").updated_since("2020-01-01T00:00:00Z").limit(5);
    let found = issues.list(filter.pair("label", "a b").limit(6)).await.unwrap();
    assert_eq!(
        world.request(),
        "GET /api/v1/ext/issues?project_id=7&status=open&updated_since=2020-01-01T00%3A00%3A00Z&label=a%20b&limit=6"
    );
    assert_eq!(
        (found.len(), found[0].key.as_deref(), found[0].extra.get("size").unwrap()),
        (1, Some("CORE-42"), Some(5))
    );
    assert_eq!(issues.list(IssueFilter::default()).await.unwrap().len(), 2, "a project need not be named");
    assert_eq!(world.request(), "GET /api/v1/ext/issues");

    let issue = issues.get("CORE-42").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/issues/CORE-42");
    assert_eq!((issue.project_id, issue.title.as_deref()), (Some(Id::from(7)), Some("No login")));

    let fields = IssueFields::default()
        .title("is given beside")
        .description("Since this morning")
        .project("core")
        .issue_type("Bug")
        .priority("high")
        .assignee("u-2")
        .labels(["login"])
        .field("size", 3);
    let made = issues.create("No logout", fields).await.unwrap();
    let key = made.key.clone().unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/ext/issues"));
    assert_eq!(
        call.json(),
        json!({ "issue": {
            "title": "No logout", "description": "Since this morning", "project_id": "core", "issue_type": "Bug",
            "priority": "high", "assignee_id": "u-2", "labels": ["login"], "size": 3,
        } })
    );
    assert_eq!(
        (made.labels.as_slice(), made.assignee.as_ref().unwrap().id.as_ref()),
        (["login".to_owned()].as_slice(), Some(&Id::from("u-2")))
    );

    let changed =
        issues.update(&made, IssueFields::default().field("assignee_id", Value::Null)).await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("PATCH", format!("/api/v1/ext/issues/{key}").as_str()));
    assert_eq!((call.json(), changed.assignee), (json!({ "issue": { "assignee_id": null } }), None));
    assert_eq!(changed.priority.as_deref(), Some("high"), "what is not named stays as it is");

    let said = issues.comment(&made, "Me, too").await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", format!("/api/v1/ext/issues/{key}/comments").as_str()));
    assert_eq!(
        (call.json(), said.body.as_deref()),
        (json!({ "comment": { "body": "Me, too" } }), Some("Me, too"))
    );

    let moved = issues.transition(&made, "done").await.unwrap();
    let call = world.call();
    assert_eq!(call.path(), format!("/api/v1/ext/issues/{key}/transitions"));
    assert_eq!((call.json(), moved.status.as_deref()), (json!({ "transition": "done" }), Some("done")));
    let error = issues.transition(&made, "done").await.unwrap_err();
    assert_eq!(error.fields()[0].message, "is not possible from done");
}

#[tokio::test]
async fn projects_tell_workflows_boards_and_members() {
    let world = world();
    let projects = world.endpoints().projects();
    let workflows = projects.workflows("core").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/projects/core/workflows");
    assert_eq!(
        (workflows[0].name.as_str(), &workflows[0].transitions[0]["to"]),
        ("Delivery", &json!("done"))
    );
    let boards = projects.boards("core").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/projects/core/boards");
    assert_eq!((&boards[0].id, &boards[0].extra["swimlanes"]), (&Some(Id::from("b-1")), &json!(true)));
    let members = projects.members(7).await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/project/members?project_id=7");
    assert_eq!(
        (members[0].role.as_deref(), members[0].extra.get("locale").unwrap()),
        (Some("admin"), Some("en"))
    );
    assert_eq!((&members[1].id, &members[1].name), (&Some(Id::from("u-2")), &None));
}

#[tokio::test]
async fn analytics_emails_and_webhook_addresses() {
    let world = world();
    world.endpoints().analytics().track("report.sent", json!({ "pages": 3 })).await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/ext/analytics/events"));
    assert_eq!(call.json(), json!({ "name": "report.sent", "properties": { "pages": 3 } }));
    world.endpoints().analytics().track("bare", ()).await.unwrap();
    assert_eq!(world.call().json(), json!({ "name": "bare", "properties": {} }));

    let email = InboundEmail::new("ada@example.com", "support@example.com")
        .from_name("Ada")
        .cc("b@example.com")
        .message_id("<2@example.com>")
        .in_reply_to("<1@example.com>")
        .reference("<0@example.com>")
        .reference("<1@example.com>")
        .subject("No login")
        .text_body("Since this morning")
        .html_body("<p>Since this morning</p>")
        .header("X-Custom", "v")
        .attachment(EmailAttachment::new("a.png").content_type("image/png").size(9).content_id("c-1"))
        .attachment(EmailAttachment::new("b"))
        .raw_payload("{}")
        .field("spam_score", 0.5);
    let received = world.endpoints().inbound_emails().create(&email).await.unwrap();
    assert_eq!((received.id, received.status.as_str()), (Id::from(1), "pending"));
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/ext/inbound_emails"));
    assert_eq!(
        call.json(),
        json!({ "inbound_email": {
            "from_email": "ada@example.com", "from_name": "Ada", "to_email": "support@example.com",
            "cc_emails": ["b@example.com"], "message_id": "<2@example.com>", "in_reply_to": "<1@example.com>",
            "references": ["<0@example.com>", "<1@example.com>"], "subject": "No login",
            "text_body": "Since this morning", "html_body": "<p>Since this morning</p>",
            "headers": { "X-Custom": "v" }, "raw_payload": "{}", "spam_score": 0.5,
            "attachments": [
                { "filename": "a.png", "content_type": "image/png", "size": 9, "content_id": "c-1" },
                { "filename": "b" },
            ],
        } })
    );

    let webhook = world.endpoints().webhook_url("inbound_email").await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/webhook_url?action_name=inbound_email");
    assert_eq!(webhook.url, world.platform.webhook_url("inbound_email"));
    assert_eq!(webhook.url, format!("{}/inbound_email", webhook.base_url.as_deref().unwrap()));
}

#[tokio::test]
async fn the_token_of_a_webhook_address_is_not_shown() {
    let world = World::new();
    let response =
        json!({ "webhook_url": "https://kiket.dev/canary/x", "webhook_token": "canary", "spare": "canary" });
    world.platform.fail(Failure::body(response.to_string()).times(1));
    let webhook = world.endpoints().webhook_url("x").await.unwrap();
    assert_eq!((webhook.token.as_deref(), webhook.base_url.as_deref()), (Some("canary"), None));
    assert!(!format!("{webhook:?}").contains("canary"));
    world.platform.fail(Failure::body(r#"{"webhook_url":7,"webhook_token":"canary"}"#).times(1));
    world.platform.fail(Failure::status(500).with_body("canary").times(1));
    for _ in 0..2 {
        let error = world.endpoints().webhook_url("x").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn responses_are_read_bare_and_wrapped() {
    let world = World::new();
    let endpoints = world.endpoints();
    let next = |response: &Value| world.platform.fail(Failure::body(response.to_string()).times(1));
    let wrapped =
        |name: &str, thing: &Value| [thing.clone(), json!({ "data": thing }), json!({ name: thing })];
    for response in wrapped("intake_form", &json!({ "id": "f-1", "key": "k", "name": "n" })) {
        next(&response);
        assert_eq!(endpoints.intake_forms(7).get("k").await.unwrap().id, Id::from("f-1"), "{response}");
    }
    for response in wrapped("submission", &json!({ "id": "s-1", "status": "merged", "data": { "id": 9 } })) {
        next(&response);
        let submission = endpoints.intake_forms(7).submissions("k").approve(1, None).await.unwrap();
        assert_eq!((&submission.id, &submission.data), (&Id::from("s-1"), &json!({ "id": 9 })), "{response}");
        assert_eq!(submission.status, SubmissionStatus::Other("merged".into()), "a status of tomorrow");
    }
    for response in wrapped("stats", &json!({ "total_submissions": 3 })) {
        next(&response);
        assert_eq!(
            endpoints.intake_forms(7).stats("k", None).await.unwrap().total_submissions,
            3,
            "{response}"
        );
    }
    for response in wrapped("issue", &json!({ "id": 1, "key": "K-1", "title": "t", "labels": null })) {
        next(&response);
        let issue = endpoints.issues().transition("K-1", "x").await.unwrap();
        assert_eq!(issue.key.as_deref(), Some("K-1"), "{response}");
    }
    for response in wrapped("comment", &json!({ "id": 1, "body": "b" })) {
        next(&response);
        let comment = endpoints.issues().comment("K-1", "b").await.unwrap();
        assert_eq!(comment.body.as_deref(), Some("b"), "{response}");
    }
    for response in wrapped("webhook", &json!({ "webhook_url": "u" })) {
        next(&response);
        assert_eq!(endpoints.webhook_url("x").await.unwrap().url, "u", "{response}");
    }
    for response in wrapped("inbound_email", &json!({ "id": 123, "status": "pending" })) {
        next(&response);
        let email = InboundEmail::new("a", "b");
        assert_eq!(endpoints.inbound_emails().create(&email).await.unwrap().id, Id::from(123), "{response}");
    }
    for response in wrapped("members", &json!([{ "id": 1 }, { "id": "u-2" }])) {
        next(&response);
        assert_eq!(endpoints.projects().members(7).await.unwrap().len(), 2, "{response}");
    }
}

#[tokio::test]
async fn lists_are_walked_through_all_their_pages() {
    let world = World::new();
    for number in 0..5 {
        world.platform.add_intake_form(7, json!({ "key": "k" }));
        world.platform.add_issue(json!({ "project_id": 7 }));
        world.platform.add_submission(7, "k", json!({ "data": { "number": number } }));
    }
    let endpoints = world.endpoints();
    let mut forms = endpoints.intake_forms(7).stream(IntakeFormFilter::default().limit(2));
    let mut issues = endpoints.issues().stream(IssueFilter::default().project(7).limit(2));
    let mut submissions =
        endpoints.intake_forms(7).submissions("k").stream(SubmissionFilter::default().limit(2));
    for number in 0_u64..5 {
        assert_eq!(forms.next().await.unwrap().unwrap().id, Id::from(number + 1));
        assert_eq!(issues.next().await.unwrap().unwrap().id, Some(Id::from(number + 1)));
        assert_eq!(submissions.next().await.unwrap().unwrap().data["number"], number);
    }
    assert!(
        forms.next().await.is_none() && issues.next().await.is_none() && submissions.next().await.is_none()
    );
    assert_eq!(world.platform.calls().len(), 9);

    // The other spelling of pages.
    let pages = [
        json!({ "members": [{ "id": 1 }], "pagination": { "page": 1, "total_pages": 2 } }),
        json!({ "members": [{ "id": 2 }], "pagination": { "page": 2, "total_pages": 2 } }),
    ];
    world.platform.forget_calls();
    for page in &pages {
        world.platform.fail(Failure::body(page.to_string()).times(1));
    }
    let mut members = endpoints.projects().stream_members(7);
    assert_eq!(members.next().await.unwrap().unwrap().id, Some(Id::from(1)));
    assert_eq!(members.next().await.unwrap().unwrap().id, Some(Id::from(2)));
    assert!(members.next().await.is_none());
    assert_eq!(world.platform.calls()[1].query(), "project_id=7&page=2");
}

#[test]
fn a_response_is_written_again_as_it_was_read() {
    let issue = json!({
        "id": "i-1", "key": "K-1", "project_id": 7, "title": "t", "status": "open",
        "priority": "high", "issue_type": "Bug", "assignee": { "id": 1 }, "labels": ["a"],
        "created_at": "2026-01-17T10:30:00Z", "custom_fields": { "size": 5 }, "Size": 7,
    });
    let mut spelled = issue.clone();
    spelled["description"] = Value::Null;
    spelled["updated_at"] = Value::Null;
    for response in [issue.clone(), spelled] {
        let read: Issue = serde_json::from_value(response).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), issue);
    }
    for status in ["pending", "approved", "rejected", "converted", "merged"] {
        let read: IntakeSubmission = serde_json::from_value(json!({ "id": 1, "status": status })).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap()["status"], status);
    }
}

/// A repeated delivery repeats its calls with their keys, and they take effect once.
#[tokio::test]
async fn what_a_handler_makes_is_made_once_for_its_delivery() {
    async fn handler(context: Context) -> kiket::Result<()> {
        let endpoints = context.endpoints();
        let issue = endpoints.issues().create("No login", IssueFields::default().project(7)).await?;
        endpoints.issues().comment(&issue, "Me, too").await?;
        endpoints.issues().transition(&issue, "done").await?;
        let submissions = endpoints.intake_forms(7).submissions("k");
        let sent = submissions.create(&json!({}), ()).await?;
        submissions.approve(&sent.id, None).await?;
        endpoints.analytics().track("seen", json!({ "issue": issue.key })).await?;
        endpoints.inbound_emails().create(&InboundEmail::new("a@example.com", "b@example.com")).await?;
        Ok(())
    }
    let platform = FakePlatform::builder().extension_id(ID).start().unwrap();
    platform.add_intake_form(7, json!({ "key": "k" }));
    let builder = platform.extension(builder().id(ID)).on("issue.imported", "v2", handler);
    let extension = TestExtension::new(builder).unwrap();
    for _ in 0..2 {
        let response = extension.deliver(delivery("issue.imported", "v2", &json!({ "id": "d-1" }))).await;
        assert_eq!(response.status(), 200, "{}", response.text());
    }
    assert_eq!(platform.calls().len(), 14);
    assert!(platform.calls().iter().all(|call| call.header("x-kiket-event-version") == Some("v2")));
    let once = [
        platform.issues().len(),
        platform.comments("1").len(),
        platform.submissions("k").len(),
        platform.analytics_events().len(),
        platform.inbound_emails().len(),
    ];
    assert_eq!(once, [1; 5]);
}
