//! Kiket's own events: each reads what it writes, and every way in which its payload may be written.

use std::fmt::Debug;

use kiket::{
    Event, Extension, Json, Payload,
    api::SlaState,
    events::{
        Actor, AfterTransition, Approval, ApprovalDenied, ApprovalGranted, ApprovalRequested,
        BeforeTransition, Case, CaseAssigned, CaseCommented, CaseCreated, CaseStatusChanged,
        CaseTransitioned, CaseUpdated, Changes, Command, Comment, Invocation, Issue, IssueAssigned,
        IssueCommented, IssueCreated, IssueStatusChanged, IssueTransitioned, IssueUpdated, Project,
        SlaDefinition, SlaMetrics, SlaStatus, Transition,
    },
    testing::{TestExtension, delivery, delivery_of},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn issue() -> Issue {
    Issue::new(42).key("CORE-42").title("Acme renewal").status("review").project_id(7)
}

fn case() -> Case {
    Case::new("case_1").process_id("proc_1").title("Acme renewal").current_state_key("legal_review")
}

/// What is written: the shape that tests send.
#[track_caller]
fn check<E: Event + Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, event: &E, written: Value) {
    assert_eq!(E::NAME.as_str(), name);
    let mut expected = written;
    expected["event"] = json!(name);
    assert_eq!(serde_json::to_value(event).unwrap(), expected, "{name}");
    assert_eq!(&decode::<E>(&expected), event, "{name}");
}

/// Decodes as a delivery is decoded: in the pass that also finds the envelope.
#[track_caller]
fn decode<E: DeserializeOwned + PartialEq + Debug>(payload: &Value) -> E {
    let body = payload.to_string();
    let decoded =
        kiket_runtime::internals::decode::<E>(&body).0.unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(decoded, serde_json::from_value(payload.clone()).unwrap(), "{body}");
    decoded
}

#[test]
fn every_event_of_an_issue_reads_what_it_writes() {
    let written = json!({
        "id": 42, "key": "CORE-42", "title": "Acme renewal", "status": "review", "project_id": 7,
    });
    check(
        "issue.created",
        &IssueCreated::new(issue()).id("evt_1").actor("pm@acme.com").project(Project::from(7).key("CORE")),
        json!({
            "id": "evt_1", "issue": written, "actor": { "email": "pm@acme.com" },
            "project": { "id": 7, "key": "CORE" },
        }),
    );
    check(
        "issue.updated",
        &IssueUpdated::new(issue(), Changes::new().field("title", "Acme", "Acme renewal")),
        json!({ "issue": written, "changes": { "title": { "from": "Acme", "to": "Acme renewal" } } }),
    );
    check(
        "issue.transitioned",
        &IssueTransitioned::new(issue(), Transition::new("intake", "review").actor(91)),
        json!({ "issue": written, "transition": { "from": "intake", "to": "review", "actor": { "id": 91 } } }),
    );
    check(
        "issue.assigned",
        &IssueAssigned::new(issue()).assignee(Actor::from("usr_1").name("Ada")).previous_assignee("usr_2"),
        json!({
            "issue": written, "assignee": { "id": "usr_1", "name": "Ada" },
            "previous_assignee": { "id": "usr_2" },
        }),
    );
    check(
        "issue.commented",
        &IssueCommented::new(issue(), Comment::new("done?").id(3).author("usr_1")),
        json!({ "issue": written, "comment": { "id": 3, "body": "done?", "author": { "id": "usr_1" } } }),
    );
    check(
        "issue.status_changed",
        &IssueStatusChanged::new(issue(), Transition::new("intake", "review")),
        json!({ "issue": written, "transition": { "from": "intake", "to": "review" } }),
    );
}

