//! Plain values without I/O, which every other module uses.

mod absent;
mod authentication;
mod base_url;
mod clock;
pub(crate) mod event;
mod headers;
mod id;
mod redact;
mod scope;
mod secret;
mod text;
mod timeout;

pub(crate) use self::{
    absent::or_default,
    base_url::BaseUrl,
    event::{VERSION_HEADER, VersionKey},
    headers::Occurrence,
    redact::Redactor,
    scope::{Lack, allows},
    timeout::read_timeout,
};
pub use self::{
    authentication::{Authentication, AuthenticationModeError},
    clock::Clock,
    event::{Event, EventName, EventNameError, EventVersion, EventVersionError},
    headers::{Headers, Iter as HeadersIter},
    id::Id,
    scope::{Scope, ScopeError},
    secret::{Secret, SecretError},
    timeout::{Timeout, TimeoutError},
};
