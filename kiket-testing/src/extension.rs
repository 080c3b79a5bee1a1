//! An extension in process: every layer but the socket.

use actix_web::{App, dev::Service as _, http::Method, test, web};
use kiket_runtime::{
    Clock, Extension, ExtensionBuilder, Secret, StartupError,
    internals::{self, Defaults},
};

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

impl TestExtension {
    /// Builds the extension for tests.
    ///
    /// # Errors
    ///
    /// Everything that would keep it from starting.
    pub fn new(builder: ExtensionBuilder) -> Result<Self, StartupError> {
        let webhook_secret = Some(Secret::from(SECRET));
        let defaults = Defaults { id: None, webhook_secret, clock: Clock::fixed(NOW), extension_number: None, isolated: true };
        let (builder, clock) = internals::with_defaults(builder, defaults);
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
        self.call(request).await
    }

    /// Asks for a path, like `/health`.
    ///
    /// # Panics
    ///
    /// When the path cannot be sent over HTTP.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.call(test::TestRequest::with_uri(path).method(Method::GET)).await
    }

    async fn call(&self, request: test::TestRequest) -> TestResponse {
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