#[test]
fn every_event_of_a_case_reads_what_it_writes() {
    let written = json!({
        "id": "case_1", "process_id": "proc_1", "title": "Acme renewal", "current_state_key": "legal_review",
    });
    check(
        "case.created",
        &CaseCreated::new(case()).workspace_id("ws_1").organization_id("org_1"),
        json!({
            "case": written, "workspace_id": "ws_1", "organization_id": "org_1",
        }),
    );
    check(
        "case.updated",
        &CaseUpdated::new(case(), Changes::new().field("priority", Value::Null, "high")).actor(7),
        json!({
            "case": written, "changes": { "priority": { "from": null, "to": "high" } }, "actor": { "id": 7 },
        }),
    );
    check(
        "case.transitioned",
        &CaseTransitioned::new(case(), Transition::new("intake", "legal_review")),
        json!({ "case": written, "transition": { "from": "intake", "to": "legal_review" } }),
    );
    check(
        "case.assigned",
        &CaseAssigned::new(case()).assignee(7),
        json!({
            "case": written, "assignee": { "id": 7 },
        }),
    );
    check(
        "case.commented",
        &CaseCommented::new(case(), Comment::new("why?")),
        json!({
            "case": written, "comment": { "body": "why?" },
        }),
    );
    check(
        "case.status_changed",
        &CaseStatusChanged::new(case(), Transition::new("open", "closed")),
        json!({ "case": written, "transition": { "from": "open", "to": "closed" } }),
    );
}

#[test]
fn every_event_of_a_workflow_reads_what_it_writes() {
    let transition =
        json!({ "id": 5, "name": "Finish", "from": "review", "to": "done", "comment": "at last" });
    let made = Transition::new("review", "done").id(5).name("Finish").comment("at last");
    check(
        "workflow.before_transition",
        &BeforeTransition::new(Issue::new("ISS-42"), made.clone()),
        json!({
            "issue": { "id": "ISS-42" }, "transition": transition,
        }),
    );
    check(
        "workflow.after_transition",
        &AfterTransition::new(Issue::new(1), made),
        json!({
            "issue": { "id": 1 }, "transition": transition,
        }),
    );
    check(
        "workflow.sla_status",
        &SlaStatus::new(Issue::new(1))
            .state(SlaState::Breached)
            .definition(SlaDefinition::default().id(9).status("review").max_duration_minutes(60))
            .metrics(SlaMetrics::default().duration_minutes(68.5).overdue_minutes(8))
            .context([("workspace", "acme")]),
        json!({
            "issue": { "id": 1 }, "state": "breached",
            "definition": { "id": 9, "status": "review", "max_duration_minutes": 60.0 },
            "metrics": { "duration_minutes": 68.5, "overdue_minutes": 8.0 },
            "context": { "workspace": "acme" },
        }),
    );
}

#[test]
fn every_event_of_an_approval_reads_what_it_writes() {
    let approval = Approval::new("apr_1").name("Budget").status("pending");
    let written = json!({ "id": "apr_1", "name": "Budget", "status": "pending" });
    check(
        "approval.requested",
        &ApprovalRequested::new(
            approval
                .clone()
                .requested_by("pm@acme.com")
                .approvers(["cfo@acme.com", "usr_2"])
                .due_at("2026-05-01"),
            Issue::new(42),
        ),
        json!({
            "approval": {
                "id": "apr_1", "name": "Budget", "status": "pending", "requested_by": { "email": "pm@acme.com" },
                "approvers": [{ "email": "cfo@acme.com" }, { "id": "usr_2" }], "due_at": "2026-05-01",
            },
            "issue": { "id": 42 },
        }),
    );
    check(
        "approval.granted",
        &ApprovalGranted::new(approval.clone(), Issue::new(42)).actor(1),
        json!({
            "approval": written, "issue": { "id": 42 }, "actor": { "id": 1 },
        }),
    );
    check(
        "approval.denied",
        &ApprovalDenied::new(approval, Issue::default()),
        json!({
            "approval": written,
        }),
    );
}

#[test]
fn a_command_is_read_in_every_shape() {
    let made = Command::new(Invocation::new("/deploy").text("to production")).user("usr_1");
    for payload in [
        json!({ "command": { "name": "/deploy", "text": "to production" }, "user": { "id": "usr_1" } }),
        json!({ "command": "/deploy", "text": "to production", "user_id": "usr_1" }),
        json!({ "data": { "command": "/deploy", "text": "to production", "user": "usr_1" } }),
        json!({ "name": "/deploy", "text": "to production", "userId": "usr_1" }),
    ] {
        assert_eq!(decode::<Command>(&payload), made, "{payload}");
    }
    assert_eq!(
        serde_json::to_value(&made).unwrap(),
        json!({
            "command": { "name": "/deploy", "text": "to production" }, "user": { "id": "usr_1" },
        })
    );
    for arguments in [json!(["to", "production"]), json!({ "to": "production" }), json!("to production")] {
        let made = Command::new(Invocation::new("/deploy").arguments(arguments.clone()));
        assert_eq!(decode::<Command>(&serde_json::to_value(&made).unwrap()), made);
        assert_eq!(decode::<Command>(&json!({ "command": "/deploy", "args": arguments })), made);
    }
    let named = decode::<Command>(&json!({ "event": "slack.deploy", "command": "/deploy" }));
    assert_eq!(named.extra.get("event").unwrap(), Some("slack.deploy"));
}

