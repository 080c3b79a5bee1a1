//! The test kit of [`kiket`](https://docs.rs/kiket), as `kiket::testing`: signed deliveries, the whole stack in process,
//! contexts for handlers called alone, and a fake platform to call.
//!
//! Use it through `kiket`, with the feature `testing`:
//!
//! ```toml
//! [dev-dependencies]
//! kiket = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use kiket_runtime::{Extension, Json, Payload}; // `kiket::{…}` in an extension
//! use kiket_testing::{TestExtension, delivery}; // `kiket::testing::{…}`
//! use serde_json::json;
//!
//! async fn on_issue_created(payload: Payload) -> Json<serde_json::Value> {
//!     Json(json!({ "processed": payload["issue"]["id"] }))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), kiket_runtime::StartupError> {
//! let builder = Extension::builder().on("issue.created", "v1", on_issue_created);
//! let extension = TestExtension::new(builder)?;
//! let response = extension.deliver(delivery("issue.created", "v1", &json!({ "issue": { "id": "123" } }))).await;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.json(), json!({ "processed": "123" }));
//! # Ok(())
//! # }
//! ```

mod capture;
mod context;
mod dedupe_store_conformance;
mod delivery;
mod extension;
mod fixtures;
#[cfg(feature = "inbox")]
mod inbox;
#[cfg(feature = "inbox")]
mod inbox_conformance;
mod platform;
mod response;
mod token;

#[cfg(feature = "inbox")]
pub use self::inbox_conformance::inbox_conformance;
pub use self::{
    capture::{Capture, CaptureError, CapturedCall, CapturedResponse, Content, Leak, Recording},
    context::{ContextBuilder, context},
    dedupe_store_conformance::dedupe_store_conformance,
    delivery::{DeliveryBuilder, SignedDelivery, delivery, delivery_of},
    extension::{SECRET, TestCall, TestExtension},
    fixtures::{Fixture, fixture, fixtures},
    platform::{Attempt, Call, Expectation, Failure, FakePlatform, FakePlatformBuilder},
    response::TestResponse,
    token::TokenIssuer,
};

#[cfg(feature = "inbox")]
pub use self::inbox::{DeferredRun, MemoryInbox, TestInbox};

/// The names that the expansion of `#[kiket::replay]` and the developer tool use. Nothing here is stable.
#[doc(hidden)]
pub mod __private {
    pub use crate::capture::{
        Keyring, escaped,
        replay::{Replayed, replay, replay_new},
    };
}
