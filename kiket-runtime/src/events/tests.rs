//! Every event that Kiket's public documents name, read from a payload of its shape.
//!
//! `docs/events.md` lists them.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::delivery::decode;

/// Checks what a type reads of a payload: `shown` of it.
#[track_caller]
#[allow(clippy::needless_pass_by_value)] // it is written in the call
fn check<E: DeserializeOwned>(payload: &Value, shown: impl Fn(&E) -> Value, expected: Value) {
    let body = payload.to_string();
    let (read, envelope) = decode::<E>(&body);
    let read = read.unwrap_or_else(|error| panic!("{body}: {error}"));
    assert!(envelope.is_ok());
    assert_eq!(shown(&read), expected, "{body}");
}

/// The payload with its data below `data`, and below `payload`.
fn below(envelope: &Value, data: &Value) -> [Value; 3] {
    let at = |place: Option<&str>| {
        let mut payload = envelope.clone();
        match place {
            Some(place) => payload[place] = data.clone(),
            None => payload.as_object_mut().unwrap().extend(data.as_object().unwrap().clone()),
        }
        payload
    };
    [at(None), at(Some("data")), at(Some("payload"))]
}

fn person() -> Value {
    json!({ "id": 7, "name": "A. Writer", "email": "writer@example.com" })
}

#[test]
fn documented_events_of_issues_are_read() {
    let flat = json!({
        "event": "issue.created", "timestamp": "2026-05-02T09:10:00Z", "organization_id": 5, "issue_id": 31, "project_id": 4,
        "title": "Renewal", "status": "new", "issue_type": "deal", "priority": "low", "assignee_id": null,
        "custom_fields": { "value": 3 }, "labels": ["a"],
    });
    let shown = |event: &IssueCreated| {
        let issue = &event.issue;
        json!([
            event.occurred_at,
            event.organization_id,
            issue.id,
            event.project_id(),
            issue.title,
            issue.status,
            issue.issue_type,
            issue.priority,
            issue.assignee,
            issue.custom_fields,
            issue.labels,
            event.extra,
        ])
    };
    let all = json!(["2026-05-02T09:10:00Z", 5, 31, 4, "Renewal", "new", "deal", "low", null, { "value": 3 }, ["a"], {}]);
    check(&flat, shown, all);

    let changed = |place: &str| {
        json!({
            "event": format!("{place}.status_changed"), "timestamp": "2026-05-02T09:10:00Z", format!("{place}_id"): 31,
            "title": "Renewal", "status": "testing", "previous_status": "building", "priority": "low", "assignee_id": 7,
        })
    };
    let moved = json!(["building", "testing", "testing", "Renewal"]);
    check(
        &changed("issue"),
        |event: &IssueStatusChanged| {
            json!([event.transition.from, event.transition.to, event.issue.status, event.issue.title])
        },
        moved.clone(),
    );
    check(
        &changed("case"),
        |event: &CaseStatusChanged| {
            json!([event.transition.from, event.transition.to, event.case.status, event.case.title])
        },
        moved,
    );
    // The target that the payload names comes before the status, wherever that is.
    for (payload, to) in [
        (json!({ "issue_id": 1, "status": "b", "to": "c" }), "c"),
        (json!({ "issue_id": 1, "status": "b", "transition": { "to": "c" } }), "c"),
        (json!({ "data": { "issue": { "status": { "key": "b" } }, "previous_status": "a" } }), "b"),
        (json!({ "payload": { "issue": 1, "status": "b" }, "from": "a" }), "b"),
    ] {
        check(&payload, |event: &IssueStatusChanged| json!(event.transition.to), json!(to));
    }
    check(
        &json!({ "case": { "id": 1, "currentStateKey": "b" }, "previousState": "a" }),
        |event: &CaseStatusChanged| json!([event.transition.from, event.transition.to]),
        json!(["a", "b"]),
    );

    let envelope = json!({ "id": "evt_1", "type": "issue.transitioned", "createdAt": "2026-05-02T09:10:00Z", "projectKey": "LEGAL" });
    let actor = json!({ "id": "usr_1", "email": "writer@example.com" });
    let shown = |event: &IssueTransitioned| {
        json!([
            event.issue.title,
            event.transition.from,
            event.transition.to,
            event.transition.actor,
            event.project.key
        ])
    };
    for data in [
        json!({ "issue": { "id": 31, "title": "Renewal" }, "from": "open", "to": "won", "actor": actor }),
        json!({ "issue": { "id": 31, "title": "Renewal" }, "transition": { "from": "open", "to": "won", "performed_by": actor } }),
        json!({ "issue": { "title": "Renewal", "transition": { "from": "open", "to": "won" } }, "actor": actor }),
        json!({ "issue_id": 31, "title": "Renewal", "from_status": "open", "to_status": "won", "actor": actor }),
        json!({ "issue": { "title": "Renewal" }, "previous_state": "open", "next_state": "won", "actor": actor }),
    ] {
        for payload in below(&envelope, &data) {
            check(&payload, shown, json!(["Renewal", "open", "won", actor, "LEGAL"]));
        }
    }
    let assigned = json!({ "issue_id": 31, "previous_assignee": person(), "new_assignee": 8 });
    let shown = |event: &IssueAssigned| json!([event.assigned_to(), event.previous_assignee]);
    check(&assigned, shown, json!([{ "id": 8 }, person()]));
    let updated = json!({ "issue": { "id": 31 }, "changes": { "title": ["a", "b"] }, "actor": person() });
    check(
        &updated,
        |event: &IssueUpdated| json!([event.changes.contains("title"), event.actor]),
        json!([true, person()]),
    );
}

