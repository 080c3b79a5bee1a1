//! Splits the contents of parentheses at commas, and what is between them at its `=`.
//!
//! It works on tokens, so that a mistake in one part does not hide the others.

use crate::diagnostics::mistake;
use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};
use std::mem;
use syn::Result;

/// The tokens between the commas that are not those of a type, like `Sent<A, B>`. An empty part is its comma, so that a mistake
/// can point there.
pub(crate) fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = Vec::new();
    let mut part = TokenStream::new();
    let (mut within, mut before) = (0_usize, ' ');
    for token in tokens {
        let sign = if let TokenTree::Punct(sign) = &token { sign.as_char() } else { ' ' };
        match (sign, before) {
            ('<', _) => within += 1,
            ('>', '-' | '=') => {} // an arrow
            ('>', _) => within = within.saturating_sub(1),
            _ => {}
        }
        before = sign;
        if sign == ',' && within == 0 {
            let ended = mem::take(&mut part);
            parts.push(if ended.is_empty() { token.into() } else { ended });
        } else {
            part.extend([token]);
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
