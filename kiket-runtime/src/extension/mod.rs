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
mod instance;
mod options;
mod registration;
mod report;
mod requirements;

pub(crate) use self::check::Check;
#[cfg(feature = "inbox")]
pub use self::inbox::InboxOptions;
pub use self::{
    background::Shutdown,
    builder::ExtensionBuilder,
    groups::{ClientOptions, DedupeOptions, HttpOptions, TelemetryOptions},
    instance::Extension,
    report::{HandlerReport, Report},
};