/// The ways in which a transition is written, for what `noun` went.
fn transitions(noun: &str) -> Vec<Value> {
    let way = json!({ "from": "review", "to": "done", "actor": { "email": "pm@acme.com" } });
    let performed = json!({ "from": "review", "to": "done", "performed_by": "pm@acme.com" });
    let (flat_id, camel_id) = (format!("{noun}_id"), format!("{noun}Id"));
    vec![
        json!({ noun: { "id": 42 }, "transition": performed }),
        json!({ "data": { noun: { "id": 42 }, "transition": way } }),
        json!({ noun: { "id": 42, "transition": way } }),
        json!({ "data": { noun: { "transition": performed, "id": 42 } } }),
        json!({ "data": { noun: { "id": 42 }, "from": "review", "to": "done", "actor": { "email": "pm@acme.com" } } }),
        json!({ noun: { "id": 42 }, "from": "review", "to": "done", "performedBy": "pm@acme.com" }),
        json!({ flat_id: 42, "transition": way }),
        json!({ "data": { camel_id: 42, "fromState": "review", "toState": "done", "actor": "pm@acme.com" } }),
        json!({ noun: 42, "transition": { "fromStatus": "review", "to_status": "done", "user": "pm@acme.com" } }),
        json!({ noun: { "id": 42 }, "transition": way, "data": { noun: null, "transition": null } }),
        json!({ noun: { "id": 42 }, "data": { "transition": performed } }),
        json!({ "data": { "id": 42, "transition": way } }),
    ]
}

#[test]
fn a_transition_is_read_wherever_it_stands() {
    let way = || Transition::new("review", "done").actor("pm@acme.com");
    for payload in transitions("issue") {
        let issue = Issue::new(42);
        assert_eq!(
            decode::<IssueTransitioned>(&payload),
            IssueTransitioned::new(issue.clone(), way()),
            "{payload}"
        );
        assert_eq!(
            decode::<IssueStatusChanged>(&payload),
            IssueStatusChanged::new(issue.clone(), way()),
            "{payload}"
        );
        assert_eq!(
            decode::<BeforeTransition>(&payload),
            BeforeTransition::new(issue.clone(), way()),
            "{payload}"
        );
        assert_eq!(decode::<AfterTransition>(&payload), AfterTransition::new(issue, way()), "{payload}");
    }
    for payload in transitions("case") {
        let case = Case::new(42);
        assert_eq!(
            decode::<CaseTransitioned>(&payload),
            CaseTransitioned::new(case.clone(), way()),
            "{payload}"
        );
        assert_eq!(decode::<CaseStatusChanged>(&payload), CaseStatusChanged::new(case, way()), "{payload}");
    }
    let named =
        decode::<BeforeTransition>(&json!({ "issue": 42, "transition": "approve", "from": "a", "to": "b" }));
    assert_eq!(named.transition, Transition::new("a", "b").name("approve"));
    let known = decode::<BeforeTransition>(&json!({ "transition": 5, "from": "a", "to": "b" }));
    assert_eq!(known.transition, Transition::new("a", "b").id(5));
}

