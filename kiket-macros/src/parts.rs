//! Splits the contents of parentheses at commas, and what is between them at its `=`.
//!
//! It works on tokens, so that a mistake in one part does not hide the others.

use crate::diagnostics::mistake;
use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};
use std::mem;
use syn::Result;

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

const VALUELESS: &str = "a key and its value are joined by `=`, like `version = \"v1\"`";

/// The key and the value of `version = "v1"`; `None` for a part without a key. One of `keys` is a key without its `=`, too.
pub(crate) fn setting(part: &TokenStream, keys: &[&str]) -> Option<(Ident, Result<TokenStream>)> {
    let mut tokens = part.clone().into_iter();
    let Some(TokenTree::Ident(key)) = tokens.next() else { return None };
    let value = match tokens.next() {
        Some(TokenTree::Punct(joint)) if joint.as_char() == '=' => tokens.collect(),
        // A path, like that of a type in `crate::events`.
        Some(TokenTree::Punct(colon)) if colon.as_char() == ':' && colon.spacing() == Spacing::Joint => {
            return None;
        }
        _ if keys.iter().any(|known| key == known) => TokenStream::new(),
        _ => return None,
    };
    Some((key, if value.is_empty() { Err(mistake(part, VALUELESS)) } else { Ok(value) }))
}