#[test]
fn documented_comments_have_their_author() {
    let comment = |event: &str, on: &str| {
        json!({
            "event": event, "comment_id": 78, on: 31, "project_id": 4, "author": person(), "body": "looks good",
        })
    };
    let read = json!([78, person(), "looks good", 31, null, {}]);
    for event in ["issue.commented", "comment.created"] {
        check(
            &comment(event, "issue_id"),
            |event: &IssueCommented| {
                let IssueCommented { comment, issue, actor, extra, .. } = event;
                json!([
                    comment.id,
                    comment.author,
                    comment.body,
                    issue.id,
                    actor,
                    if extra.contains("event") { json!({}) } else { json!(extra) }
                ])
            },
            read.clone(),
        );
    }
    check(
        &comment("comment.created", "issue_id"),
        |event: &CommentCreated| {
            json!([
                event.comment.id,
                event.comment.author,
                event.comment.body,
                event.issue.id,
                event.actor,
                event.extra
            ])
        },
        read.clone(),
    );
    check(
        &comment("case.commented", "case_id"),
        |event: &CaseCommented| {
            json!([
                event.comment.id,
                event.comment.author,
                event.comment.body,
                event.case.id,
                event.actor,
                event.extra
            ])
        },
        read,
    );
    let on_case = comment("comment.created", "case_id");
    check(&on_case, |event: &CommentCreated| json!([event.case.id, event.issue.id]), json!([31, null]));
    let by_id = json!({ "issue_id": 31, "comment": { "id": 78, "body": "x" }, "authorId": 7 });
    check(&by_id, |event: &IssueCommented| json!(event.comment.author), json!({ "id": 7 }));
}

#[test]
fn documented_approvals_have_their_names() {
    assert_eq!(<ApprovalRequested as Event>::NAME, "approval.requested");
    assert_eq!(<ApprovalGranted as Event>::NAME, "approval.granted");
    assert_eq!(<ApprovalDenied as Event>::NAME, "approval.denied");
    assert_eq!(<ApprovalResolved as Event>::NAME, "workflow.approval.resolved");
    let by = json!({ "email": "lead@example.com" });
    let granted = json!({ "event": "approval.granted", "approval_id": 5, "issue_id": 31, "approved_by": "lead@example.com" });
    let shown =
        |event: &ApprovalGranted| json!([event.approval.id, event.issue.id, event.approval.decided_by]);
    check(&granted, shown, json!([5, 31, by]));
    for name in ["rejected_by", "denied_by", "deniedBy", "approver"] {
        let denied =
            json!({ "event": "approval.denied", "approval_id": 6, "issue_id": 31, name: "lead@example.com" });
        check(&denied, |event: &ApprovalDenied| json!(event.approval.decided_by), by.clone());
    }
    let resolved = json!({
        "event": "workflow.approval.resolved", "timestamp": 1, "organization_id": 5,
        "payload": { "approval_id": 6, "issue_id": 31, "resolution": "denied", "approver": "lead@example.com", "reason": "too dear" },
    });
    check(
        &resolved,
        |event: &ApprovalResolved| {
            let approval = &event.approval;
            json!([
                approval.id,
                approval.status,
                approval.decided_by,
                approval.comment,
                event.organization_id
            ])
        },
        json!([6, "denied", by, "too dear", 5]),
    );
    let requested = json!({ "approval": { "id": 6, "approvers": [7] }, "issue": 31 });
    check(&requested, |event: &ApprovalRequested| json!([event.approval.approvers]), json!([[{ "id": 7 }]]));
}

