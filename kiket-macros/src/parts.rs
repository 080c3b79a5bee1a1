//! Splits the contents of parentheses at commas.
//!
//! It works on tokens, so that a mistake in one part does not hide the others.

use proc_macro2::{TokenStream, TokenTree};
use std::mem;

/// The tokens between the commas. An empty part is its comma, so that a mistake can point there.
pub(crate) fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = Vec::new();
    let mut part = TokenStream::new();
    for token in tokens {
        match &token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                let ended = mem::take(&mut part);
                parts.push(if ended.is_empty() { token.into() } else { ended });
            }
            _ => part.extend([token]),
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}
