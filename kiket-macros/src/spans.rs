//! Where generated tokens come from, and where the compiler points when one of them is wrong.

use proc_macro2::Span;
use quote::ToTokens;

/// Hygienic, and at the attribute.
pub(crate) fn site() -> Span {
    Span::mixed_site()
}

/// Hygienic, and at a place of the user's.
pub(crate) fn at(place: Span) -> Span {
    site().located_at(place)
}

/// The places of the first and the last token, between which the compiler underlines.
pub(crate) fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| at(token.span()));
    let first = spans.next().unwrap_or_else(site);
    (first, spans.last().unwrap_or(first))
}
