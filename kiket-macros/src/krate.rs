//! The path to `kiket` in expansions: `::kiket` unless the attribute has `crate = path`.

use crate::diagnostics::mistake;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Path, Result, parse_quote, parse2};

pub(crate) const PATH: &str = "the path to `kiket` is written without quotes, like `crate = company::kiket`";

/// The path with the span `place`, so that the compiler points there if the path is wrong.
pub(crate) fn at(place: Span, krate: &Path) -> TokenStream {
    let tokens = krate.to_token_stream().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(place));
        token
    });
    tokens.collect()
}

/// The path of a dependency with its published name.
pub(crate) fn default() -> Path {
    let path = quote_spanned!(Span::mixed_site()=> ::kiket);
    parse_quote!(#path)
}

/// The value of `crate = company::kiket`.
pub(crate) fn read(tokens: TokenStream) -> Result<Path> {
    parse2::<Path>(tokens.clone())
        .ok()
        .filter(|path| path.segments.iter().all(|segment| segment.arguments.is_none()))
        .ok_or_else(|| mistake(tokens, PATH))
}
