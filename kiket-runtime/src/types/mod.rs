//! Plain values: what the rest of the crate speaks in, without I/O.

mod absent;
mod authentication;
mod base_url;
mod clock;
pub(crate) mod event;
mod headers;
mod hex;
mod id;
mod into_option;
mod key;
mod redact;
mod scope;
mod secret;
mod sync;
mod time;
mod timeout;

pub(crate) use self::{
    absent::or_default,
    base_url::{BaseUrl, InvalidBaseUrl},
    event::{VERSION_HEADER, VersionKey},
    headers::Occurrence,
    hex::{hex, sha256_of_parts},
    key::Key,
    redact::Redactor,
    scope::{Lack, allows},
    sync::Mutex,
    time::{read_rfc3339, read_time, rfc3339},
    timeout::read_timeout,
};
pub use self::{
    authentication::{Authentication, UnknownAuthentication},
    clock::Clock,
    event::{Event, EventName, EventVersion, InvalidEventName, InvalidEventVersion},
    headers::Headers,
    id::Id,
    into_option::IntoOption,
    scope::Scope,
    secret::{Secret, UnusableSecret},
    time::Timestamp,
    timeout::Timeout,
};
