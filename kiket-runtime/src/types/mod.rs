//! Plain values without I/O, which every other module uses.

mod absent;
mod authentication;
mod base_url;
mod clock;
mod conversions;
mod deadline;
pub(crate) mod event;
mod headers;
mod hex;
mod id;
mod into_option;
mod key;
#[cfg(feature = "inbox")]
pub(crate) mod later;
mod listen_address;
mod panic;
mod redact;
#[cfg(feature = "inbox")]
pub(crate) mod schedule;
mod scope;
mod secret;
mod setters;
mod shortened;
#[allow(unreachable_pub)] // `internals` exports it
mod sync;
pub(crate) mod text;
mod time;
mod timeout;
mod unknown;
mod visits;
mod words;

#[cfg(feature = "inbox")]
pub(crate) use self::shortened::cut;
pub(crate) use self::{
    absent::or_default,
    base_url::BaseUrl,
    conversions::conversions,
    deadline::{after, unless, within},
    event::{VERSION_HEADER, VersionKey, is_same_event, other_name},
    headers::Repeated,
    hex::{hex, sha256_of_parts},
    key::Key,
    listen_address::ListenAddress,
    panic::{caught, caught_to_end, message, note},
    redact::{RESERVED, Redactor},
    scope::{MissingScopes, allows},
    setters::setters,
    shortened::{LONGEST_ID, LONGEST_TEXT, shortened},
    time::{
        LONGEST_RETRY_AFTER, millis, milliseconds, read_rfc3339, read_time, retry_seconds, unix_time,
        whole_seconds,
    },
    timeout::read_timeout,
    unknown::{CONFIDENTIAL, unknown_fields, unknown_members, with_extra},
    visits::visits,
    words::words,
};
pub use self::{
    authentication::{Authentication, AuthenticationModeError},
    clock::Clock,
    event::{Event, EventName, EventNameError, EventVersion, EventVersionError, is_declared},
    headers::{Headers, Iter as HeadersIter},
    id::Id,
    into_option::IntoOption,
    scope::{Scope, ScopeError},
    secret::{Secret, SecretError},
    time::Timestamp,
    timeout::{Timeout, TimeoutError},
    unknown::ENVELOPE,
};
#[allow(unreachable_pub)] // `internals` exports them
pub use self::{event::is_guard, sync::Mutex, time::rfc3339};
