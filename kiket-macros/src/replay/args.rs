//! What stands in the parentheses of the attribute.

use proc_macro2::{Span, TokenStream};
use syn::{Error, Ident, LitStr, Path, Result, Token, ext::IdentExt as _, parse::Parser, parse2};

use crate::{
    diagnostics::{both, mistake},
    krate,
    parts::split_at_commas,
};

/// The files, and where `kiket` is.
///
/// ```text
/// "captures/*.json"
/// "captures/*.json", crate = company::kiket
/// ```
pub(super) struct Args {
    /// The text of the pattern.
    pub(super) pattern: LitStr,
    /// The folder of the files, below that of the package: empty, or with `/` at its end.
    pub(super) folder: String,
    /// What their names begin with, and end with.
    pub(super) name: (String, String),
    pub(super) krate: Path,
}

const EMPTY: &str = "replayed captures are named by a pattern, like `#[kiket::replay(\"captures/*.json\")]`";
const PATTERN: &str = "a pattern is a path below the folder of the package, with one `*` in the name of the file, like `\"captures/*.json\"`";
const KEYS: &str = "the one key beside the pattern is `crate`, like `crate = company::kiket`";

impl Args {
    pub(super) fn read(tokens: TokenStream) -> Result<Self> {
        let mut parts = split_at_commas(tokens).into_iter();
        let Some(first) = parts.next() else { return Err(Error::new(Span::call_site(), EMPTY)) };
        let pattern = parse2::<LitStr>(first.clone()).map_err(|_| mistake(first, EMPTY));
        let pattern = pattern.and_then(|pattern| match split(&pattern.value()) {
            Some((folder, name)) => Ok((pattern, folder, name)),
            None => Err(mistake(pattern, PATTERN)),
        });
        let krate = match (parts.next(), parts.next()) {
            (None, _) => Ok(krate::default()),
            (Some(part), None) => path(&part),
            (Some(_), Some(more)) => Err(mistake(more, KEYS)),
        };
        let ((pattern, folder, name), krate) = both(pattern, krate)?;
        Ok(Self { pattern, folder, name, krate })
    }
}

/// The folder, and the name before and behind the `*`.
fn split(pattern: &str) -> Option<(String, (String, String))> {
    let (folder, name) = pattern.rfind('/').map_or(("", pattern), |at| pattern.split_at(at + 1));
    let is_below =
        !pattern.starts_with('/') && !folder.split('/').any(|part| part.contains([':', '\\', '*']));
    let (before, behind) = name.split_once('*').filter(|(_, behind)| is_below && !behind.contains('*'))?;
    Some((folder.to_owned(), (before.to_owned(), behind.to_owned())))
}

/// The path of `crate = path`.
fn path(part: &TokenStream) -> Result<Path> {
    let parser = |input: syn::parse::ParseStream<'_>| {
        let key = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        Ok((key, input.parse::<TokenStream>()?))
    };
    let (key, value) = parser.parse2(part.clone()).map_err(|_| mistake(part, KEYS))?;
    if key == "crate" { krate::read(value) } else { Err(mistake(key, KEYS)) }
}
