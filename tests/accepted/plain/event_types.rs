//! A type stands for its event, Kiket's or one's own, by whatever path.

use crate::registered;

use kiket::{
    Event, EventName,
    events::{self, Command, IssueCreated},
    prelude::*,
};

mod mail {
    use super::{Event, EventName};

    #[derive(serde::Deserialize)]
    pub struct Received<'a> {
        pub subject: &'a str,
    }

    impl Event for Received<'_> {
        const NAME: EventName = EventName::from_static("mail.received");
    }
}

struct Any<T, U>(T, U);

impl<T, U> Event for Any<T, U> {
    const NAME: EventName = EventName::from_static("any");
}

trait Source {
    type Sent;
}

impl Source for u8 {
    type Sent = events::CaseCreated;
}

#[kiket::webhook(IssueCreated, version = "v1")]
async fn by_name(event: Payload<IssueCreated>) -> Json<Option<String>> {
    Json(event.0.issue.title)
}

#[kiket::webhook(events::IssueTransitioned, version = "v1", timeout = "5s")]
#[kiket::webhook(::kiket::events::CaseTransitioned, version = "v1")]
async fn by_path() {}

#[kiket::webhook(self::mail::Received<'_>, version = "v1")]
async fn of_ones_own(Payload(mail): Payload<mail::Received<'_>>) -> Json<usize> {
    Json(mail.subject.len())
}

#[kiket::webhook(Any<Vec<u8>, u16>, version = "v1")]
async fn generic() {}

#[kiket::webhook(<u8 as Source>::Sent, version = "v1")]
async fn associated() {}

#[kiket::webhook("slack.deploy", version = "v1")]
async fn on_command(command: Payload<Command>) -> Json<Option<String>> {
    Json(command.0.command.name)
}

#[test]
fn a_type_stands_for_its_event() {
    let mut registered = registered::registered(module_path!(), |builder| builder);
    registered.sort();
    assert_eq!(
        registered,
        [
            "any v1 generic",
            "case.created v1 associated",
            "case.transitioned v1 by_path",
            "issue.created v1 by_name",
            "issue.transitioned v1 by_path",
            "mail.received v1 of_ones_own",
            "slack.deploy v1 on_command",
        ]
    );
    let _ = Any((), ());
}
