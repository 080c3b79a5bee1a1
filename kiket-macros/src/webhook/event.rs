//! The event that the attribute names: a text or a type.

use crate::diagnostics::mistake;
use proc_macro2::TokenStream;
use syn::{LitStr, Result, TypePath, parse2};

/// The event: its name, or a type that implements `Event`. The compiler checks it where the expansion uses it.
///
/// ```text
/// "issue.created"
/// events::IssueCreated
/// ```
pub(super) enum Event {
    Literal(LitStr),
    Type(TypePath),
}

pub(super) const EVENT: &str = "the event comes first, as a string literal like `\"issue.created\"` or a type like `events::IssueCreated`";

impl Event {
    pub(super) fn read(tokens: &TokenStream) -> Result<Self> {
        let literal = parse2(tokens.clone()).map(Self::Literal);
        literal.or_else(|_| parse2(tokens.clone()).map(Self::Type)).map_err(|_| mistake(tokens, EVENT))
    }
}
