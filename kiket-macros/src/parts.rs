//! Splits what stands in parentheses at its commas.
//!
//! Done on tokens, so that what is wrong in one part leaves the others to be read.

use proc_macro2::{TokenStream, TokenTree};
use std::mem;

/// The tokens between the commas. A comma without anything before it stands for itself, so that it can be pointed at.
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