#[test]
fn an_issue_is_read_wherever_it_stands() {
    let made = Issue::new("ISS-42")
        .title("Acme renewal")
        .status("intake")
        .issue_type("contract")
        .priority("2")
        .assignee(9)
        .labels(["legal", "eu"])
        .custom_fields([("budget", 250)])
        .extra("estimate", 3);
    let inside = |id: &str, r#type: &str| {
        json!({
            id: "ISS-42", "title": "Acme renewal", "status": "intake", r#type: "contract", "priority": 2,
            "assignee_id": 9, "labels": ["legal", "eu"], "custom_fields": { "budget": 250 },
        })
    };
    let with = |mut object: Value, name: &str, value: Value| {
        object[name] = value;
        object
    };
    for payload in [
        json!({ "issue": with(inside("id", "issue_type"), "estimate", json!(3)) }),
        json!({ "data": { "issue": with(inside("id", "type"), "estimate", json!(3)) } }),
        json!({ "data": { "issue": with(inside("issueId", "issueType"), "estimate", json!(3)) } }),
        with(inside("issue_id", "issue_type"), "issue", json!({ "estimate": 3 })),
        with(inside("issueId", "issueType"), "data", json!({ "issue": { "estimate": 3 } })),
        json!({ "issue": { "estimate": 3 }, "data": inside("id", "type") }),
        json!({ "issue": with(inside("id", "type"), "estimate", json!(3)), "assignee": null, "labels": null }),
        json!({ "issue": {
            "id": "ISS-42", "title": "Acme renewal", "status": { "id": 3, "key": "intake", "name": "Intake" },
            "type": { "name": "contract" }, "priority": { "key": "2" }, "assignee": { "id": 9 }, "estimate": 3,
            "labels": [{ "id": 1, "name": "legal", "color": "red" }, "eu"], "customFields": { "budget": 250 },
        } }),
    ] {
        assert_eq!(decode::<IssueCreated>(&payload).issue, made, "{payload}");
        assert_eq!(decode::<IssueUpdated>(&payload).issue, made, "{payload}");
    }
}

#[test]
fn what_tells_of_the_delivery_is_read_in_every_spelling() {
    let made = CaseCreated::new(Case::new(1))
        .id("evt_1")
        .occurred_at("2026-04-14T10:00:00Z")
        .organization_id("org_1")
        .workspace_id(5)
        .project(Project::from("prj_1").key("LEGAL"))
        .actor("pm@acme.com");
    assert_eq!(serde_json::to_value(&made).unwrap()["timestamp"], "2026-04-14T10:00:00Z");
    for payload in [
        json!({
            "id": "evt_1", "type": "case.created", "createdAt": "2026-04-14T10:00:00Z", "organizationId": "org_1",
            "workspaceId": 5, "projectId": "prj_1", "projectKey": "LEGAL",
            "data": { "case": { "id": 1 }, "actor": { "email": "pm@acme.com" } },
        }),
        json!({
            "id": "evt_1", "event": "case.created", "occurred_at": "2026-04-14T10:00:00Z", "organization_id": "org_1",
            "workspace_id": 5, "project": { "id": "prj_1", "key": "LEGAL" }, "case": 1, "performed_by": "pm@acme.com",
        }),
        json!({
            "id": "evt_1", "timestamp": "2026-04-14T10:00:00Z", "project": "prj_1",
            "event": "case.created", "event_type": "case.created", "case_id": 1,
            "data": { "organization_id": "org_1", "workspaceId": 5, "project_key": "LEGAL", "user": "pm@acme.com" },
        }),
    ] {
        assert_eq!(decode::<CaseCreated>(&payload), made, "{payload}");
    }
    // The first of its names counts, the others are kept; the time of an issue is not that of its event.
    let timely = decode::<IssueCreated>(&json!({
        "createdAt": "3", "created_at": "of the issue", "occurred_at": "2", "received_at": "4", "timestamp": "1",
    }));
    assert_eq!(
        (timely.occurred_at, timely.issue.created_at),
        (Some("1".into()), Some("of the issue".into()))
    );
    assert_eq!(json!(timely.extra), json!({ "occurred_at": "2", "createdAt": "3", "received_at": "4" }));
    let of_issue = decode::<IssueCreated>(&json!({ "issue": { "project_id": 7 } }));
    let of_event = decode::<IssueCreated>(&json!({ "issue": { "project_id": 7 }, "project_id": 8 }));
    assert_eq!((of_issue.project_id(), of_event.project_id()), (Some(&7.into()), Some(&8.into())));
    assert_eq!(
        decode::<IssueCreated>(&json!({ "timestamp": 1_700_000_000 })).occurred_at.unwrap(),
        "1700000000"
    );
}

