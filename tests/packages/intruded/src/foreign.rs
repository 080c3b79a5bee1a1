//! A library that a program depends on for something else, and that brings a handler along.

/// Handles an event that the program around it never meant to handle.
#[kiket::webhook("account.export", version = "v1")]
pub async fn export_account() {}
