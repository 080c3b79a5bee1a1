//! A library that somebody depends on for something else, and that brings a handler along.

/// Answers an event that the program around it never meant to answer.
#[kiket::webhook("account.export", version = "v1")]
pub async fn export_account() {}
