//! Splits the arguments of the attribute at their commas, and each at its `=`.
//!
//! Done on tokens, so that what is wrong in one part leaves the others to be read.

use crate::diagnostics::mistake;
use proc_macro2::{Ident, TokenStream, TokenTree};
use std::mem;
use syn::Result;

/// The keys of the attribute; without its `=` each is a key still, and not the event.
const KEYS: [&str; 4] = ["version", "timeout", "scopes", "dedupe"];

const VALUELESS: &str = "a key and its value are joined by `=`, like `version = \"v1\"`";

/// The tokens between the commas. A comma without anything before it stands for itself, so that it can be pointed at.
pub(super) fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
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

/// The key and the value of `version = "v1"`; nothing for a part that does not set a key.
pub(super) fn setting(part: &TokenStream) -> Option<(Ident, Result<TokenStream>)> {
    let mut tokens = part.clone().into_iter();
    let Some(TokenTree::Ident(key)) = tokens.next() else { return None };
    let value = match tokens.next() {
        Some(TokenTree::Punct(joint)) if joint.as_char() == '=' => tokens.collect(),
        _ if KEYS.iter().any(|known| key == known) => TokenStream::new(),
        _ => return None,
    };
    Some((key, if value.is_empty() { Err(mistake(part, VALUELESS)) } else { Ok(value) }))
}
