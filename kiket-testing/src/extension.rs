//! An extension in process: every layer but the socket.

use std::{future::IntoFuture, pin::Pin};

use actix_web::{App, dev::Service as _, http::Method, test, web};
use kiket_runtime::{
    Clock, Extension, ExtensionBuilder, Secret, StartupError,
    internals::{self, Defaults},
};
use serde::Serialize;

#[cfg(feature = "inbox")]
use crate::inbox::{MemoryInbox, TestInbox};
use crate::{
    delivery::{DeliveryBuilder, SignedDelivery},
    response::TestResponse,
};

/// The webhook secret of a [`TestExtension`] whose builder has none.
pub const SECRET: &str = "kiket_test_secret";

/// An extension that is delivered to in process, through the whole stack without a socket.
///
/// It is independent of the process's environment: give variables with [`ExtensionBuilder::environment`]. Its secret is
/// [`SECRET`] and its clock stands at 1,700,000,000 unless the builder was given others.
#[derive(Debug, Clone)]
pub struct TestExtension {
    extension: Extension,
    clock: Clock,
}

/// Where the clock of a test stands, in Unix seconds.
const NOW: u64 = 1_700_000_000;

/// The key of the inbox.
#[cfg(feature = "inbox")]
const INBOX_KEY: &str = "a2lrZXQgdGVzdCBrZXk6IG5vdCBmb3IgcHJvZHVjdGk=";

impl TestExtension {
    /// Builds the extension for tests.
    ///
    /// # Errors
    ///
    /// Everything that would keep it from starting.
    pub fn new(builder: ExtensionBuilder) -> Result<Self, StartupError> {
        let webhook_secret = Some(Secret::from(SECRET));
        let defaults = Defaults {
            id: None,
            webhook_secret,
            clock: Clock::fixed(NOW),
            extension_number: None,
            isolated: true,
        };
        let (builder, clock) = internals::with_defaults(builder, defaults);
        #[cfg(feature = "inbox")]
        let builder = internals::with_inbox(builder, MemoryInbox::default(), INBOX_KEY);
        Ok(Self { extension: builder.build()?, clock })
    }

    /// The extension itself.
    pub fn extension(&self) -> &Extension {
        &self.extension
    }

    /// The clock that signatures are made and checked by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The inbox, where the deliveries of `later` handlers wait until they are [worked on](TestInbox::run_until_idle).
    ///
    /// It is in memory unless the builder was given another one.
    #[cfg(feature = "inbox")]
    pub fn inbox(&self) -> TestInbox<'_> {
        TestInbox::new(&self.extension, &self.clock)
    }

    /// Signs a delivery with the current secret, now, and sends it.
    pub async fn deliver(&self, delivery: DeliveryBuilder) -> TestResponse {
        let secret = self.extension.config().webhook_secrets().first().map_or("", Secret::expose);
        self.send(delivery.sign(secret, self.clock.unix_seconds())).await
    }

    /// Sends a delivery as it is signed.
    ///
    /// # Panics
    ///
    /// When its path or its headers cannot be sent over HTTP.
    pub async fn send(&self, delivery: SignedDelivery) -> TestResponse {
        let mut request = test::TestRequest::post().uri(&delivery.path).set_payload(delivery.body);
        for (name, value) in delivery.headers {
            request = request.append_header((name, value));
        }
        self.respond(request).await
    }

    /// Asks for a path, like `/health`.
    ///
    /// # Panics
    ///
    /// When the path cannot be sent over HTTP.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.call("GET", path).await
    }

    /// A request with any method and path, like that of a [route of its own](ExtensionBuilder::routes). Await it to send it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// use kiket_testing::TestExtension;
    ///
    /// let builder = kiket_runtime::Extension::builder().on("issue.created", "v1", async || {});
    /// let extension = TestExtension::new(builder)?;
    /// let response = extension.call("POST", "/webhook").header("x-request-id", "1").json(&["unsigned"]).await;
    /// assert_eq!(response.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the method or the path cannot be sent over HTTP.
    #[track_caller]
    pub fn call(&self, method: impl AsRef<str>, path: &str) -> TestCall<'_> {
        let method = method.as_ref();
        let parsed = Method::from_bytes(method.as_bytes());
        let method = parsed.unwrap_or_else(|error| panic!("`{method}`: {error}"));
        TestCall { extension: self, request: test::TestRequest::with_uri(path).method(method) }
    }

    async fn respond(&self, request: test::TestRequest) -> TestResponse {
        let app =
            App::new().configure(self.extension.routes()).default_service(web::to(internals::not_found));
        let app = test::init_service(app).await;
        let (response, refusal) = internals::observed(app.call(request.to_request())).await;
        let response = match response {
            Ok(response) => response.map_into_boxed_body().into_parts().1,
            Err(error) => error.error_response(),
        };
        let status = response.status().as_u16();
        let headers =
            response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes()));
        let headers = headers.collect();
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default();
        TestResponse::new(status, headers, body.to_vec(), refusal)
    }
}

/// A request to a [`TestExtension`], which is sent when it is awaited; see [`TestExtension::call`].
#[allow(missing_debug_implementations)] // headers and body may hold secrets
#[must_use = "a request is sent when it is awaited"]
pub struct TestCall<'e> {
    extension: &'e TestExtension,
    request: test::TestRequest,
}

impl TestCall<'_> {
    /// Adds a header.
    ///
    /// # Panics
    ///
    /// When HTTP cannot carry it.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.append_header((name, value));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.set_payload(body.into());
        self
    }

    /// The body as JSON, with its `Content-Type`.
    ///
    /// # Panics
    ///
    /// When `body` cannot be JSON.
    #[track_caller]
    pub fn json(self, body: &impl Serialize) -> Self {
        let body =
            serde_json::to_vec(body).unwrap_or_else(|error| panic!("the body cannot be JSON: {error}"));
        self.header("content-type", "application/json").body(body)
    }
}

impl<'e> IntoFuture for TestCall<'e> {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + 'e>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.extension.respond(self.request))
    }
}
