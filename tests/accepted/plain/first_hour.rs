//! What a Rust programmer writes in the first hour: `?` between errors, names in `json!`, owned texts and options.

use kiket::{
    Secret,
    api::{InboundEmail, Level},
    external_webhook::{ExternalWebhook, SharedToken},
    prelude::*,
};

use crate::now;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

fn boxed() -> Result<u32, Boxed> {
    Ok("1".parse()?)
}

fn of_kiket() -> Result<u32, kiket::Error> {
    Ok(1)
}

fn of_a_handler() -> kiket::Result<u32> {
    Ok(boxed()? + of_kiket()?)
}

fn into_anyhow() -> anyhow::Result<u32> {
    Ok(of_kiket()? + of_a_handler().map_err(HandlerError::into_error)?)
}

fn into_a_box() -> Result<u32, Boxed> {
    Ok(of_kiket()? + of_a_handler().map_err(HandlerError::into_error)?)
}

#[kiket::webhook("a.b", version = "v1")]
async fn names(context: Context) -> kiket::Result<Reply> {
    let count = boxed()?;
    Ok(Reply::json(json!({
        "ok": true, "version": context.event_version(), "event": context.event(), "count": count,
    })))
}

#[kiket::webhook("a.notify", version = "v1")]
async fn notify(context: Context) -> kiket::Result<()> {
    let title = String::from("t");
    context.endpoints().notify(title, format!("{}", 1), Level::Warning).await?;
    Ok(())
}

fn email(name: Option<String>, subject: Option<&str>) -> InboundEmail {
    InboundEmail::new("a@example.com", "b@example.com").from_name(name).subject(subject)
}

fn proves_itself(webhook: &ExternalWebhook) -> bool {
    webhook.verify(&SharedToken::header("X-Mail-Token", "t")).is_ok()
}

#[test]
fn what_a_programmer_writes_first_compiles_and_runs() {
    assert_eq!((into_anyhow().unwrap(), into_a_box().unwrap()), (3, 3));
    let context = kiket::testing::context("a.b", "v1").secret("K", "v").build();
    assert!(context.secret("K").is_some_and(|secret: Secret| secret.matches("v") && !secret.matches("w")));
    assert_eq!(context.now(), context.now());
    let reply = now::now(names(context)).unwrap();
    assert!(format!("{reply:?}").contains("a.b"), "{reply:?}");
    let [named, plain] = [email(Some("A".to_owned()), Some("s")), email(None, None)]
        .map(|email| json!(email).as_object().unwrap().len());
    assert_eq!(named, plain + 2);
    let webhook = json!({
        "action": "mail", "received_at": "2026-05-02T09:10:00Z",
        "external_webhook": { "body": "", "headers": { "X-Mail-Token": "t" }, "method": "POST" },
    });
    assert!(proves_itself(&serde_json::from_value(webhook).unwrap()));
    let _ = notify;
}