#[test]
fn documented_cases_workflows_and_slas_are_read() {
    let envelope = json!({ "id": "evt_1", "type": "case.transitioned", "createdAt": "2026-05-02T09:10:00Z", "workspaceId": "ws_1" });
    let data = json!({ "case": { "id": "case_1", "processId": "p_1", "title": "Renewal" }, "from": "open", "to": "won", "actor": person() });
    for payload in below(&envelope, &data) {
        check(
            &payload,
            |event: &CaseTransitioned| {
                json!([event.case.process_id, event.transition.to, event.workspace_id])
            },
            json!(["p_1", "won", "ws_1"]),
        );
    }
    let hook = json!({
        "event": "workflow.before_transition", "event_type": "before_transition",
        "issue": { "id": 31, "status": "open", "project_id": 4, "organization_id": 5 },
        "transition": { "from": "open", "to": "won", "performed_by": "writer@example.com" },
    });
    check(
        &hook,
        |event: &BeforeTransition| json!([event.issue.status, event.transition.to]),
        json!(["open", "won"]),
    );
    check(
        &hook,
        |event: &AfterTransition| json!([event.issue.status, event.transition.to]),
        json!(["open", "won"]),
    );
    let sla = json!({
        "event": "workflow.sla_status", "event_version": "v1", "issue": { "id": 31, "project_id": 4, "title": "Renewal" },
        "definition": { "id": 9, "status": "open", "issue_type": "deal" },
        "metrics": { "duration_minutes": 68, "overdue_minutes": 8 },
        "authentication": { "runtime_token": "canary" }, "secrets": { "KEY": "canary" }, "secret_status": { "missing": ["A"] },
        "api": { "base_url": "https://kiket.dev" }, "context": { "user_id": 91 },
    });
    let shown = |event: &SlaStatus| {
        assert!(!format!("{event:?}").contains("canary"));
        json!([event.definition.issue_type, event.metrics.overdue_minutes, event.context, event.extra])
    };
    check(&sla, shown, json!(["deal", 8.0, { "user_id": 91 }, { "event_version": "v1" }]));
}

#[test]
fn no_member_is_written_twice() {
    let issue = Issue::new(1).title("a").extra("title", "b").extra("id", 2).extra("status", "open");
    let issue = issue.extra("size", 5);
    let event =
        IssueCreated::new(issue).id("evt_1").extra("issue", 7).extra("id", "evt_2").extra("event", "x.y");
    let text = serde_json::to_string(&event).unwrap();
    for name in ["issue", "id", "title", "status", "size", "event"] {
        let times = text.matches(&format!("\"{name}\":")).count();
        assert_eq!(times, if name == "id" { 2 } else { 1 }, "{name}: {text}");
    }
    let written: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({ "id": 1, "title": "a", "status": "open", "size": 5 });
    assert_eq!(
        (&written["issue"], &written["id"], &written["event"]),
        (&expected, &json!("evt_1"), &json!("x.y"))
    );
}

#[test]
fn no_model_keeps_secrets_among_its_unknown_fields() {
    let secret = json!({ "runtime_token": "canary" });
    for place in [
        "",
        "/data",
        "/payload",
        "/issue",
        "/data/issue",
        "/issue/assignee",
        "/transition",
        "/project",
        "/changes",
    ] {
        let mut payload = json!({
            "issue": { "assignee": {} }, "transition": {}, "project": {}, "changes": {},
            "data": { "issue": {} }, "payload": {},
        });
        let at = payload.pointer_mut(place).unwrap();
        at["authentication"] = secret.clone();
        at["secrets"] = secret.clone();
        at["kept"] = json!(1);
        let read: IssueStatusChanged = serde_json::from_value(payload).unwrap();
        let printed = format!("{read:?} {}", serde_json::to_string(&read).unwrap());
        assert!(printed.contains("kept"), "{place}: {printed}");
        // A change is of a field of the issue, whatever that is called.
        assert_eq!(printed.contains("canary"), place == "/changes", "{place}: {printed}");
    }
}

/// The page lists every type of the module, and no event twice.
#[test]
fn the_page_of_events_lists_every_type() {
    let page = include_str!("../../../docs/events.md");
    for name in [
        IssueCreated::NAME,
        IssueUpdated::NAME,
        IssueTransitioned::NAME,
        IssueAssigned::NAME,
        IssueCommented::NAME,
        IssueStatusChanged::NAME,
        CaseCreated::NAME,
        CaseUpdated::NAME,
        CaseTransitioned::NAME,
        CaseAssigned::NAME,
        CaseCommented::NAME,
        CaseStatusChanged::NAME,
        CommentCreated::NAME,
        ApprovalRequested::NAME,
        ApprovalGranted::NAME,
        ApprovalDenied::NAME,
        ApprovalResolved::NAME,
        BeforeTransition::NAME,
        AfterTransition::NAME,
        SlaStatus::NAME,
    ] {
        assert_eq!(page.matches(&format!("\n| `{name}` |")).count(), 1, "{name}");
    }
}
