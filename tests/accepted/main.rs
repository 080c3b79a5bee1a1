//! What the macros accept, and what it does: each case is a module, as it would be a program.

#![deny(future_incompatible, rust_2021_compatibility, rust_2024_compatibility)] // of no effect in a module

mod now;
mod registered;

pub mod plain;
pub mod strict;
