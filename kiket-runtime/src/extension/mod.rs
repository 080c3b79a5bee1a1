//! An extension: described by a builder, assembled and checked at the start, then served.

mod assemble;
mod background;
mod builder;
mod check;
pub mod cli;
mod consistency;
mod endpoints;
mod groups;
#[cfg(feature = "inbox")]
mod inbox;
#[cfg(feature = "inbox")]
mod inbox_report;
mod instance;
mod options;
mod registration;
mod report;
mod requirements;
#[cfg(feature = "postgres")]
mod transactions;

pub(crate) use self::check::Check;
#[cfg(all(feature = "inbox", feature = "internals"))]
pub(crate) use self::inbox::seal_keys;
pub use self::{
    background::Shutdown,
    builder::ExtensionBuilder,
    groups::{ClientOptions, DedupeOptions, HttpOptions, TelemetryOptions},
    instance::Extension,
    report::{HandlerReport, Report},
};
#[cfg(feature = "inbox")]
pub use self::{
    inbox::InboxOptions,
    inbox_report::{LaterReport, ScheduleReport},
};
