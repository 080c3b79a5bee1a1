//! Cases that deny lints, so that no expansion needs an `allow`.

pub mod derived_events;
pub mod main_without_keys;
pub mod other_attributes;
pub mod retry;
pub mod strict_lints;