#[test]
fn the_parts_of_an_event_may_stand_beside_the_issue() {
    let commented = decode::<IssueCommented>(&json!({ "issue_id": 1, "comment_id": 3, "body": "done?" }));
    assert_eq!(commented, IssueCommented::new(Issue::new(1), Comment::new("done?").id(3)));
    assert_eq!(
        decode::<IssueCommented>(&json!({ "comment": 3, "text": "done?" })).comment,
        commented.comment
    );
    let commented = decode::<IssueCommented>(&json!({ "issue": 1, "comment": "done?" }));
    assert_eq!(commented, IssueCommented::new(Issue::new(1), Comment::new("done?")));

    let assigned = decode::<IssueAssigned>(&json!({ "issue_id": 1, "assignee_id": 7, "old_assignee": null }));
    assert_eq!(assigned, IssueAssigned::new(Issue::new(1)).assignee(7));
    let inside = decode::<IssueAssigned>(&json!({ "issue": { "id": 1, "assignee": { "id": 7 } } }));
    assert_eq!((assigned.assigned_to(), inside.assigned_to()), (Some(&7.into()), Some(&7.into())));
    assert_eq!(decode::<CaseAssigned>(&json!({ "case": 1, "assignee": null })).assigned_to(), None);
    // What came first is completed by what came later, in whichever order.
    for payload in
        [r#"{"assignee_id":7,"assignee":{"name":"Ada"}}"#, r#"{"assignee":{"name":"Ada"},"assigneeId":7}"#]
    {
        let assigned: IssueAssigned = serde_json::from_str(payload).unwrap();
        assert_eq!(assigned.assignee, Some(Actor::from(7).name("Ada")), "{payload}");
    }

    let late =
        decode::<SlaStatus>(&json!({ "data": { "issue_id": 1, "state": "imminent", "definition": 9 } }));
    assert_eq!((late.state, late.definition.id), (Some(SlaState::Imminent), Some(9.into())));

    let approved = json!({ "approval_id": 5, "issue_id": 1, "approved_by": { "id": 7 }, "notes": "fine" });
    let made = ApprovalGranted::new(Approval::new(5).decided_by(7).comment("fine"), Issue::new(1));
    assert_eq!(decode::<ApprovalGranted>(&approved), made);

    for changes in
        [json!(["title"]), json!({ "title": ["A", "B"] }), json!({ "title": { "old": "A", "new": "B" } })]
    {
        for name in ["changes", "changed_fields", "changedAttributes"] {
            let updated = decode::<IssueUpdated>(&json!({ "issue": 1, "data": { name: changes } }));
            assert!(
                updated.changes.contains("title") && !updated.changes.contains("status"),
                "{name}: {changes}"
            );
        }
    }
}

#[test]
fn what_is_absent_or_null_is_empty() {
    #[track_caller]
    fn check<E: DeserializeOwned + Default + PartialEq + Debug>() {
        let names = [
            "id",
            "timestamp",
            "organization_id",
            "workspace_id",
            "project",
            "projectKey",
            "context",
            "data",
            "secrets",
            "authentication",
            "api",
            "issue",
            "case",
            "transition",
            "from",
            "actor",
            "comment",
            "changes",
            "title",
            "labels",
            "custom_fields",
            "assignee",
            "approval",
            "state",
            "metrics",
            "command",
        ];
        // Those that mean nothing to this event are kept, `null` or not.
        let known = names.into_iter().filter(|name| {
            let read: Value = json!({ *name: {} });
            kiket_runtime::internals::decode::<E>(&read.to_string())
                .0
                .map_or(true, |read| read == E::default())
        });
        let nulls: Value =
            known.map(|name| (name.to_owned(), Value::Null)).collect::<serde_json::Map<_, _>>().into();
        assert!(nulls.as_object().unwrap().len() > 10, "{nulls}");
        assert_eq!(decode::<E>(&nulls), E::default(), "{nulls}");
        assert_eq!(decode::<E>(&json!({})), E::default());
    }
    check::<IssueCreated>();
    check::<IssueUpdated>();
    check::<IssueTransitioned>();
    check::<IssueAssigned>();
    check::<IssueCommented>();
    check::<IssueStatusChanged>();
    check::<CaseCreated>();
    check::<CaseTransitioned>();
    check::<BeforeTransition>();
    check::<SlaStatus>();
    check::<ApprovalRequested>();
    check::<Command>();
}

#[test]
fn what_has_no_meaning_is_kept_and_what_is_secret_is_not() {
    let event = decode::<IssueTransitioned>(&json!({
        "event": "issue.transitioned", "event_type": "issue_transitioned", "event_version": "v1", "anEvent": null,
        "issue": { "id": 1, "storyPoints": 5, "transition": { "from": "a", "to": "b", "gate": { "open": true } } },
        "data": { "rule": [1, 2] }, "context": { "user_id": 91 },
        "authentication": { "runtime_token": "rt_hidden" }, "secrets": { "KEY": "rt_hidden" },
        "secret_status": { "missing": [] }, "api": { "base_url": "https://kiket.dev" },
    }));
    assert_eq!(
        json!(event.extra),
        json!({
            "event_type": "issue_transitioned", "event_version": "v1", "anEvent": null, "rule": [1, 2],
        })
    );
    assert_eq!(event.issue.extra.get("storyPoints").unwrap(), Some(5));
    assert_eq!(event.transition.extra.json("gate"), Some(r#"{"open":true}"#));
    assert_eq!(event.context["user_id"], 91);
    assert!(!format!("{event:?}").contains("rt_hidden"));
    assert_eq!(decode::<IssueTransitioned>(&serde_json::to_value(&event).unwrap()), event);
    // Another event's name is kept, so that it can be seen.
    let other = decode::<IssueUpdated>(&json!({ "event": "issue.created" }));
    assert_eq!(other.extra.get("event").unwrap(), Some("issue.created"));
    // A transition inside an issue is one where the event has one.
    let created = decode::<IssueCreated>(&json!({ "issue": { "transition": { "from": "a" } } }));
    assert_eq!(created.issue.extra.get("transition").unwrap(), Some(json!({ "from": "a" })));
}

/// Responds with what a handler reads most.
async fn on_transition(event: Payload<IssueTransitioned>) -> Json<Value> {
    Json(json!([event.issue.id, event.transition.from, event.transition.to]))
}

fn extension() -> TestExtension {
    let builder = Extension::builder().without_manifest().without_collected();
    TestExtension::new(builder.on("issue.transitioned", "v1", on_transition)).unwrap()
}

#[tokio::test]
async fn a_typed_event_goes_through_the_whole_stack() {
    let event = IssueTransitioned::new(Issue::new(42), Transition::new("review", "done")).id("evt_1");
    let response = extension().deliver(delivery_of(&event, "v1")).await;
    assert_eq!((response.status(), response.json()), (200, json!([42, "review", "done"])));
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let extension = extension();
    for (payload, error) in [
        (json!({ "issue": { "title": 7 } }), "issue.title: invalid type: integer `7`, expected a string"),
        (json!({ "title": true }), "title: invalid type: boolean `true`, expected a string"),
        (
            json!({ "data": { "issue": { "id": [1] } } }),
            "data.issue.id: invalid type: sequence, expected an id, a whole number or a text",
        ),
        (json!({ "issue": [1] }), "issue: invalid type: sequence, expected an issue, as an object or its id"),
        (json!({ "issue": [] }), "issue: invalid type: sequence, expected an issue, as an object or its id"),
        (
            json!({ "issue": { "transition": { "to": {} } } }),
            "issue.transition.to: invalid type: map, expected a text or a number",
        ),
        (
            json!({ "data": { "from": false } }),
            "data.from: invalid type: boolean `false`, expected a text or a number",
        ),
        (
            json!({ "transition": { "performed_by": 1.5 } }),
            "transition.performed_by: invalid type: floating point `1.5`, expected a person, as an object, an id or an e-mail address",
        ),
        (json!({ "data": 7 }), "data: invalid type: integer `7`, expected the data of an event, an object"),
        (json!({ "labels": "a" }), "labels: invalid type: string \"a\", expected a sequence"),
        (
            json!({ "issue": { "labels": ["a", true] } }),
            "issue.labels[1]: invalid type: boolean `true`, expected a text or a number",
        ),
    ] {
        let response = extension.deliver(delivery("issue.transitioned", "v1", &payload)).await;
        assert_eq!((response.status(), response.json()["error"].as_str()), (500, Some(error)), "{payload}");
    }
}
