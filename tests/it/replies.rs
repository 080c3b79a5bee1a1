//! Replies with a status of their own: on the wire, and stored.

use kiket::{
    Extension, ExtensionBuilder, IntoReply, Json,
    http::StatusCode,
    testing::{TestExtension, TestResponse, delivery},
};
use serde_json::json;

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest()
}

/// The first response to a delivery, and the response when it is sent again.
async fn respond_twice<R, F>(reply: F) -> [TestResponse; 2]
where
    R: IntoReply + Send + 'static,
    F: Fn() -> R + Clone + Send + Sync + 'static,
{
    let handler = move || {
        let reply = reply.clone();
        async move { reply() }
    };
    let extension = TestExtension::new(builder().on("issue.created", "v1", handler)).unwrap();
    let deliver = || extension.deliver(delivery("issue.created", "v1", &json!({ "id": "d-1" })));
    [deliver().await, deliver().await]
}

#[tokio::test]
async fn a_2xx_is_sent_and_stored_with_its_body() {
    for status in [200, 201, 202, 203, 206, 299] {
        let status = StatusCode::from_u16(status).unwrap();
        let responses = respond_twice(move || (status, Json(json!({ "job": 7 })))).await;
        for (response, replayed) in responses.iter().zip([None, Some("true")]) {
            assert_eq!((response.status(), response.json()), (status.as_u16(), json!({ "job": 7 })));
            assert_eq!(response.headers().get("x-kiket-replayed"), replayed);
        }
    }
}

#[tokio::test]
async fn no_content_has_no_body() {
    for response in respond_twice(|| (StatusCode::NO_CONTENT, Json(1))).await {
        assert_eq!((response.status(), response.text()), (204, ""));
    }
}

#[tokio::test]
async fn a_status_that_is_no_2xx_fails_the_handler() {
    for response in respond_twice(|| (StatusCode::NOT_FOUND, json!({ "secret": 1 }))).await {
        assert_eq!((response.status(), &response.json()["error"]), (500, &json!("handler failed")));
        assert_eq!(response.headers().get("x-kiket-replayed"), None);
    }
}
