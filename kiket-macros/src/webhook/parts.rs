//! Splits an argument of the attribute at its `=`.

use crate::diagnostics::mistake;
use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};
use syn::Result;

/// The keys of the attribute; without its `=` each is a key still, and not the event.
const KEYS: [&str; 10] = [
    "version",
    "timeout",
    "scopes",
    "dedupe",
    "middleware",
    "attempts",
    "backoff",
    "lane",
    "on_dead",
    "crate",
];

const VALUELESS: &str = "a key and its value are joined by `=`, like `version = \"v1\"`";

/// The key and the value of `version = "v1"`; `None` for a part without a key.
pub(super) fn setting(part: &TokenStream) -> Option<(Ident, Result<TokenStream>)> {
    let mut tokens = part.clone().into_iter();
    let Some(TokenTree::Ident(key)) = tokens.next() else { return None };
    let value = match tokens.next() {
        Some(TokenTree::Punct(joint)) if joint.as_char() == '=' => tokens.collect(),
        // A path, like that of a type in `crate::events`.
        Some(TokenTree::Punct(colon)) if colon.as_char() == ':' && colon.spacing() == Spacing::Joint => {
            return None;
        }
        _ if KEYS.iter().any(|known| key == known) => TokenStream::new(),
        _ => return None,
    };
    Some((key, if value.is_empty() { Err(mistake(part, VALUELESS)) } else { Ok(value) }))
}
