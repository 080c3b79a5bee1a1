//! Plain values: what the rest of the crate speaks in, without I/O.

mod absent;
mod authentication;
mod base_url;
mod clock;
mod deadline;
pub(crate) mod event;
mod headers;
mod id;
mod panic;
mod redact;
mod scope;
mod secret;
mod timeout;

pub(crate) use self::{
    absent::or_default,
    base_url::{BaseUrl, InvalidBaseUrl},
    deadline::{unless, within},
    event::{VERSION_HEADER, VersionKey},
    headers::Occurrence,
    panic::caught,
    redact::Redactor,
    scope::{MissingScopes, allows},
    timeout::read_timeout,
};
pub use self::{
    authentication::{Authentication, UnknownAuthentication},
    clock::Clock,
    event::{Event, EventName, EventVersion, InvalidEventName, InvalidEventVersion},
    headers::Headers,
    id::Id,
    scope::Scope,
    secret::{Secret, UnusableSecret},
    timeout::Timeout,
};
