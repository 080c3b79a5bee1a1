//! An extension that is pointed at a platform, for the tests of calls.

use kiket::{
    Extension, ExtensionBuilder,
    api::Endpoints,
    client::Client,
    config::Clock,
    error::ClientError,
    testing::{Call, Failure, FakePlatform},
};

use crate::canary::log_if_searched;

pub(crate) const ID: &str = "com.example.calls";

/// A platform, and an extension that is pointed at it.
pub(crate) struct World {
    pub(crate) platform: FakePlatform,
    pub(crate) extension: Extension,
}

pub(crate) fn builder() -> ExtensionBuilder {
    log_if_searched();
    Extension::builder()
        .without_manifest()
        .without_collected()
        .dedupe(|dedupe| dedupe.enabled(false))
        .environment([] as [(String, String); 0])
        .telemetry(|telemetry| telemetry.enabled(false))
        .on("issue.created", "v1", async || ())
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(options: impl FnOnce(ExtensionBuilder) -> ExtensionBuilder) -> Self {
        let platform = FakePlatform::builder().extension_id(ID).start().unwrap();
        let extension =
            options(platform.extension(builder().id(ID))).clock(Clock::fixed(1_768_645_800)).build().unwrap();
        Self { platform, extension }
    }

    pub(crate) fn client(&self) -> Client {
        self.extension.client()
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        self.extension.endpoints()
    }

    /// The one call that was made since the last time, checked against what every call carries.
    #[track_caller]
    pub(crate) fn call(&self) -> Call {
        let call = one_call(&self.platform);
        assert_eq!(call.header("authorization"), Some(format!("Bearer {}", self.platform.token()).as_str()));
        assert_eq!(call.header("user-agent"), Some(concat!("kiket-sdk-rust/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(call.header("accept"), Some("application/json"));
        let below_ext = call.path().starts_with("/api/v1/ext/");
        assert_eq!(
            call.header("x-kiket-api-key"),
            below_ext.then_some(self.platform.api_key()),
            "{}",
            call.path()
        );
        call
    }

    /// The one call that was made, as method, path and query.
    #[track_caller]
    pub(crate) fn request(&self) -> String {
        request(&self.call())
    }
}

/// What a path must not have in it, and how it is sent.
pub(crate) const SEGMENTS: [(&str, &str); 8] = [
    ("a/b", "a%2Fb"),
    ("a?b", "a%3Fb"),
    ("a#b", "a%23b"),
    ("a b", "a%20b"),
    ("100%", "100%25"),
    ("a..b", "a..b"),
    ("../x", "..%2Fx"),
    ("grün", "gr%C3%BCn"),
];

/// The one call that was made since the last time.
#[track_caller]
pub(crate) fn one_call(platform: &FakePlatform) -> Call {
    let mut calls = platform.calls();
    platform.forget_calls();
    assert_eq!(calls.len(), 1, "one call");
    calls.remove(0)
}

/// A call as method, path and query.
pub(crate) fn request(call: &Call) -> String {
    let query = if call.query().is_empty() { String::new() } else { format!("?{}", call.query()) };
    format!("{} {}{query}", call.method(), call.path())
}

/// The status with which the platform refuses the next call.
pub(crate) fn refuse(world: &World, status: u16) {
    world.platform.fail(Failure::status(status).times(1));
}

#[track_caller]
pub(crate) fn status<T: std::fmt::Debug>(result: Result<T, ClientError>) -> u16 {
    let error = result.expect_err("a failure");
    error.status().unwrap_or_else(|| panic!("{error:?}")).as_u16()
}
