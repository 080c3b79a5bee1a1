//! Errors of handlers: which response and which retry each kind of error becomes.

use std::{error::Error as StdError, fmt, time::Duration};

use kiket::{
    __private::Classifier,
    Error, Extension, HandlerError, Retry,
    error::Advice,
    http::StatusCode,
    testing::{TestExtension, TestResponse, delivery},
};
use serde_json::json;

/// An error of the user's with advice for each variant, as `#[derive(kiket::Retry)]` gives it.
#[derive(Debug, Clone, Copy)]
enum Mine {
    Gone,
    Busy,
    Taken,
    Plain,
}

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "canary {self:?}")
    }
}

impl StdError for Mine {}

impl Retry for Mine {
    fn retry(&self) -> Option<Advice> {
        match self {
            Self::Gone => Some(Advice::never()),
            Self::Busy => Some(Advice::after(Duration::from_secs(30))),
            Self::Taken => Some(Advice::status(409)),
            Self::Plain => None,
        }
    }
}

kiket::__private::submit! {
    Classifier::new::<Mine>()
}

/// Another error, with a source.
#[derive(Debug)]
struct Outer(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("canary outside")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// An error of another crate, which the builder classifies.
#[derive(Debug)]
struct Theirs;

impl fmt::Display for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("canary theirs")
    }
}

impl StdError for Theirs {}

async fn respond<E, F>(fail: F) -> TestResponse
where
    E: kiket::error::IntoHandlerError + Send + 'static,
    F: Fn() -> E + Clone + Send + Sync + 'static,
{
    let builder =
        Extension::builder().without_collected().without_manifest().dedupe(|dedupe| dedupe.enabled(false));
    let builder =
        builder.classify(|_: &Theirs| Some(Advice::status(410))).on("issue.created", "v1", move || {
            let fail = fail.clone();
            async move { Err::<(), E>(fail()) }
        });
    let extension = TestExtension::new(builder).unwrap();
    extension.deliver(delivery("issue.created", "v1", &json!({ "id": "d-1" }))).await
}

/// The response is `status` with `Retry-After`, and shows no text of the error.
#[track_caller]
fn check(response: &TestResponse, status: u16, retry_after: Option<&str>) {
    assert_eq!(response.status(), status, "{}", response.text());
    assert_eq!(response.headers().get("retry-after"), retry_after);
    assert_eq!(response.json()["error"], "handler failed");
}

#[tokio::test]
async fn every_variant_has_the_response_of_its_advice() {
    check(&respond(|| Mine::Gone).await, 422, None);
    check(&respond(|| Mine::Busy).await, 503, Some("30"));
    check(&respond(|| Mine::Taken).await, 409, None);
    check(&respond(|| Mine::Plain).await, 500, None);
}

#[tokio::test]
async fn advice_is_found_along_the_source_chain() {
    for (mine, status) in [(Mine::Gone, 422), (Mine::Busy, 503), (Mine::Taken, 409), (Mine::Plain, 500)] {
        let after = (status == 503).then_some("30");
        check(&respond(move || Outer(mine.into())).await, status, after);
        check(&respond(move || Outer(Outer(mine.into()).into())).await, status, after);
        check(
            &respond(move || Box::<dyn StdError + Send + Sync>::from(Outer(mine.into()))).await,
            status,
            after,
        );
    }
}

#[tokio::test]
async fn advice_is_found_inside_anyhow_and_its_contexts() {
    for (mine, status) in [(Mine::Gone, 422), (Mine::Busy, 503), (Mine::Taken, 409), (Mine::Plain, 500)] {
        let after = (status == 503).then_some("30");
        check(&respond(move || anyhow::Error::from(mine)).await, status, after);
        check(&respond(move || anyhow::Error::from(mine).context("canary")).await, status, after);
        let twice = move || anyhow::Error::from(mine).context("canary").context("more");
        check(&respond(twice).await, status, after);
        check(&respond(move || anyhow::anyhow!("canary").context(mine)).await, status, after);
        check(&respond(move || anyhow::anyhow!("canary").context(mine).context("more")).await, status, after);
        check(
            &respond(move || HandlerError::from(anyhow::Error::from(mine).context("c"))).await,
            status,
            after,
        );
    }
    check(&respond(|| anyhow::anyhow!("canary")).await, 500, None);
}

#[tokio::test]
async fn advice_is_found_inside_eyre() {
    for (mine, status) in [(Mine::Gone, 422), (Mine::Busy, 503), (Mine::Taken, 409), (Mine::Plain, 500)] {
        let after = (status == 503).then_some("30");
        check(&respond(move || eyre::Report::new(mine)).await, status, after);
        check(&respond(move || eyre::Report::new(mine).wrap_err("canary")).await, status, after);
        check(&respond(move || eyre::eyre!("canary").wrap_err(mine).wrap_err("more")).await, status, after);
    }
}

#[tokio::test]
async fn a_context_goes_before_what_it_is_around() {
    let gone = || anyhow::Error::from(Mine::Busy).context(Mine::Gone);
    check(&respond(gone).await, 422, None);
}

#[tokio::test]
async fn an_error_of_kiket_keeps_text_and_code_inside_another() {
    let error = || Error::reject(StatusCode::GONE, "closed").with_code("closed");
    let check = |response: TestResponse| {
        assert_eq!(response.status(), 410);
        assert_eq!(response.json()["error"], "closed");
        assert_eq!(response.json()["code"], "closed");
    };
    check(respond(error).await);
    check(respond(move || Outer(error().into())).await);
    check(respond(move || anyhow::Error::from(error()).context("canary")).await);
}

#[tokio::test]
async fn the_builder_classifies_errors_of_other_crates() {
    check(&respond(|| Theirs).await, 410, None);
    check(&respond(|| Outer(Theirs.into())).await, 410, None);
    check(&respond(|| anyhow::Error::from(Theirs).context("canary")).await, 410, None);
    check(&respond(|| anyhow::anyhow!("canary").context(Outer(Theirs.into()))).await, 500, None);
}

#[tokio::test]
async fn texts_are_retried_and_stay_in_the_log() {
    check(&respond(|| "the canary is down").await, 500, None);
    check(&respond(|| "the canary is down".to_owned()).await, 500, None);
    check(&respond(|| Box::<dyn StdError + Send + Sync>::from("canary")).await, 500, None);
}
