//! The spans of generated tokens: hygiene, and the place that compiler errors point to.

use proc_macro2::Span;
use quote::ToTokens;

/// A hygienic span at the attribute.
pub(crate) fn site() -> Span {
    Span::mixed_site()
}

/// A hygienic span at a place in the user's code.
pub(crate) fn at(place: Span) -> Span {
    site().located_at(place)
}

/// The spans of the first and the last token, between which the compiler underlines.
pub(crate) fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| at(token.span()));
    let first = spans.next().unwrap_or_else(site);
    (first, spans.last().unwrap_or(first))
}
